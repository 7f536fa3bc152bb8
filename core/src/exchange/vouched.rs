//! Whose a token is that something has vouched for, whatever became of the login: for the log.

use super::{
    Accounts, Exchange,
    reading::{Reading, member, read},
};
use crate::{
    introspection::Answer,
    jose::UnverifiedJwt,
    policy::VouchedUser,
    wire::json::{Object, Value},
};

impl<A: Accounts> Exchange<'_, A> {
    /// Whose the token is, where a signature has verified for it, whatever became of the login: for the log.
    ///
    /// Reads the payload again, for which `scratch` needs the room that a step needs. `None` also where its claims
    /// name nobody, or in a way that no policy takes. It opens nothing: only an [`Identity`](crate::Identity) does.
    #[must_use]
    pub fn vouched_user(&self, scratch: &mut [u8]) -> Option<VouchedUser> {
        if !self.is_verified {
            return None;
        }
        let jwt = UnverifiedJwt::read(self.token?.bytes()).ok()?;
        self.named_by(Object::parse(jwt.decode_payload(scratch).ok()?).ok()?)
    }

    /// Whose the token is, where `answer`, which is the last that was given to this exchange, vouches for it: for the
    /// log.
    ///
    /// One that is signed (RFC 9701) is decoded again, for which `scratch` needs the room that a step needs. `None`
    /// also where its signature has not verified, or where it names nobody in a way that the policy takes.
    #[must_use]
    pub fn user_in(&self, answer: &Answer<'_>, scratch: &mut [u8]) -> Option<VouchedUser> {
        let provider = self.settings.providers.get(self.provider?)?;
        match read(self.question?, provider.endpoints.as_ref()?, answer).ok()? {
            Reading::Vouched(object) => self.named_by(object),
            Reading::Signed(jwt) if self.is_answer_verified => {
                let jwt = UnverifiedJwt::parse(jwt).ok()?;
                let object = Object::parse(jwt.decode_payload(scratch).ok()?).ok()?;
                // Userinfo stands in the payload itself.
                match member(object, "token_introspection").ok()? {
                    Some(Value::Object(inner)) => self.named_by(inner),
                    _ => self.named_by(object),
                }
            }
            Reading::Signed(_) | Reading::UnsupportedTokenType => None,
        }
    }

    fn named_by(&self, object: Object<'_>) -> Option<VouchedUser> {
        let provider = self.settings.providers.get(self.provider?)?;
        provider.policy.user_named_by(object)
    }
}
