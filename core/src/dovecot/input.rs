//! How a connection reads: from bytes to fields, and from lines to events.

use core::fmt::Write;

use super::ProtocolError;
use super::answer::{write_cancelled, write_challenge, write_failure, write_refusal};
use super::auth::{Connection, Event, Stage};
use super::field::{LF, TAB, split_field};
use super::line::{Command, Line, MAX_LINE, Reading};
use super::login::{Login, Origin, Refusal, RefusalReason, Request};
use super::pending::{LoginTable, State};
use super::response::ResponseDecoder;
use crate::sasl::Mechanism;

/// From bytes to fields.
impl<T: LoginTable> Connection<T> {
    /// Takes as much as can be told at once, which is a byte at least or an event.
    pub(super) fn step(
        &mut self,
        input: &[u8],
        response: &mut [u8],
        out: &mut impl Write,
    ) -> (usize, Option<Event>) {
        if let Stage::Closed(error) = self.stage {
            return (0, Some(Event::Close(error)));
        }
        let Some(&next) = input.first() else {
            return (0, Some(Event::Incomplete));
        };
        if self.line.reading == Reading::ResponseStart && !self.start_response(next, response) {
            return (0, Some(Event::BufferWanted));
        }
        let (piece, end) = split_field(self.line.window(input));
        self.line.read(piece, response);
        if self.line.length >= MAX_LINE {
            let close = self.close(ProtocolError::LineTooLong);
            return (piece.len(), Some(close));
        }
        let Some(end) = end else {
            return (piece.len(), None);
        };
        if self.is_busy() {
            return (piece.len(), Some(Event::Busy));
        }
        let used = piece.len().saturating_add(1);
        match self.end_field(end, response, out) {
            // By itself, as no other is so short to copy: few fields end a line.
            Ok(None) => (used, None),
            Ok(event) => (used, event),
            Err(error) => (used, Some(self.close(error))),
        }
    }

    /// Decides how the response that begins with `next` is read; false if that takes a buffer.
    fn start_response(&mut self, next: u8, buffer: &[u8]) -> bool {
        let is_initial = self.line.command == Some(Command::Auth);
        // Exim says `resp=` for no initial response; from minor 2 on it means an empty one.
        let is_absent = is_initial && next == LF && self.client_minor < 2;
        if is_absent || is_initial && self.line.request.admission().is_err() {
            self.line.reading = Reading::Skipped;
            return true;
        }
        if buffer.is_empty() {
            return false;
        }
        self.line.reading = Reading::Response;
        self.line.response = Some(ResponseDecoder::default());
        true
    }

    /// Whether an `AUTH` line begins for which there is no place.
    fn is_busy(&self) -> bool {
        self.line.command.is_none()
            && self.line.field.bytes() == b"AUTH"
            && self.pending.is_exhausted()
    }

    fn end_field(
        &mut self,
        end: u8,
        buffer: &mut [u8],
        out: &mut impl Write,
    ) -> Result<Option<Event>, ProtocolError> {
        self.line.length = self.line.length.saturating_add(1);
        if let Some(command) = self.line.command {
            self.end_parameter(command, end)?;
            self.line.parameters = self.line.parameters.saturating_add(1);
        } else {
            self.line.command = Some(self.command()?);
        }
        self.line.field.clear();
        if end != LF {
            return Ok(None);
        }
        let line = core::mem::take(&mut self.line);
        self.end_line(line, buffer, out)
    }

    fn command(&self) -> Result<Command, ProtocolError> {
        match (self.stage, self.line.field.bytes()) {
            (Stage::VersionExpected, b"VERSION") => Ok(Command::Version),
            (Stage::VersionExpected, _) => Err(ProtocolError::VersionExpected),
            (Stage::CpidExpected, b"CPID") => Ok(Command::Cpid),
            (Stage::CpidExpected, _) => Err(ProtocolError::CpidExpected),
            (_, b"AUTH") => Ok(Command::Auth),
            (_, b"CONT") => Ok(Command::Cont),
            (_, b"CANCEL") => Ok(Command::Cancel),
            _ => Err(ProtocolError::UnknownCommand),
        }
    }

