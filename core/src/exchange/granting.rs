//! The password grant (RFC 6749 section 4.3): a token in exchange for a password, judged like any other.

use super::{
    Accounts, Exchange, State,
    reading::{is_json, member, says_error},
    routing::choose,
};
use crate::{
    introspection::{Answer, Endpoints, Question, Request, Subject},
    rejection::Rejection,
    sasl::{BearerToken, UserPassword},
    wire::json::{Object, Text, Value},
};

/// A token that is asked for.
#[derive(Clone, Copy)]
pub(super) struct Granting<'b> {
    index: usize,
    endpoints: &'b Endpoints<'b>,
    url: &'b str,
    password: UserPassword<'b>,
}

impl Granting<'_> {
    pub(super) fn request(&self) -> Request<'_> {
        Request {
            provider: self.index,
            question: Question::Grant,
            endpoints: self.endpoints,
            url: self.url,
            subject: Subject::Password(self.password),
        }
    }
}

impl<'b, A: Accounts> Exchange<'b, A> {
    /// Lends `buffer` for a token that is granted in exchange for a password: [`BearerToken::MAX_LEN`]
    /// bytes hold every one. Without it, no password is taken.
    #[must_use]
    pub fn with_grant_buffer(mut self, buffer: &'b mut [u8]) -> Self {
        self.grant_buffer = buffer;
        self
    }

    /// Asks the provider of the user's domain, or the only one that takes passwords of any.
    pub(super) fn ask_for_token(&mut self, password: UserPassword<'b>) -> Result<(), Rejection> {
        if self.grant_buffer.is_empty() {
            return Err(Rejection::PasswordNotTaken);
        }
        let providers = self.settings.providers;
        let index = choose(providers, self.claimed, |_, provider| {
            let endpoints = provider.endpoints.as_ref();
            endpoints.is_some_and(|endpoints| endpoints.grant.is_some())
        });
        let found = index.and_then(|index| {
            let provider = providers.get(index)?;
            let endpoints = provider.endpoints.as_ref()?;
            let url = endpoints.grant?.url;
            self.provider = Some(index);
            self.granter = Some(index);
            Some(Granting {
                index,
                endpoints,
                url,
                password,
            })
        });
        let granting = found.ok_or(Rejection::PasswordNotTaken)?;
        self.enter(State::AwaitingGrant(granting))
    }

    /// Keeps the token that was granted, and presents it as though the client had.
    #[inline(never)]
    pub(super) fn take_grant(&mut self, answer: &Answer<'_>) -> Result<(), Rejection> {
        let granted = read(answer)?;
        let buffer = core::mem::take(&mut self.grant_buffer);
        let mut length = 0_usize;
        for c in granted.chars() {
            let end = length.saturating_add(c.len_utf8());
            if end > BearerToken::MAX_LEN {
                return Err(Rejection::UnusableAnswer);
            }
            c.encode_utf8(buffer.get_mut(length..end).ok_or(Rejection::NoRoom)?);
            length = end;
        }
        let buffer: &'b [u8] = buffer;
        let token = buffer.get(..length).unwrap_or_default();
        let token = BearerToken::new(token).map_err(|_| Rejection::UnusableAnswer)?;
        self.present(token)
    }
}

/// RFC 6749 section 5.1: a token, and of which type.
fn read<'a>(answer: &Answer<'a>) -> Result<Text<'a>, Rejection> {
    match answer.status {
        200..=299 if is_json(answer.content_type) => {}
        200..=299 => return Err(Rejection::UnusableAnswer),
        400 | 401 | 403 => return Err(read_refusal(answer)),
        _ => return Err(Rejection::ProviderUnavailable),
    }
    let object = Object::parse(answer.body).map_err(|_| Rejection::UnusableAnswer)?;
    // GitHub's token endpoint answers 200 whatever comes of a question.
    if let Some(Value::String(_)) = member(object, "error")? {
        return Err(read_refusal(answer));
    }
    if let Some(kind) = member(object, "token_type")? {
        let kind = kind.string().map_err(|_| Rejection::UnusableAnswer)?;
        let lower = kind.chars().map(|c| c.to_ascii_lowercase());
        if !lower.eq("bearer".chars()) {
            return Err(Rejection::UnusableAnswer);
        }
    }
    match member(object, "access_token")? {
        Some(Value::String(token)) => Ok(token),
        _ => Err(Rejection::UnusableAnswer),
    }
}

/// RFC 6749 section 5.2: `error` says whose fault it is, whatever the status.
///
/// What says nothing that is known here may be the provider's own failure, and no fault of the user's.
fn read_refusal(answer: &Answer<'_>) -> Rejection {
    let object = Object::parse(answer.body).ok();
    let text = |name| match object.map(|object| member(object, name)) {
        Some(Ok(Some(Value::String(text)))) => Some(text),
        _ => None,
    };
    let Some(error) = text("error") else {
        return match answer.status {
            401 if says_error(answer, "invalid_grant") => Rejection::PasswordRefused,
            // Only the client authenticates itself by HTTP.
            401 => Rejection::ClientRefused,
            _ => Rejection::ProviderUnavailable,
        };
    };
    if error == *"invalid_grant" {
        let wants_more = text("suberror").is_some_and(is_about_user);
        return if wants_more {
            Rejection::PasswordGrantRefused
        } else {
            Rejection::PasswordRefused
        };
    }
    if is_about_user(error) {
        return Rejection::PasswordGrantRefused;
    }
    if CLIENT_ERRORS.iter().any(|name| error == **name) {
        return Rejection::ClientRefused;
    }
    Rejection::ProviderUnavailable
}

/// Our credentials, or what we are registered for and ask (RFC 6749 section 5.2).
const CLIENT_ERRORS: [&str; 5] = [
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_request",
];

/// What this user lacks beside a password, other than `.._required`.
const USER_ERRORS: [&str; 6] = [
    "access_denied",         // Okta, FusionAuth: a policy (RFC 6749 section 4.1.2.1)
    "password_leaked",       // Auth0
    "basic_action",          // Entra's `suberror`, from here on: a browser may help
    "additional_action",     // ..
    "message_only",          // nothing helps
    "user_password_expired", // ..
];

// OpenID Connect Core section 3.1.2.6 has `interaction_required`, `login_required`, `consent_required` and
// `account_selection_required`, of which Entra sends the first; Auth0 has `mfa_required`, FusionAuth
// `two_factor_required` and `change_password_required`.
/// Whether `error` says that this user needs more than a password.
fn is_about_user(error: Text<'_>) -> bool {
    const SUFFIX: &str = "_required";
    let before = error.chars().count().saturating_sub(SUFFIX.len());
    error.chars().skip(before).eq(SUFFIX.chars()) || USER_ERRORS.iter().any(|name| error == **name)
}
