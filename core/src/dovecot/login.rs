//! One login as the mail server describes it: the options of `AUTH`, without the response.

use core::net::IpAddr;

use super::field::Field;
use crate::sasl::Mechanism;

/// The service's name. The longest in use, `submission`, has 10 characters.
pub type ServiceName = heapless::String<16, u8>;

/// The session's id. Dovecot makes them of 16 characters (IPv4) or 32 (IPv6).
pub type SessionId = heapless::String<32, u8>;

/// A client's complete response, waiting to be judged.
#[derive(Debug)]
pub struct Login {
    /// What a verdict on this login is given with.
    pub ticket: Ticket,
    /// The mechanism that the response is for: one of those offered.
    pub mechanism: Mechanism,
    /// Where the login comes from.
    pub origin: Origin,
    /// How many bytes of the lent buffer are the response, base64-decoded.
    pub length: usize,
}

/// The right to answer one login, once.
///
/// It names the login beyond its id, which a client may use again after cancelling: a verdict that
/// comes too late never answers another login.
#[derive(Debug)]
#[must_use = "a login that is never answered keeps its place in the table"]
pub struct Ticket {
    pub(super) id: u32,
    pub(super) serial: u32,
}

impl Ticket {
    /// The login's id on this connection.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    pub(super) const fn into_parts(self) -> (u32, u32) {
        (self.id, self.serial)
    }
}

/// Where a login comes from, as far as the mail server says.
///
/// Later options win over earlier ones, as in Dovecot. Addresses and ports that do not parse, and a
/// session id that is too long or no UTF-8, count as not given: they serve logs and limits, and no
/// login should fail for them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Origin {
    /// The service that the client uses, `smtp` or `imap` say: `service=` or `protocol=`.
    pub service: ServiceName,
    /// The client's end of its connection: `rip=`, `rport=`.
    pub remote: Endpoint,
    /// The mail server's end of it: `lip=`, `lport=`.
    pub local: Endpoint,
    /// Whether that connection is protected: `secured`.
    pub secured: bool,
    /// Whether the mail server trusts where it comes from, so that nothing is to be held against it:
    /// `no-penalty`.
    pub no_penalty: bool,
    /// The mail server's name for the session: `session=`.
    pub session: Option<SessionId>,
}

/// One end of a connection. Postfix and Exim give no ports.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Endpoint {
    /// The IP address.
    pub address: Option<IpAddr>,
    /// The TCP port.
    pub port: Option<u16>,
}

/// A login that was answered with `FAIL` already, for the log.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// The login's id on this connection.
    pub id: u32,
    /// Where it came from; `None` where nothing is kept of it.
    pub origin: Option<Origin>,
    /// Why.
    pub reason: RefusalReason,
}

/// Why a login failed before anybody could judge it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The greeting did not offer the mechanism.
    MechanismNotOffered,
    /// The service's name is empty, longer than [`ServiceName`] holds, or no UTF-8.
    UnusableService,
    /// The response is not canonical, padded base64. Postfix's `line_length_limit` cuts long initial
    /// responses, which then end up here.
    InvalidBase64,
    /// The response is longer than [`MAX_RESPONSE`](super::MAX_RESPONSE) or than the lent buffer.
    ResponseTooLong,
    /// `CONT` while the login was being judged, which is thereby over: drop the judging.
    UnexpectedContinuation,
    /// `CONT` for an id that is not, or no longer, known.
    UnknownId,
    /// LOGIN takes two places in the table, and logins that are being judged leave less: a temporary failure.
    Busy,
}

impl RefusalReason {
    /// A stable name for logs and filters, as those of [`Rejection::code`](crate::Rejection::code).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MechanismNotOffered => "mechanism_not_offered",
            Self::UnusableService => "unusable_service",
            Self::InvalidBase64 => "invalid_base64",
            Self::ResponseTooLong => "response_too_long",
            Self::UnexpectedContinuation => "unexpected_continuation",
            Self::UnknownId => "unknown_id",
            Self::Busy => "busy",
        }
    }
}

impl core::fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::MechanismNotOffered => "The mechanism was not offered",
            Self::UnusableService => "The service's name is empty, too long or not UTF-8",
            Self::InvalidBase64 => "The response is not base64",
            Self::ResponseTooLong => "The response is too long",
            Self::UnexpectedContinuation => "The client went on while its login was being judged",
            Self::UnknownId => "The client went on with a login that is over",
            Self::Busy => "There is no place left for another login",
        })
    }
}

impl core::error::Error for RefusalReason {}

/// What an `AUTH` line has said so far.
#[derive(Default)]
pub(super) struct Request {
    pub(super) id: u32,
    pub(super) mechanism: Option<Mechanism>,
    pub(super) names_service: bool,
    pub(super) origin: Origin,
}

impl Request {
    /// Takes one option of `AUTH`; those that nobody here wants are ignored.
    pub(super) fn option(&mut self, field: &Field) {
        let (key, value) = field.option();
        let text = value.and_then(|value| core::str::from_utf8(value).ok());
        let origin = &mut self.origin;
        match key {
            b"service" | b"protocol" => {
                self.names_service = true;
                origin.service = text
                    .and_then(|text| text.try_into().ok())
                    .unwrap_or_default();
            }
            b"rip" => origin.remote.address = text.and_then(|text| text.parse().ok()),
            b"lip" => origin.local.address = text.and_then(|text| text.parse().ok()),
            b"rport" => origin.remote.port = text.and_then(|text| text.parse().ok()),
            b"lport" => origin.local.port = text.and_then(|text| text.parse().ok()),
            b"session" => origin.session = text.and_then(|text| text.try_into().ok()),
            b"secured" => origin.secured = true,
            b"no-penalty" => origin.no_penalty = true,
            _ => {}
        }
    }

    /// The mechanism that the response is for, unless something rules the login out whatever its
    /// response.
    pub(super) fn admission(&self) -> Result<Mechanism, RefusalReason> {
        let mechanism = self.mechanism.ok_or(RefusalReason::MechanismNotOffered)?;
        if self.origin.service.is_empty() {
            return Err(RefusalReason::UnusableService);
        }
        Ok(mechanism)
    }
}
