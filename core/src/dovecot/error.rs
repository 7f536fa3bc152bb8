//! Why a connection has to be closed.

/// What a client did that leaves nothing but closing its connection.
///
/// Dovecot closes in the same cases. Whatever concerns one login only is a
/// [`Refusal`](super::Refusal) instead, since other logins share the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A line is longer than [`MAX_LINE`](super::MAX_LINE).
    LineTooLong,
    /// The first line is not `VERSION`: this is no auth client.
    VersionExpected,
    /// The major version is not 1, or the version is not two numbers.
    UnsupportedVersion,
    /// The second line is not `CPID`.
    CpidExpected,
    /// The client's process id is 0 or not a number.
    InvalidCpid,
    /// A command that the protocol does not have, or one of the handshake after the handshake.
    UnknownCommand,
    /// A command without all of its required parameters.
    MissingParameter,
    /// A request id that is 0 or not a 32-bit number.
    InvalidId,
    /// `AUTH` with the id of a login that is not over: one answer could be taken for the other's.
    DuplicateId,
    /// `AUTH` with neither `service=` nor `protocol=`.
    MissingService,
    /// `AUTH` with a field after `resp=`, which must be the last.
    FieldAfterResponse,
    /// The caller's output had no room for a line, so what was written may end in half a line.
    OutputFull,
}

impl core::fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::LineTooLong => "The line is longer than 16384 bytes",
            Self::VersionExpected => "The first line is not VERSION: this is no auth client",
            Self::UnsupportedVersion => "The major version is not 1",
            Self::CpidExpected => "The second line is not CPID",
            Self::InvalidCpid => "The process id is 0 or no number",
            Self::UnknownCommand => "The command is none of the protocol, or comes too late",
            Self::MissingParameter => "A parameter of the command is missing",
            Self::InvalidId => "The request id is 0 or no 32-bit number",
            Self::DuplicateId => "The request id belongs to a login that is not over",
            Self::MissingService => "AUTH names no service",
            Self::FieldAfterResponse => "A field follows resp=",
            Self::OutputFull => "The output has no room for the line",
        })
    }
}

impl core::error::Error for ProtocolError {}

impl From<core::fmt::Error> for ProtocolError {
    fn from(_: core::fmt::Error) -> Self {
        Self::OutputFull
    }
}
