//! Why a provider was not reached, told apart for whoever has to mend it.

use std::error::Error;
use std::fmt;
use std::io;

use gatepost_core::introspection::FetchFailure;
use rustls::{AlertDescription, CertificateError};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody was asked: too many are being asked already, the provider has failed too often lately, or its URL is
    /// not one that may be asked.
    NotAsked,
    /// Nobody was asked: the provider has just asked not to be for a while.
    AskedToWait,
    /// Nobody was asked: too many logins wait for the provider, and this one's network has its share.
    Busy,
    /// The host's name has no address.
    NotResolved,
    /// Nothing listens at its port.
    Refused,
    /// There is no way to its address.
    Unreachable,
    /// No connection came about in time.
    NotConnected,
    /// It was connected, but its answer did not come in time.
    TimedOut,
    /// The connection broke before the answer was whole.
    Broken,
    /// The answer is longer than any that is taken.
    TooLarge,
    /// TLS came to no connection.
    Tls(TlsFault),
}

/// Why TLS came to no connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The certificate's authority is not trusted.
    UnknownIssuer,
    /// The certificate vouches for itself.
    SelfSigned,
    /// It vouches for itself and is an authority's, so that it is no server's (RFC 5280 section 4.2.1.9).
    SelfSignedAuthority,
    /// The certificate is for other names.
    WrongName,
    /// Its time is over.
    Expired,
    /// Its time is to come.
    NotYetValid,
    /// Something else is wrong with it.
    BadCertificate,
    /// What answers is not TLS.
    NotTls,
    /// The connection was closed in the midst of the handshake.
    Closed,
    /// The server refuses our certificate, or the lack of one.
    ClientCertificate,
    /// There is no version or cipher that both sides take.
    NothingInCommon,
    /// The rest.
    Other,
}

impl Fault {
    /// Whether the question may have come to the provider all the same.
    pub(crate) const fn may_have_arrived(self) -> bool {
        matches!(self, Self::TimedOut | Self::Broken | Self::TooLarge)
    }

    /// What went wrong in a request that came to no answer.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let mut tls = None;
        let mut kind = None;
        for cause in causes(error) {
            if cause.is::<NotResolved>() {
                return Self::NotResolved;
            }
            tls = tls.or_else(|| cause.downcast_ref().map(TlsFault::of));
            // Of I/O errors that hold each other the innermost knows.
            kind = cause.downcast_ref().map(io::Error::kind).or(kind);
        }
        if let Some(tls) = tls {
            return Self::Tls(tls);
        }
        match kind {
            _ if error.is_timeout() && error.is_connect() => Self::NotConnected,
            _ if error.is_timeout() => Self::TimedOut,
            Some(io::ErrorKind::ConnectionRefused) => Self::Refused,
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                Self::Unreachable
            }
            Some(io::ErrorKind::TimedOut) => Self::NotConnected,
            // TCP is there, or it would have been refused: this is the handshake.
            Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
                if error.is_connect() =>
            {
                Self::Tls(TlsFault::Closed)
            }
            _ => Self::Broken,
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NotAsked => "the lines before say why",
            Self::AskedToWait => "raise its limit, or validate JWTs here",
            Self::Busy => "look into the provider's load, or raise concurrency",
            Self::NotResolved => "correct the name in issuer or URL, or this host's resolver",
            Self::Refused => "start it, or correct host and port",
            Self::Unreachable => "look into this host's routes and network",
            Self::NotConnected => {
                "a firewall drops the connection, or the host is down or hangs: open the way to it"
            }
            Self::TimedOut => "look into the provider's load, or raise timeout_milliseconds",
            Self::Broken => {
                "look into its log and that of the proxy before it; if it speaks TLS there, write https"
            }
            Self::TooLarge => "what answers there is no identity provider: correct the URL",
            Self::Tls(fault) => fault.advice(),
        }
    }
}