    fn end_parameter(&mut self, command: Command, end: u8) -> Result<(), ProtocolError> {
        match (command, self.line.parameters) {
            (Command::Version, 0) if self.line.number() != Some(1) => {
                return Err(ProtocolError::UnsupportedVersion);
            }
            (Command::Version, 1) => {
                let minor = self.line.number();
                self.client_minor = minor.ok_or(ProtocolError::UnsupportedVersion)?;
            }
            (Command::Cpid, 0) => {
                let pid = self.line.number().filter(|pid| *pid != 0);
                self.client_pid = pid.ok_or(ProtocolError::InvalidCpid)?;
            }
            (Command::Auth | Command::Cont | Command::Cancel, 0) => return self.end_id(command),
            (Command::Auth, 1) => self.end_mechanism(),
            (Command::Auth, _) => return self.end_option(end),
            (Command::Cont, 1) => self.line.reading = Reading::Skipped,
            _ => {}
        }
        Ok(())
    }

    fn end_id(&mut self, command: Command) -> Result<(), ProtocolError> {
        let id = self.line.number().filter(|id| *id != 0);
        let id = id.ok_or(ProtocolError::InvalidId)?;
        self.line.request.id = id;
        match (command, self.pending.state(id)) {
            // Postfix leaves the ids of refused logins behind. Such a login is lost already, so that
            // its id may be used again; closing would cost the other logins of the connection.
            (Command::Auth, None | Some(State::AwaitingReply(_))) => {
                self.pending.remove(id);
            }
            (Command::Auth, Some(_)) => return Err(ProtocolError::DuplicateId),
            (Command::Cont, Some(State::AwaitingResponse(..) | State::AwaitingPassword(_))) => {
                self.line.reading = Reading::ResponseStart;
            }
            (Command::Cont, _) => self.line.reading = Reading::Skipped,
            _ => {}
        }
        Ok(())
    }

    fn end_mechanism(&mut self) {
        let name = core::str::from_utf8(self.line.field.bytes());
        let mechanism = name.ok().and_then(Mechanism::from_name);
        self.line.request.mechanism = mechanism.filter(|known| self.offered.contains(known));
    }

    fn end_option(&mut self, end: u8) -> Result<(), ProtocolError> {
        if self.line.reading == Reading::Field {
            self.line.request.option(&self.line.field);
        } else if end == TAB {
            return Err(ProtocolError::FieldAfterResponse);
        }
        Ok(())
    }
}

/// What whole lines mean.
impl<T: LoginTable> Connection<T> {
    fn end_line(
        &mut self,
        line: Line,
        buffer: &mut [u8],
        out: &mut impl Write,
    ) -> Result<Option<Event>, ProtocolError> {
        match line.command {
            Some(Command::Version) => {
                line.require(2)?;
                self.stage = Stage::CpidExpected;
                Ok(None)
            }
            Some(Command::Cpid) => {
                line.require(1)?;
                self.stage = Stage::Ready;
                Ok(None)
            }
            Some(Command::Auth) => self.end_auth(line, buffer, out).map(Some),
            Some(Command::Cont) => self.end_cont(line, buffer, out).map(Some),
            Some(Command::Cancel) => self.end_cancel(&line, out).map(Some),
            None => Ok(None),
        }
    }

    fn end_auth(
        &mut self,
        line: Line,
        buffer: &mut [u8],
        out: &mut impl Write,
    ) -> Result<Event, ProtocolError> {
        line.require(2)?;
        if !line.request.names_service {
            return Err(ProtocolError::MissingService);
        }
        let admission = line.request.admission();
        let Request { id, origin, .. } = line.request;
        let mechanism = match admission {
            Ok(mechanism) => mechanism,
            Err(reason) => return self.refuse(id, Some(origin), reason, out),
        };
        let Some(response) = line.response else {
            self.pending.await_response(id, mechanism, origin);
            let prompt: &[u8] = if mechanism == Mechanism::Login {
                b"Username:"
            } else {
                b""
            };
            write_challenge(id, prompt, out)?;
            return Ok(Event::ResponseRequested { id });
        };
        let response = response.finish_initial();
        self.take_response((id, mechanism, origin), response, buffer, out)
    }

