//! An SMTP client (RFC 5321, RFC 4954) for tests that decide over every byte.

use std::io::{self, BufRead, BufReader, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::stream::{Address, Stream};

/// One reply of the server; the lines of a longer one are joined by spaces.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The reply code.
    pub code: u16,
    /// What follows the code.
    pub text: String,
}

/// How an `AUTH` ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The decoded failure challenge, if there was one.
    pub challenge: Option<Vec<u8>>,
    /// The reply that ended the exchange.
    pub reply: Reply,
}

/// When the client sends its initial response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InitialResponse {
    /// On the line of the command.
    WithCommand,
    /// After the server's empty challenge.
    AfterChallenge,
}

/// A session after its `EHLO`.
#[derive(Debug)]
pub struct Session {
    stream: BufReader<Stream>,
}

impl Session {
    /// Connects and says hello.
    ///
    /// # Errors
    /// Those of the system, and a server that does not greet with 220.
    pub fn open(address: &Address) -> io::Result<Self> {
        let mut session = Self {
            stream: BufReader::new(address.connect()?),
        };
        let greeting = session.reply()?;
        if greeting.code != 220 {
            return Err(io::Error::other(format!("greeted with {greeting:?}")));
        }
        session.command("EHLO client.example.test")?;
        Ok(session)
    }

    /// Sends one line and reads the reply.
    ///
    /// # Errors
    /// Those of the system, a closed connection, and a line that is no reply.
    pub fn command(&mut self, line: &str) -> io::Result<Reply> {
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Logs in with `response`, not yet in base64, and answers a challenge with `answer` as it is.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn authenticate(
        &mut self,
        mechanism: &str,
        response: &[u8],
        when: InitialResponse,
        answer: &str,
    ) -> io::Result<Ending> {
        let reply = self.initial_response(mechanism, response, when)?;
        if reply.code != 334 {
            return Ok(Ending {
                challenge: None,
                reply,
            });
        }
        let challenge = STANDARD.decode(&reply.text).map_err(io::Error::other)?;
        Ok(Ending {
            challenge: Some(challenge),
            reply: self.command(answer)?,
        })
    }

    /// Sends the initial response and returns what the server says to it.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn initial_response(
        &mut self,
        mechanism: &str,
        response: &[u8],
        when: InitialResponse,
    ) -> io::Result<Reply> {
        let response = STANDARD.encode(response);
        if when == InitialResponse::WithCommand {
            return self.command(&format!("AUTH {mechanism} {response}"));
        }
        let reply = self.command(&format!("AUTH {mechanism}"))?;
        if reply.code != 334 || !reply.text.is_empty() {
            return Ok(reply);
        }
        self.command(&response)
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut text = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end_matches(['\r', '\n']);
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code = code.ok_or_else(|| io::Error::other(format!("no reply: {line:?}")))?;
            text.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply {
                    code,
                    text: text.join(" "),
                });
            }
        }
    }
}
