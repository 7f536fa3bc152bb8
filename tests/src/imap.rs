//! An IMAP client (RFC 9051) for tests that decide over every byte.

use std::io::{self, BufRead as _, BufReader, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::stream::{Address, Stream};

/// What a server says to one command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Whether the command was a success.
    pub is_ok: bool,
    /// What follows `OK`, `NO` or `BAD`.
    pub text: String,
    /// The lines before it.
    pub untagged: Vec<String>,
    /// The decoded failure challenge, if there was one.
    pub challenge: Option<Vec<u8>>,
}

/// A session after the server's greeting.
#[derive(Debug)]
pub struct Session {
    stream: BufReader<Stream>,
}

impl Session {
    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// Those of the system, and a server that does not greet with OK.
    pub fn open(address: &Address) -> io::Result<Self> {
        let mut session = Self {
            stream: BufReader::new(address.connect()?),
        };
        let greeting = session.line()?;
        if greeting.starts_with("* OK") {
            return Ok(session);
        }
        Err(io::Error::other(format!("greeted with {greeting:?}")))
    }

    /// Sends one command and reads up to its tagged answer.
    ///
    /// # Errors
    /// Those of the system, and a closed connection.
    pub fn command(&mut self, command: &str) -> io::Result<Answer> {
        self.send(&format!("a {command}"))?;
        self.answer("")
    }

    /// Logs in with `response`, not yet in base64, and answers a challenge with `reply` as it is.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn authenticate(
        &mut self,
        mechanism: &str,
        response: &[u8],
        reply: &str,
    ) -> io::Result<Answer> {
        let response = STANDARD.encode(response);
        self.send(&format!("a AUTHENTICATE {mechanism} {response}"))?;
        self.answer(reply)
    }

    fn answer(&mut self, reply: &str) -> io::Result<Answer> {
        let mut untagged = Vec::new();
        let mut challenge = None;
        loop {
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("+ ") {
                challenge = Some(STANDARD.decode(text).map_err(io::Error::other)?);
                self.send(reply)?;
            } else if let Some(tagged) = line.strip_prefix("a ") {
                let (status, text) = tagged.split_once(' ').unwrap_or((tagged, ""));
                return Ok(Answer {
                    is_ok: status == "OK",
                    text: text.to_owned(),
                    untagged,
                    challenge,
                });
            } else {
                untagged.push(line);
            }
        }
    }

    fn send(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\r\n");
        self.stream.get_mut().write_all(line.as_bytes())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}
