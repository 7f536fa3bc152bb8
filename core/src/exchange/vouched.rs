//! Whose a token is that something has vouched for, whatever became of the login: for the log.

use super::{
    Exchange,
    reading::{Reading, read},
};
use crate::{introspection::Answer, jose::UnverifiedJwt, policy::VouchedUser};

impl Exchange<'_> {
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
        let payload = jwt.decode_payload(scratch).ok()?;
        let provider = self.settings.providers.get(self.provider?)?;
        provider.policy.user_named_by(payload)
    }

    /// Whose the token is, where `answer`, which is the last that was given to this exchange, vouches for it: for the
    /// log. `None` also where it is signed (RFC 9701), or names nobody in a way that the policy takes.
    #[must_use]
    pub fn user_in(&self, answer: &Answer<'_>) -> Option<VouchedUser> {
        let provider = self.settings.providers.get(self.provider?)?;
        let reading = read(self.question?, provider.endpoints.as_ref()?, answer);
        match reading.ok()? {
            Reading::Vouched(_) => provider.policy.user_named_by(answer.body),
            Reading::Signed(_) | Reading::UnsupportedTokenType => None,
        }
    }
}
