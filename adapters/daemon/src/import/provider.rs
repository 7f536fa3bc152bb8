//! Each `[[provider]]` that an import writes.

use gatepost_tokio::{ProviderSettings, Template};
use toml::Value;

use super::client::client;
use super::dovecot::LISTEN;
use super::draft::{Draft, Endpoint, Mode};
use super::error::ImportError;
use super::value::{Version, one_line};
use crate::config::{Config, FieldName, WebUrl};

/// Lines of one `[[provider]]`.
pub(super) type Lines = Vec<String>;

/// One of our keys.
pub(super) fn line(key: &str, value: impl Into<Value>) -> String {
    format!("{key} = {}", value.into())
}

/// What every provider has.
pub(super) fn common(
    draft: &mut Draft,
    version: Version,
    attribute: &str,
) -> Result<Lines, ImportError> {
    let mut lines = vec![line("username_claims", vec![attribute])];
    if attribute == "email" {
        lines.push(
            "unverified_email = true    # as in Dovecot, which never looked at email_verified: remove it if users \
             may write any\n# address into their accounts at the provider, or they open other people's mailboxes"
                .to_owned(),
        );
    }
    if draft.folds_case {
        lines.push(line("user_case", "lower"));
    }
    if !draft.scopes.is_empty() {
        lines.push(line("scopes", draft.scopes.clone()));
        draft
            .say("scope: a token has to hold all of them; older versions of Dovecot asked for one");
    }
    audience(draft, &mut lines);
    active(draft, version, &mut lines)?;
    client(draft, version, &mut lines);
    fields(draft, &mut lines);
    let numbers = [
        ("timeout_milliseconds", draft.timeout),
        ("concurrency", draft.concurrency),
        ("skew_seconds", draft.skew),
    ];
    for (key, number) in numbers {
        let number = number.and_then(|number| i64::try_from(number).ok());
        lines.extend(number.map(|number| line(key, number)));
    }
    lines.extend(
        draft
            .ca_file
            .as_ref()
            .map(|path| line("ca_file", path.as_str())),
    );
    match (draft.client_certificate.take(), draft.client_key.take()) {
        (Some(certificate), Some(key)) => {
            lines.push(line("client_certificate", certificate.plain()?));
            lines.push(line("client_key", key.plain()?));
        }
        (Some(alone), None) | (None, Some(alone)) => {
            draft.remark(
                &alone,
                "a certificate and its key belong together; the other one is not there",
            );
        }
        (None, None) => {}
    }
    if draft.send_auth_headers {
        lines.push(line("send_auth_headers", true));
    }
    Ok(lines)
}

fn audience(draft: &mut Draft, lines: &mut Lines) {
    let Some((first, others)) = draft.audience.split_first() else {
        lines.push(
            "any_audience = true    # as in Dovecot: tokens for other applications get in. Better:\n\
             # audience = \"...\"      # what the provider puts into tokens for the mail server"
                .to_owned(),
        );
        return;
    };
    lines.push(line("audience", first.as_str()));
    // Dovecot wants all of them of a JWT, and one of a list is enough here. An answer may name none.
    let second = others.first().filter(|_| draft.is_local());
    if let Some(second) = second {
        lines.push(format!(
            "require = {{ aud = {} }}",
            Value::from(second.as_str())
        ));
    }
    let (required, words) = match second {
        Some(_) => (2, "two"),
        None => (1, "one"),
    };
    let further = draft.audience.get(required..).unwrap_or_default();
    let further = further.join(" ");
    if !further.is_empty() {
        draft.say(format!(
            "audience: {} cannot be required besides the first {words}",
            one_line(&further)
        ));
    }
    if !draft.is_local() {
        lines.push(line("allow_missing_audience", true));
        draft.say(
            "audience: Dovecot judges it in JWTs only; remove allow_missing_audience if answers name it",
        );
    }
}

