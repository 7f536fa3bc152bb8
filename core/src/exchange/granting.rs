//! The password grant (RFC 6749 section 4.3): a token in exchange for a password, judged like any other.

use super::{
    Exchange, State,
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

impl<'b> Exchange<'b> {
    /// Asks the provider of the user's domain, or the only one that takes passwords of any.
    pub(super) fn ask_for_token(
        &mut self,
        password: UserPassword<'b>,
    ) -> Result<State<'b>, Rejection> {
        if self.room.is_empty() {
            return Err(Rejection::PasswordNotTaken);
        }
        let providers = self.rules.providers;
        let index = choose(providers, self.claimed, |provider| {
            let endpoints = provider.endpoints.as_ref();
            endpoints.is_some_and(|endpoints| endpoints.grant.is_some())
        });
        let found = index.and_then(|index| {
            let provider = providers.get(index)?;
            let endpoints = provider.endpoints.as_ref()?;
            let url = endpoints.grant?.url;
            self.provider = provider.policy.provider.try_into().ok();
            self.granter = Some(index);
            Some(Granting {
                index,
                endpoints,
                url,
                password,
            })
        });
        found
            .map(State::AwaitingGrant)
            .ok_or(Rejection::PasswordNotTaken)
    }

    /// Keeps the token that was granted, and presents it as though the client had.
    pub(super) fn take_grant(&mut self, answer: &Answer<'_>) -> Result<State<'b>, Rejection> {
        let granted = read(answer)?;
        let room = core::mem::take(&mut self.room);
        let mut length = 0_usize;
        for c in granted.chars() {
            let end = length.saturating_add(c.len_utf8());
            let place = room.get_mut(length..end);
            c.encode_utf8(place.ok_or(Rejection::UnusableAnswer)?);
            length = end;
        }
        let room: &'b [u8] = room;
        let token = room.get(..length).unwrap_or_default();
        let token = BearerToken::new(token).map_err(|_| Rejection::UnusableAnswer)?;
        self.present(token)
    }
}

/// RFC 6749 sections 5.1 and 5.2: a refused password is the only thing that is the client's fault.
fn read<'a>(answer: &Answer<'a>) -> Result<Text<'a>, Rejection> {
    match answer.status {
        200..=299 if is_json(answer.content_type) => {}
        200..=299 => return Err(Rejection::UnusableAnswer),
        400 | 401 if says_error(answer, "invalid_grant") => return Err(Rejection::PasswordRefused),
        400 | 401 | 403 => return Err(Rejection::ClientRefused),
        _ => return Err(Rejection::ProviderUnavailable),
    }
    let object = Object::parse(answer.body).map_err(|_| Rejection::UnusableAnswer)?;
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