impl TlsFault {
    fn of(error: &rustls::Error) -> Self {
        use rustls::Error as E;
        match error {
            E::InvalidCertificate(error) => Self::of_certificate(error),
            // Whatever does not begin like a record: an HTTP server's complaint, a mail server's greeting.
            E::InvalidMessage(_) => Self::NotTls,
            E::PeerIncompatible(_)
            | E::AlertReceived(
                AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity,
            ) => Self::NothingInCommon,
            E::AlertReceived(AlertDescription::UnrecognisedName) => Self::WrongName,
            E::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::NoCertificate
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied,
            ) => Self::ClientCertificate,
            _ => Self::Other,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        use CertificateError as E;
        match error {
            // Made by an authority of the same name with another key.
            E::UnknownIssuer | E::BadSignature => Self::UnknownIssuer,
            E::Expired | E::ExpiredContext { .. } => Self::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => Self::NotYetValid,
            E::NotValidForName | E::NotValidForNameContext { .. } => Self::WrongName,
            E::Other(other) => match other.0.downcast_ref() {
                Some(SelfSigned { is_authority: true }) => Self::SelfSignedAuthority,
                Some(SelfSigned {
                    is_authority: false,
                }) => Self::SelfSigned,
                None => Self::BadCertificate,
            },
            _ => Self::BadCertificate,
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::UnknownIssuer => {
                "write ca_file with its authority's certificate; where it is a public one, let the server send \
                 the intermediate certificates, too"
            }
            Self::SelfSigned => {
                "write ca_file with that certificate, or give the server one of an authority"
            }
            Self::SelfSignedAuthority => {
                "give the server a certificate that this one has signed and write ca_file with this one, or make \
                 it with basicConstraints = CA:FALSE"
            }
            Self::WrongName => {
                "write the name that the certificate has in issuer or URL, or have it made for this one"
            }
            Self::Expired => "have it renewed; if it is not that old, set this host's clock",
            Self::NotYetValid => "set this host's clock, or wait",
            Self::BadCertificate => "have it made anew: the log says what is wrong with it",
            Self::NotTls => {
                "write the port where it speaks TLS; or write http://, with allow_http = true beyond this host"
            }
            Self::Closed => {
                "look into its log and that of the proxy before it, or correct the port"
            }
            Self::ClientCertificate => {
                "write client_certificate and client_key, of an authority that it takes"
            }
            Self::NothingInCommon => {
                "let it offer TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20"
            }
            Self::Other => "the log says more",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAsked => "it was not asked",
            Self::AskedToWait => "it is asked too often, and has asked for a pause",
            Self::Busy => "too many logins wait for it",
            Self::NotResolved => "its name does not resolve",
            Self::Refused => "nothing listens there",
            Self::Unreachable => "there is no way to its address",
            Self::NotConnected => "no connection in time",
            Self::TimedOut => "no answer in time",
            Self::Broken => "the connection broke off",
            Self::TooLarge => "the answer is longer than 64 KiB",
            Self::Tls(fault) => return fault.fmt(f),
        })
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownIssuer => "its certificate is of an authority that is not trusted here",
            Self::SelfSigned => "its certificate is self-signed",
            Self::SelfSignedAuthority => "its certificate is self-signed as an authority",
            Self::WrongName => "its certificate is for another name",
            Self::Expired => "its certificate has expired",
            Self::NotYetValid => "its certificate is not valid yet",
            Self::BadCertificate => "its certificate cannot be used",
            Self::NotTls => "it does not speak TLS",
            Self::Closed => "it closes the connection during the TLS handshake",
            Self::ClientCertificate => "it refuses our client certificate, or wants one",
            Self::NothingInCommon => "it offers no version or cipher of TLS that is taken here",
            Self::Other => "TLS failed",
        })
    }
}

impl Error for Fault {}

impl From<Fault> for FetchFailure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotAsked | Fault::AskedToWait | Fault::Busy => Self::NotAsked,
            Fault::NotConnected | Fault::TimedOut => Self::Timeout,
            Fault::TooLarge => Self::TooLarge,
            Fault::Tls(_) => Self::Tls,
            Fault::NotResolved | Fault::Refused | Fault::Unreachable | Fault::Broken => {
                Self::Connection
            }
        }
    }
}

/// A host's name has no address.
#[derive(Debug)]
pub(super) struct NotResolved(pub(super) io::Error);

impl fmt::Display for NotResolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for NotResolved {}

/// A certificate has the same name as issuer and as subject, and is not trusted.
#[derive(Debug)]
pub(super) struct SelfSigned {
    pub(super) is_authority: bool,
}

impl fmt::Display for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("self-signed certificate")
    }
}

impl Error for SelfSigned {}

/// An error and its causes. What an I/O error holds is one of them, which its `source` leaves out.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match held {
            Some(held) => Some(held as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// What went wrong, from the outermost cause to the innermost, without the URL: it may hold a token.
pub(super) fn describe(error: &reqwest::Error) -> String {
    let mut text = String::new();
    for cause in causes(error).skip(1) {
        let cause = cause.to_string();
        // An I/O error says what it holds.
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    if text.is_empty() {
        "no answer".to_owned()
    } else {
        text
    }
}