    fn end_cont(
        &mut self,
        line: Line,
        buffer: &mut [u8],
        out: &mut impl Write,
    ) -> Result<Event, ProtocolError> {
        line.require(2)?;
        let id = line.request.id;
        let name = self.pending.take_name(id);
        match (self.pending.remove(id), line.response) {
            (Some(State::AwaitingResponse(mechanism, origin)), Some(response)) => {
                let response = response.finish();
                self.take_response((id, mechanism, origin), response, buffer, out)
            }
            (Some(State::AwaitingPassword(origin)), Some(response)) => {
                let Some(name) = name else {
                    // Others needed its place.
                    return self.refuse(id, None, RefusalReason::UnknownId, out);
                };
                let response = response.finish();
                let response = response.and_then(|length| join(&name, length, buffer));
                self.judge(id, Mechanism::Login, origin, response, out)
            }
            (Some(State::AwaitingReply(failure)), _) => {
                write_failure(id, &failure.failure(), out)?;
                Ok(Event::Replied { id })
            }
            (Some(_), _) => self.refuse(id, None, RefusalReason::UnexpectedContinuation, out),
            (None, _) => self.refuse(id, None, RefusalReason::UnknownId, out),
        }
    }

    fn end_cancel(&mut self, line: &Line, out: &mut impl Write) -> Result<Event, ProtocolError> {
        line.require(1)?;
        let id = line.request.id;
        self.pending.remove(id);
        // Even for an id that is over: the client waits for this before it forgets the id.
        if self.client_minor >= 4 {
            write_cancelled(id, out)?;
        }
        Ok(Event::Cancelled { id })
    }

    /// Takes a first response: LOGIN's is but the name.
    fn take_response(
        &mut self,
        (id, mechanism, origin): (u32, Mechanism, Origin),
        response: Result<usize, RefusalReason>,
        buffer: &mut [u8],
        out: &mut impl Write,
    ) -> Result<Event, ProtocolError> {
        let (Mechanism::Login, Ok(length)) = (mechanism, response) else {
            return self.judge(id, mechanism, origin, response, out);
        };
        let name = buffer.get(..length).unwrap_or_default();
        if let Err((origin, reason)) = self.pending.await_password(id, name, origin) {
            return self.refuse(id, Some(origin), reason, out);
        }
        write_challenge(id, b"Password:", out)?;
        Ok(Event::ResponseRequested { id })
    }

    fn judge(
        &mut self,
        id: u32,
        mechanism: Mechanism,
        origin: Origin,
        response: Result<usize, RefusalReason>,
        out: &mut impl Write,
    ) -> Result<Event, ProtocolError> {
        match response {
            Ok(length) => {
                let ticket = self.pending.judge(id);
                Ok(Event::Response(Login {
                    ticket,
                    mechanism,
                    origin,
                    length,
                }))
            }
            Err(reason) => self.refuse(id, Some(origin), reason, out),
        }
    }

    fn refuse(
        &mut self,
        id: u32,
        origin: Option<Origin>,
        reason: RefusalReason,
        out: &mut impl Write,
    ) -> Result<Event, ProtocolError> {
        write_refusal(id, reason, &self.offered, out)?;
        Ok(Event::Refused(Refusal { id, origin, reason }))
    }
}

/// Puts LOGIN's two steps together as a message of PLAIN: `NUL name NUL password`.
fn join(name: &[u8], length: usize, buffer: &mut [u8]) -> Result<usize, RefusalReason> {
    let start = name.len().saturating_add(2);
    let whole = start.saturating_add(length);
    if whole > buffer.len() {
        return Err(RefusalReason::ResponseTooLong);
    }
    buffer.copy_within(..length, start);
    let head = core::iter::once(&0).chain(name).chain(core::iter::once(&0));
    buffer
        .iter_mut()
        .zip(head)
        .for_each(|(to, from)| *to = *from);
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_steps_of_login_may_fill_the_buffer_and_no_more() {
        let mut buffer = *b"secret..........";
        let whole = join(b"a-name-8", 6, &mut buffer);
        assert_eq!(whole, Ok(16));
        assert_eq!(&buffer, b"\0a-name-8\0secret");
        let too_long = join(b"a-name-08", 6, &mut buffer);
        assert_eq!(too_long, Err(RefusalReason::ResponseTooLong));
    }
}
