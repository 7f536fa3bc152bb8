//! The line at hand: what has come of it, and what its next bytes are.

use super::ProtocolError;
use super::field::{Field, number};
use super::login::Request;
use super::response::ResponseDecoder;

/// Longest line in bytes, its LF included: Dovecot's `AUTH_CLIENT_MAX_LINE_LENGTH`.
pub const MAX_LINE: usize = 16_384;

/// The line at hand.
#[derive(Default)]
pub(super) struct Line {
    /// Bytes of it that have come.
    pub(super) length: usize,
    pub(super) command: Option<Command>,
    /// Parameters that have ended.
    pub(super) parameters: usize,
    pub(super) reading: Reading,
    pub(super) field: Field,
    pub(super) request: Request,
    pub(super) response: Option<ResponseDecoder>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Command {
    Version,
    Cpid,
    Auth,
    Cont,
    Cancel,
}

/// What the bytes up to the next TAB or LF are.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub(super) enum Reading {
    #[default]
    Field,
    /// A response of which nothing has been read.
    ResponseStart,
    Response,
    /// A response that nobody wants.
    Skipped,
}

/// What the response of an `AUTH` line, its last field, begins with.
const RESPONSE_KEY: &[u8] = b"resp=";

impl Line {
    /// The input as far as one kind of reading goes: a response is recognised by its key alone.
    pub(super) fn window<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        if !self.is_at_option() {
            return input;
        }
        match RESPONSE_KEY.len().saturating_sub(self.field.len()) {
            0 => input,
            missing => input.get(..missing).unwrap_or(input),
        }
    }

    fn is_at_option(&self) -> bool {
        self.command == Some(Command::Auth)
            && self.parameters >= 2
            && self.reading == Reading::Field
    }

    /// Takes bytes within a field.
    pub(super) fn read(&mut self, piece: &[u8], buffer: &mut [u8]) {
        self.length = self.length.saturating_add(piece.len());
        match (self.reading, &mut self.response) {
            (Reading::Field, _) => self.field.push(piece),
            (Reading::Response, Some(response)) => response.push(piece, buffer),
            _ => {}
        }
        if self.is_at_option() && self.field.bytes() == RESPONSE_KEY {
            self.reading = Reading::ResponseStart;
        }
    }

    pub(super) fn number(&self) -> Option<u32> {
        number(self.field.bytes())
    }

    pub(super) fn require(&self, parameters: usize) -> Result<(), ProtocolError> {
        if self.parameters >= parameters {
            Ok(())
        } else {
            Err(ProtocolError::MissingParameter)
        }
    }
}
