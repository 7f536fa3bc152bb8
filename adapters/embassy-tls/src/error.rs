//! Why there is no connection, or no longer one.

use core::fmt;

use embedded_io::ErrorKind;
use embedded_tls::TlsError;

/// Why a connection was not opened, or broke.
///
/// Only [`Refused`](Self::Refused) speaks about who the server is; everything else may pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed.
    Transport(ErrorKind),
    /// The transport ended without the server's `close_notify`: whatever came may be cut off.
    Truncated,
    /// The server broke off the handshake with this alert (RFC 8446 section 6); nothing vouches that
    /// it was the server.
    Alert(u8),
    /// The server could not show that it is the one we mean.
    Refused(Refusal),
    /// The server did what TLS 1.3 does not allow, or what this client does not speak.
    Protocol,
    /// A record is larger than the buffer for reading, or a certificate list spans several records.
    RecordTooLarge,
    /// The buffer for writing is shorter than [`MIN_WRITE`](crate::MIN_WRITE).
    WriteBuffer,
    /// The server's name is neither a DNS name nor an IP address.
    ServerName,
    /// Certificates cannot be judged before the clock is set.
    ClockNotSet,
    /// The connection was used after it failed, after an operation was abandoned half-way, or, for
    /// writing, after the server closed it.
    Ended,
}

/// Why a server is not the one we mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// It presented no certificate, or none before it called the handshake finished.
    NoCertificate,
    /// It presented more than [`MAX_INTERMEDIATES`](crate::MAX_INTERMEDIATES) certificates beside
    /// its own.
    TooManyCertificates,
    /// Its certificates lead to a trust anchor by more paths than are tried: the longest chain takes
    /// [`MAX_INTERMEDIATES`](crate::MAX_INTERMEDIATES) checks of a signature, and one.
    TooManySignatures,
    /// A certificate is not what X.509 calls one, or has an extension that nobody here knows.
    MalformedCertificate,
    /// No chain leads to a trust anchor.
    UnknownIssuer,
    /// A certificate was issued by one that is not a CA's.
    IssuerNotCa,
    /// The server's own certificate is a CA's.
    CaAsServer,
    /// A certificate's time is over.
    Expired,
    /// A certificate's time has not come.
    NotYetValid,
    /// The certificate is for other names.
    WrongName,
    /// The certificate is for other purposes than servers (RFC 5280 section 4.2.1.12).
    WrongPurpose,
    /// A CA went beyond what it may certify (RFC 5280 sections 4.2.1.9 and 4.2.1.10).
    Constraint,
    /// A certificate's signature does not hold, or its issuer's key is one we do not take.
    CertificateSignature,
    /// A certificate is signed with an algorithm that we do not take.
    CertificateAlgorithm,
    /// Whatever the server's key is, it is not a pinned one.
    OtherKey,
    /// The server's key is longer than RSA's with 4096 bits.
    KeyTooLarge,
    /// The handshake is signed with a scheme that does not fit the server's key, or that TLS 1.3 does
    /// not allow there.
    SignatureScheme,
    /// The handshake is not signed with the server's key.
    HandshakeSignature,
    /// The certificate, or its proof, came twice or in the wrong order.
    MessageOrder,
}

impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        match error {
            // Ours alone: see `records`.
            TlsError::Io(ErrorKind::InvalidData) => Self::Protocol,
            TlsError::Io(kind) => Self::Transport(kind),
            TlsError::IoError => Self::Truncated,
            TlsError::HandshakeAborted(_, description) => Self::Alert(description as u8),
            TlsError::InsufficientSpace => Self::RecordTooLarge,
            TlsError::MissingHandshake => Self::Ended,
            _ => Self::Protocol,
        }
    }
}

impl From<webpki::Error> for Refusal {
    fn from(error: webpki::Error) -> Self {
        use webpki::Error as E;
        match error {
            E::CertExpired { .. } => Self::Expired,
            E::CertNotValidYet { .. } => Self::NotYetValid,
            E::CertNotValidForName(_) => Self::WrongName,
            E::UnknownIssuer => Self::UnknownIssuer,
            E::EndEntityUsedAsCa => Self::IssuerNotCa,
            E::CaUsedAsEndEntity => Self::CaAsServer,
            E::EmptyEkuExtension | E::RequiredEkuNotFoundContext(_) => Self::WrongPurpose,
            E::NameConstraintViolation | E::PathLenConstraintViolated => Self::Constraint,
            E::InvalidSignatureForPublicKey => Self::CertificateSignature,
            E::UnsupportedSignatureAlgorithmContext(_)
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Self::CertificateAlgorithm,
            E::MaximumSignatureChecksExceeded
            | E::MaximumPathBuildCallsExceeded
            | E::MaximumPathDepthExceeded
            | E::MaximumNameConstraintComparisonsExceeded => Self::TooManyCertificates,
            _ => Self::MalformedCertificate,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(kind) => write!(f, "the transport failed: {kind:?}"),
            Self::Truncated => f.write_str("the transport ended without close_notify"),
            Self::Alert(number) => write!(f, "the server broke off with alert {number}"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Protocol => f.write_str("the server broke the rules of TLS 1.3"),
            Self::RecordTooLarge => f.write_str("a record is larger than the buffer"),
            Self::WriteBuffer => f.write_str("the buffer for writing is too short"),
            Self::ServerName => f.write_str("the server's name is no DNS name or IP address"),
            Self::ClockNotSet => f.write_str("the clock is not set"),
            Self::Ended => f.write_str("the connection has ended"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => "the server presented no certificate",
            Self::TooManyCertificates => "the server presented too many certificates",
            Self::TooManySignatures => {
                "the server's certificates take too many checks of a signature"
            }
            Self::MalformedCertificate => "a certificate cannot be read",
            Self::UnknownIssuer => "no chain leads to a trust anchor",
            Self::IssuerNotCa => "a certificate's issuer is not a CA",
            Self::CaAsServer => "the server's certificate is a CA's",
            Self::Expired => "a certificate has expired",
            Self::NotYetValid => "a certificate is not valid yet",
            Self::WrongName => "the certificate is for another name",
            Self::WrongPurpose => "a certificate is not for servers",
            Self::Constraint => "a CA went beyond its constraints",
            Self::CertificateSignature => "a certificate's signature does not hold",
            Self::CertificateAlgorithm => "a certificate's signature algorithm is not supported",
            Self::OtherKey => "the server's key is not pinned",
            Self::KeyTooLarge => "the server's key is too large",
            Self::SignatureScheme => "the handshake's signature scheme does not fit the key",
            Self::HandshakeSignature => "the handshake is not signed with the server's key",
            Self::MessageOrder => "the server's certificate came out of order",
        })
    }
}

impl core::error::Error for Error {}

impl embedded_io::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Transport(kind) => *kind,
            Self::Truncated => ErrorKind::ConnectionReset,
            Self::Alert(_) => ErrorKind::ConnectionAborted,
            Self::Refused(_) => ErrorKind::PermissionDenied,
            Self::RecordTooLarge => ErrorKind::OutOfMemory,
            Self::Protocol => ErrorKind::InvalidData,
            Self::WriteBuffer | Self::ServerName | Self::ClockNotSet => ErrorKind::InvalidInput,
            Self::Ended => ErrorKind::NotConnected,
        }
    }
}