/// 2.3 has a default for each of both, of which neither is worth writing: an answer that says that a token is not
/// active is refused in any case.
fn active(draft: &mut Draft, version: Version, lines: &mut Lines) -> Result<(), ImportError> {
    let value = draft.active_value.take();
    let text = value
        .as_ref()
        .map(|value| value.plain().unwrap_or_default());
    let (attribute, text) = match (draft.active_attribute.as_deref(), text) {
        (None | Some(""), None | Some("")) => return Ok(()),
        (Some(attribute), None) if version == Version::V2_3 => (attribute, Some("true")),
        (Some(attribute), None | Some("")) => (attribute, None),
        (None, Some(text)) if version == Version::V2_3 => ("active", Some(text)),
        (Some(attribute), Some(text)) if !attribute.is_empty() => (attribute, Some(text)),
        (_, Some(_)) => {
            let fault = "needs active_attribute, without which Dovecot does not start";
            return Err(value.map_or(ImportError::Nothing, |value| value.fault(fault)));
        }
    };
    lines.push(line("active_attribute", attribute));
    lines.extend(text.map(|text| line("active_value", text)));
    Ok(())
}

/// Dovecot fills its own fields in, as long as it is Dovecot that is asked.
fn fields(draft: &mut Draft, lines: &mut Lines) {
    let mut table = toml::Table::new();
    for field in std::mem::take(&mut draft.fields) {
        let is_template = field.template.parse::<Template>().is_ok();
        let is_name = FieldName::try_from(field.name.clone()).is_ok() && is_attribute(&field.name);
        let is_hidden = ["email", "username", "sub"].contains(&&*field.name)
            || Some(&field.name) == draft.username_attribute.as_ref();
        if !draft.uses_grant {
            draft.remark(
                &field.setting,
                "this field stays in Dovecot, which goes on filling it in",
            );
        } else if is_name && is_template && !is_hidden {
            table.insert(field.name, field.template.into());
        } else {
            let words = "this field cannot be taken over: a template knows the user, the mechanism and the token";
            draft.remark(&field.setting, words);
        }
        if field.setting.text().contains("oauth2:")
            && !field.setting.text().contains("access_token")
        {
            let words = "Gatepost's answer holds the user's name, active, exp and scope, and no other claim";
            draft.remark(&field.setting, words);
        }
    }
    if !table.is_empty() {
        lines.push(line("fields", Value::Table(table)));
    }
}

/// Dovecot has verified tokens by itself: one provider for each issuer, for keys never serve two.
pub(super) fn local(draft: &mut Draft, common: &Lines) -> Result<Vec<Lines>, ImportError> {
    for endpoint in [draft.introspection.take(), draft.tokeninfo.take()]
        .into_iter()
        .flatten()
    {
        draft.remark(
            &endpoint.setting,
            "Dovecot never asks with introspection_mode = local; validate = \"fallback\" would, for tokens that no \
             key here verifies",
        );
    }
    let issuers = std::mem::take(&mut draft.issuers);
    let mut issuers: Vec<Option<String>> = issuers.into_iter().map(Some).collect();
    issuers.dedup();
    if issuers.len() > 1 {
        draft.say("issuers: each has a [[provider]] of its own; put its keys alone into its keys");
    }
    if issuers.is_empty() {
        issuers.push(None);
    }
    let mut providers = Vec::new();
    let has_several = issuers.len() > 1;
    for (index, issuer) in issuers.iter().enumerate() {
        let mut lines = Vec::new();
        let name = issuer.as_deref().and_then(host).filter(|_| !has_several);
        if name.is_none() {
            let number = if has_several {
                format!("-{}", index + 1)
            } else {
                String::new()
            };
            lines.push(line("name", format!("dovecot{number}")));
        }
        // Without an issuer nothing else tells whom its tokens come from.
        lines.push(match issuer {
            Some(issuer) => line("issuer", issuer.as_str()),
            None => "any_issuer = true    # as in Dovecot. Better:\n\
                     # issuer = \"...\"      # what the tokens have as `iss`"
                .to_owned(),
        });
        lines.extend(common.iter().cloned());
        match &draft.keys {
            Some(keys) => {
                lines.push(line("keys", vec![keys.as_str()]));
                lines.push(line("discovery", false));
            }
            None => lines.extend(found_by(issuer.as_deref())?),
        }
        lines.push(line("validate", "local"));
        if let Some(grant) = draft
            .grant
            .as_ref()
            .filter(|grant| draft.uses_grant && grant.is_plain_and_remote)
        {
            lines.push(allow_http(grant));
        }
        providers.push(lines);
    }
    Ok(providers)
}

