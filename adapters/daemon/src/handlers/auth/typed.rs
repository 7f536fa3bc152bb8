//! What a client of PLAIN has typed; one of LOGIN says the same, in that form.

use gatepost_core::app_password::AppPassword;
use gatepost_tokio::Verdict;

/// A name and a password (RFC 4616 section 2). Not to be printed.
#[derive(Clone, Copy)]
pub(crate) struct Typed<'m> {
    authzid: &'m [u8],
    user: &'m [u8],
    password: &'m [u8],
}

impl<'m> Typed<'m> {
    /// Reads a message; `None` where it has another form, which nobody takes.
    pub(crate) fn read(message: &'m [u8]) -> Option<Self> {
        let mut parts = message.split(|byte| *byte == 0);
        let (authzid, user, password) = (parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then_some(Self {
            authzid,
            user,
            password,
        })
    }

    /// The user as the log calls him; nobody where an application password stands in his place.
    pub(crate) fn user(&self) -> Option<&'m str> {
        let user = std::str::from_utf8(self.user).ok()?;
        if AppPassword::is_like(user) {
            return None;
        }
        let end = user.floor_char_boundary(Verdict::MAX_CLAIMED);
        user.get(..end)
    }

    /// Whether the password has the form of application passwords, be it mistyped.
    pub(crate) fn is_app_password(&self) -> bool {
        let password = std::str::from_utf8(self.password);
        password.is_ok_and(|password| AppPassword::read(password).is_some())
    }

    /// Whether nobody else may see it: there is an application password somewhere.
    pub(crate) fn is_ours(&self) -> bool {
        let is_like = |name| std::str::from_utf8(name).is_ok_and(AppPassword::is_like);
        self.is_app_password() || is_like(self.user) || is_like(self.authzid)
    }
}
