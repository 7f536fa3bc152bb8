//! What the server writes: the greeting, and the verdict on a login.

use core::fmt::{self, Display, Write};

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

use super::field::Escaped;
use super::login::RefusalReason;
use crate::sasl::Mechanism;

/// Version of the protocol that is spoken here. Its major version is the only one there is; minor 4
/// added the answer to `CANCEL`.
const VERSION: (u32, u32) = (1, 4);

/// What the server says of itself when a connection begins.
#[derive(Clone, Copy, Debug)]
pub struct Greeting<'a> {
    /// The mechanisms on offer, in their order of preference.
    pub mechanisms: &'a [Mechanism],
    /// Whole `MECH` lines of another server, without their LF: what is relayed to it is on offer as well.
    pub relayed: &'a [&'a str],
    /// The server's process id (`SPID`).
    pub pid: u32,
    /// A number of the connection's own within the process (`CUID`).
    pub connection: u32,
    /// A random secret of the connection's own, which the master protocol proves knowledge of.
    pub cookie: [u8; 16],
}

impl Greeting<'_> {
    pub(super) fn write(&self, out: &mut impl Write) -> fmt::Result {
        writeln!(out, "VERSION\t{}\t{}", VERSION.0, VERSION.1)?;
        for mechanism in self.mechanisms {
            // A bearer token is as good as a password to whoever reads it.
            writeln!(out, "MECH\t{}\tplaintext", mechanism.name())?;
        }
        for line in self.relayed {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "SPID\t{}\nCUID\t{}", self.pid, self.connection)?;
        let cookie = u128::from_be_bytes(self.cookie);
        writeln!(out, "COOKIE\t{cookie:032x}\nDONE")
    }
}

/// Why a login failed, for the mail server and its user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failure<'a> {
    /// The user whom the client claimed to be, for the mail server's log. After a challenge a name
    /// that is longer than [`UserName`](super::UserName) holds is left out.
    pub user: Option<&'a str>,
    /// What kind of failure; `None` for plain wrong credentials.
    pub code: Option<FailCode>,
    /// What the user is told: Postfix shows it, or "(reason unavailable)" if it is empty.
    pub reason: &'static str,
}

/// The `code=` of a failed login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FailCode {
    /// `temp_fail`: it may succeed later with the same credentials.
    TempFail,
    /// `authz_fail`: authenticated, yet not entitled to act as the user.
    AuthzFail,
    /// `user_disabled`.
    UserDisabled,
    /// `pass_expired`: the credentials were good once.
    PassExpired,
    /// `invalid_base64`.
    InvalidBase64,
}

impl FailCode {
    /// The code as it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TempFail => "temp_fail",
            Self::AuthzFail => "authz_fail",
            Self::UserDisabled => "user_disabled",
            Self::PassExpired => "pass_expired",
            Self::InvalidBase64 => "invalid_base64",
        }
    }
}

/// Why a verdict was not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NotSent {
    /// The login is over: the client cancelled it or broke its rules, or the connection is to be
    /// closed. Nothing was written.
    NotPending,
    /// The output had no room for the line: close the connection.
    OutputFull,
}

impl Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPending => "The login is over already",
            Self::OutputFull => "The output has no room for the answer",
        })
    }
}

impl core::error::Error for NotSent {}

impl From<fmt::Error> for NotSent {
    fn from(_: fmt::Error) -> Self {
        Self::OutputFull
    }
}

pub(super) fn write_ok(
    id: u32,
    user: &str,
    fields: &[(&str, Option<&str>)],
    out: &mut impl Write,
) -> fmt::Result {
    write!(out, "OK\t{id}\tuser={}", Escaped(user))?;
    for (key, value) in fields {
        write!(out, "\t{}", Escaped(key))?;
        if let Some(value) = value {
            write!(out, "={}", Escaped(value))?;
        }
    }
    out.write_char('\n')
}

/// Writes a challenge; an empty one asks for the initial response.
pub(super) fn write_challenge(id: u32, challenge: &[u8], out: &mut impl Write) -> fmt::Result {
    let challenge = Base64Display::new(challenge, &STANDARD);
    writeln!(out, "CONT\t{id}\t{challenge}")
}

pub(super) fn write_cancelled(id: u32, out: &mut impl Write) -> fmt::Result {
    writeln!(out, "CANCELLED\t{id}")
}

pub(super) fn write_failure(id: u32, failure: &Failure<'_>, out: &mut impl Write) -> fmt::Result {
    write!(out, "FAIL\t{id}")?;
    if let Some(user) = failure.user {
        write!(out, "\tuser={}", Escaped(user))?;
    }
    if let Some(code) = failure.code {
        write!(out, "\tcode={}", code.name())?;
    }
    if !failure.reason.is_empty() {
        write!(out, "\treason={}", Escaped(failure.reason))?;
    }
    out.write_char('\n')
}

pub(super) fn write_refusal(
    id: u32,
    reason: RefusalReason,
    offered: &[Mechanism],
    out: &mut impl Write,
) -> fmt::Result {
    write!(out, "FAIL\t{id}\t")?;
    match reason {
        RefusalReason::MechanismNotOffered => {
            let offered = Names(offered);
            writeln!(
                out,
                "reason=Mechanism not served here: let the mail server offer{offered} only"
            )
        }
        RefusalReason::UnusableService => {
            writeln!(
                out,
                "reason=The service's name is empty, too long or not UTF-8"
            )
        }
        RefusalReason::InvalidBase64 => {
            let code = FailCode::InvalidBase64.name();
            writeln!(
                out,
                "code={code}\treason=The response is not base64, or was cut on its way here"
            )
        }
        RefusalReason::ResponseTooLong => {
            writeln!(
                out,
                "reason=The token, name or password is too long: let the identity provider put fewer claims into tokens"
            )
        }
        RefusalReason::Busy => {
            let code = FailCode::TempFail.name();
            writeln!(
                out,
                "code={code}\treason=Temporary failure: too many logins at once"
            )
        }
        // These two are Dovecot's words, which people search their logs for.
        RefusalReason::UnexpectedContinuation => writeln!(out, "reason=Unexpected continuation"),
        RefusalReason::UnknownId => writeln!(out, "reason=Authentication request timed out"),
    }
}

struct Names<'a>(&'a [Mechanism]);

impl Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mechanism in self.0 {
            write!(f, " {}", mechanism.name())?;
        }
        Ok(())
    }
}
