//! The client's message of PLAIN (RFC 4616), which LOGIN's two steps are put together to.

use super::{ClientResponse, Credential, Error, SaslName};

/// A user's name and password, not yet looked at. Never printed.
#[derive(Clone, Copy)]
pub struct UserPassword<'m> {
    user: &'m str,
    password: &'m str,
}

impl<'m> UserPassword<'m> {
    /// Longest password taken, in bytes.
    pub const MAX_LEN: usize = 1024;

    /// Whose password it is said to be.
    #[must_use]
    pub const fn user(self) -> &'m str {
        self.user
    }

    /// The password itself: nothing may print it.
    #[must_use]
    pub const fn expose(self) -> &'m str {
        self.password
    }
}

impl core::fmt::Debug for UserPassword<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("UserPassword(..)")
    }
}

// message = [authzid] UTF8NUL authcid UTF8NUL passwd
pub(super) fn parse(message: &[u8]) -> Result<ClientResponse<'_>, Error> {
    if message.is_empty() {
        return Err(Error::Empty);
    }
    let mut parts = message.split(|byte| *byte == 0);
    let (Some(authzid), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Error::BadPlain);
    };
    let name = SaslName::plain(user)?;
    if !authzid.is_empty() && authzid != user {
        return Err(Error::ForeignAuthzid);
    }
    let password = core::str::from_utf8(password).map_err(|_| Error::BadPassword)?;
    if password.is_empty() || password.len() > UserPassword::MAX_LEN {
        return Err(Error::BadPassword);
    }
    let user = name.raw;
    Ok(ClientResponse {
        authzid: Some(name),
        credential: Credential::Password(UserPassword { user, password }),
    })
}
