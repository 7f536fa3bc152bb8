//! Whose credentials a `[[provider]]` has. It has one client: a secret goes to no endpoint that Dovecot did not
//! send it to.

use super::draft::{Client, Draft, Endpoint, Mode};
use super::provider::{Lines, line};
use super::value::{Version, one_line};

/// Who asks, and what is granted to whom.
pub(super) fn client(draft: &mut Draft, version: Version, lines: &mut Lines) {
    let written = written(draft);
    let grant = draft.grant.clone().filter(|_| draft.uses_grant);
    let grantee = grant
        .as_ref()
        .and_then(|grant| grant.client.clone())
        .or_else(|| written.clone());
    let chosen = match asked(draft) {
        Some(asked) if asked.client.is_some() => asked.client,
        Some(asked) => written.clone().filter(|_| {
            // Written for grant_url, which may be somebody else's.
            let is_same = |grant: &Endpoint| origin(&grant.url) == origin(&asked.url);
            grant.as_ref().is_none_or(is_same)
        }),
        None if draft.is_local() && grant.is_none() => None,
        None => grantee.clone(),
    };
    let is_in_url = asked(draft).is_some_and(|asked| asked.client.is_some());
    let is_parameter = chosen == written && !is_in_url;
    if let Some(client) = &chosen {
        lines.push(line("client_id", client.id.as_str()));
        lines.push(line("client_secret", client.secret.as_str()));
        if is_parameter && version == Version::V2_3 {
            lines.push(line("client_place", "parameters"));
        }
    }
    say_unsent(draft);
    let is_dropped = written.is_some() && chosen != written;
    if let Some(client) = written.filter(|_| is_dropped) {
        say_dropped(draft, &client, chosen.is_some());
    }
    match grant {
        Some(grant) => take_grant(draft, &grant, grantee.as_ref(), chosen.as_ref(), lines),
        None => say_unused_grant(draft),
    }
}

/// `client_id` and `client_secret`, which are of use together.
fn written(draft: &mut Draft) -> Option<Client> {
    match (draft.client_id.take(), draft.client_secret.take()) {
        (Some(id), Some(secret)) => return Some(Client { id, secret }),
        (Some(id), None) => draft.say(format!(
            "client_id = {}: not taken over without client_secret; write both",
            one_line(&id)
        )),
        (None, Some(_)) => draft.say("client_secret: not taken over without client_id; write both"),
        (None, None) => {}
    }
    None
}

/// The endpoint that is asked with credentials.
fn asked(draft: &Draft) -> Option<Endpoint> {
    let is_asked = matches!(draft.mode, Some(Mode::Get | Mode::Post));
    draft.introspection.clone().filter(|_| is_asked)
}

/// Credentials in URLs which are sent nowhere.
fn say_unsent(draft: &mut Draft) {
    if draft.is_local() {
        return;
    }
    let is_auth = matches!(draft.mode, None | Some(Mode::Auth));
    let introspection = draft.introspection.as_ref();
    if is_auth && introspection.is_some_and(|endpoint| endpoint.client.is_some()) {
        draft.say(
            "credentials in the URL replaced the token in mode auth, so that no login ever succeeded; they are \
             not sent there any more",
        );
    }
    if let Some(tokeninfo) = draft.tokeninfo.clone().filter(|it| it.client.is_some()) {
        let words =
            "the credentials in it are not taken over: tokeninfo_url is shown the token alone";
        draft.remark(&tokeninfo.setting, words);
    }
}

/// What becomes of `client_id` and `client_secret` where others are sent.
fn say_dropped(draft: &mut Draft, client: &Client, has_other: bool) {
    if draft.is_local() && !draft.uses_grant {
        draft.say(
            "client_id: newer versions of Dovecot take it as the audience; write it as audience",
        );
        return;
    }
    let why = if has_other {
        "a URL holds other credentials, and a [[provider]] has one client"
    } else {
        "they are for grant_url, and introspection_url is on another host; if they are its credentials, write them"
    };
    draft.say(format!(
        "client_id = {}: not taken over: {why}",
        one_line(&client.id)
    ));
    draft.say(format!(
        "client_secret = (not shown): not taken over: {why}"
    ));
}

/// Passwords are exchanged by the client that Dovecot does it by, or not at all.
fn take_grant(
    draft: &mut Draft,
    grant: &Endpoint,
    grantee: Option<&Client>,
    chosen: Option<&Client>,
    lines: &mut Lines,
) {
    if grantee.is_none() {
        let words = "not taken over without client_id and client_secret";
        draft.remark(&grant.setting, words);
    } else if grantee != chosen {
        let words = "not taken over: it has another client than introspection_url, and a [[provider]] has one; \
                     Dovecot goes on exchanging passwords";
        draft.remark(&grant.setting, words);
    } else {
        lines.push(line("grant_url", grant.url.as_str()));
        if !draft.scopes.is_empty() {
            lines.push(line("grant_scope", draft.scopes.join(" ")));
        }
        draft.say(
            "grant_url: Dovecot goes on exchanging passwords; Gatepost does so for those who ask it about \
             logins, at a [[listener]]",
        );
        return;
    }
    draft.uses_grant = false;
}

fn say_unused_grant(draft: &mut Draft) {
    if let Some(grant) = draft.grant.clone() {
        let words = "Dovecot exchanges no passwords by it, and no more does Gatepost: they stay where they are";
        draft.remark(&grant.setting, words);
    }
}

/// Scheme, host and port.
fn origin(url: &str) -> String {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(begin);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}{authority}").to_lowercase()
}
