//! An answer on its way in, as a machine without I/O.

use gatepost_core::introspection::FetchFailure;

use super::head::{AnswerHead, Fields, Framing, chunk_size, trimmed};

/// An answer to a request of HTTP/1.1 (RFC 9112), on its way through a buffer of the caller's that need not hold it
/// whole.
///
/// The first `body` bytes of the buffer are body, and nobody has looked yet at those up to `filled`.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "none follows from another")]
pub struct AnswerReader {
    filled: usize,
    body: usize,
    /// The head, as far as it has come.
    fields: Option<Fields>,
    /// Whether what comes is the rest of a line that did not fit.
    is_cut: bool,
    /// What of the body is still to come; `None` before the head is whole.
    framing: Option<Framing>,
    has_begun: bool,
    is_closed: bool,
    /// Whether there may be more behind the answer, for which the buffer had no room.
    is_full: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AnswerStep {
    /// Read into the [`room`](AnswerReader::room), and tell how much has [come](AnswerReader::came).
    Read,
    /// Take bytes of the body off the front of the buffer, and tell how many [stayed](AnswerReader::stayed).
    Part {
        /// How many bytes there are, with those that stayed the last time.
        length: usize,
        /// Whether the answer is over with them.
        is_last: bool,
    },
}

impl AnswerReader {
    /// Nothing has come yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            filled: 0,
            body: 0,
            fields: None,
            is_cut: false,
            framing: None,
            has_begun: false,
            is_closed: false,
            is_full: false,
        }
    }

    /// Whether anything of it has come.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether the connection is over with this answer.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let persists = self.fields.is_some_and(|fields| fields.persists);
        let is_followed = self.filled > self.body || self.is_full;
        !persists || self.framing == Some(Framing::UntilClosed) || is_followed
    }

    /// Goes as far as it can in what has come.
    ///
    /// # Errors
    /// [`FetchFailure::Connection`] where it is no answer of HTTP's.
    pub fn step(
        &mut self,
        head: &mut AnswerHead,
        buffer: &mut [u8],
    ) -> Result<AnswerStep, FetchFailure> {
        let Some(framing) = self.head(head, buffer)? else {
            return Ok(AnswerStep::Read);
        };
        let is_last = self.advance(framing, buffer)? || self.is_closed;
        let length = self.body;
        self.is_full = self.filled >= buffer.len();
        if is_last || self.filled >= buffer.len() {
            return Ok(AnswerStep::Part { length, is_last });
        }
        Ok(AnswerStep::Read)
    }

    /// Where the next bytes go.
    pub fn room<'b>(&self, buffer: &'b mut [u8]) -> &'b mut [u8] {
        buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// So many bytes have come, which are none at the end.
    ///
    /// # Errors
    /// [`FetchFailure::Connection`] where the answer is not over yet.
    pub fn came(&mut self, length: usize) -> Result<(), FetchFailure> {
        self.filled = self.filled.saturating_add(length);
        self.has_begun |= length > 0;
        self.is_closed = length == 0;
        let may_close = self.framing == Some(Framing::UntilClosed);
        if self.is_closed && !may_close {
            return Err(FetchFailure::Connection);
        }
        Ok(())
    }

    /// So many bytes of the body have stayed.
    ///
    /// # Errors
    /// [`FetchFailure::TooLarge`] where there is no room for more.
    pub fn stayed(&mut self, stays: usize, buffer: &mut [u8]) -> Result<(), FetchFailure> {
        let taken = self.body.saturating_sub(stays);
        self.body = stays;
        self.skip(taken, buffer);
        (self.filled < buffer.len())
            .then_some(())
            .ok_or(FetchFailure::TooLarge)
    }

    /// Drops the next bytes that nobody has looked at.
    #[inline(never)]
    fn skip(&mut self, length: usize, buffer: &mut [u8]) {
        let behind = self.body.saturating_add(length).min(self.filled);
        buffer.copy_within(behind..self.filled, self.body);
        self.filled = self.filled.saturating_sub(length).max(self.body);
    }

    /// The next line, with its end, as far as it has come.
    fn line<'b>(&self, buffer: &'b [u8]) -> (&'b [u8], bool) {
        let received = buffer.get(self.body..self.filled).unwrap_or_default();
        let end = received.iter().position(|byte| *byte == b'\n');
        let line = end.and_then(|end| received.get(..=end));
        (line.unwrap_or(received), line.is_some())
    }

    /// Reads the head, line by line; `None` before it is whole.
    fn head(
        &mut self,
        head: &mut AnswerHead,
        buffer: &mut [u8],
    ) -> Result<Option<Framing>, FetchFailure> {
        while self.framing.is_none() {
            let (line, is_whole) = self.line(buffer);
            if !is_whole && line.len() < buffer.len() {
                return Ok(None);
            }
            let length = line.len();
            let line = trimmed(line);
            // What a line has beyond the buffer is nothing that matters.
            let is_rest = core::mem::replace(&mut self.is_cut, !is_whole);
            match &mut self.fields {
                _ if is_rest => {}
                None => self.fields = Some(Fields::of_status_line(line, head)?),
                // What comes ahead of the answer proper says nothing (RFC 9110 section 15.2).
                Some(_) if line.is_empty() && head.status < 200 => self.fields = None,
                Some(fields) if line.is_empty() => self.framing = Some(fields.framing(head.status)),
                Some(fields) => fields.take(line, is_whole, head)?,
            }
            self.skip(length, buffer);
        }
        Ok(self.framing)
    }

    /// Makes the body longer by what has come; tells whether it is over.
    fn advance(&mut self, mut framing: Framing, buffer: &mut [u8]) -> Result<bool, FetchFailure> {
        loop {
            self.framing = Some(framing);
            let came = self.filled.saturating_sub(self.body);
            if let Framing::Length(left) | Framing::Chunk(left) = framing {
                let taken = left.min(came);
                self.body = self.body.saturating_add(taken);
                let left = left.saturating_sub(taken);
                framing = match framing {
                    Framing::Length(_) => Framing::Length(left),
                    _ if left == 0 => Framing::ChunkEnd,
                    _ => Framing::Chunk(left),
                };
                self.framing = Some(framing);
                if left > 0 || framing == Framing::Length(0) {
                    return Ok(left == 0);
                }
                continue;
            }
            if framing == Framing::UntilClosed {
                self.body = self.filled;
                return Ok(false);
            }
            let (line, true) = self.line(buffer) else {
                return Ok(false);
            };
            let length = line.len();
            // Others read an extension on behind a bare LF (RFC 9112 section 7.1).
            if framing != Framing::Trailers && !line.ends_with(b"\r\n") {
                return Err(FetchFailure::Connection);
            }
            let line = trimmed(line);
            framing = match framing {
                Framing::Chunked => match chunk_size(line)? {
                    0 => Framing::Trailers,
                    size => Framing::Chunk(size),
                },
                Framing::ChunkEnd if line.is_empty() => Framing::Chunked,
                Framing::ChunkEnd => return Err(FetchFailure::Connection),
                _ => framing,
            };
            let is_over = framing == Framing::Trailers && line.is_empty();
            self.skip(length, buffer);
            if is_over {
                return Ok(true);
            }
        }
    }
}

impl Default for AnswerReader {
    fn default() -> Self {
        Self::new()
    }
}