/// Keys that are found by the issuer's metadata, where Dovecot's come from elsewhere.
fn found_by(issuer: Option<&str>) -> Result<Lines, ImportError> {
    let url = issuer.and_then(|issuer| WebUrl::try_from(issuer.to_owned()).ok());
    let Some(url) = url.filter(|url| !url.contains('?')) else {
        return Err(ImportError::NoKeys);
    };
    let plain = url.is_plain_and_remote().then(|| line("allow_http", true));
    Ok(plain.into_iter().collect())
}

/// Dovecot has asked about every token, and so does Gatepost.
pub(super) fn online(draft: &mut Draft, common: Lines) -> Result<Lines, ImportError> {
    let asked = [draft.tokeninfo.clone(), draft.introspection.clone()];
    let Some(first) = draft.introspection.as_ref().or(draft.tokeninfo.as_ref()) else {
        return Err(ImportError::NobodyToAsk);
    };
    let mut lines = Vec::new();
    if host(&first.url).is_none() {
        lines.push(line("name", "dovecot"));
    }
    match &*std::mem::take(&mut draft.issuers) {
        [] => {}
        [issuer] => lines.push(line("issuer", issuer.as_str())),
        issuers => draft.say(format!(
            "issuers = {}: Dovecot does not look at them when it asks, and of one endpoint there is one issuer; \
             write the one that its answers name",
            one_line(&issuers.join(" "))
        )),
    }
    lines.extend(common);
    for (key, endpoint) in ["tokeninfo_url", "introspection_url"].iter().zip(&asked) {
        lines.extend(
            endpoint
                .as_ref()
                .map(|endpoint| line(key, endpoint.url.as_str())),
        );
    }
    lines.push(line("validate", "online"));
    lines.push(line("discovery", false));
    let mode = match draft.mode {
        Some(Mode::Get) => "get",
        Some(Mode::Post) => "post",
        _ => "auth",
    };
    lines.push(line("introspection_mode", mode));
    if draft.force_introspection {
        lines.push(line("force_introspection", true));
    }
    let granted = draft.grant.as_ref().filter(|_| draft.uses_grant);
    let mut endpoints = asked.iter().flatten().chain(granted);
    lines.extend(
        endpoints
            .find(|endpoint| endpoint.is_plain_and_remote)
            .map(allow_http),
    );
    if matches!(draft.mode, Some(Mode::Get | Mode::Post)) {
        draft.say(
            "introspection: only \"active\": true vouches for a token (RFC 7662 section 2.2), whatever \
             active_attribute says",
        );
    }
    draft.say("a 4xx never vouches for anyone here; Dovecot reads its body");
    Ok(lines)
}

fn allow_http(_: &Endpoint) -> String {
    "allow_http = true    # tokens travel in clear, as they did; https is better".to_owned()
}

/// The host that a provider is called by where it has no name.
fn host(url: &str) -> Option<&str> {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    (1..=ProviderSettings::MAX_NAME)
        .contains(&host.len())
        .then_some(host)
}
/// Whether an answer to Dovecot may hold the name by this member.
pub(super) fn is_attribute(name: &str) -> bool {
    let text = format!(
        "[http]\nlisten = \"{}\"\n{}\n[[provider]]\nany_audience = true\nintrospection_url = \"https://id.invalid/\"\n",
        LISTEN,
        line("attributes", vec![name])
    );
    Config::parse(&text).is_ok()
}
