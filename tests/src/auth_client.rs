//! A client of Dovecot's auth-client protocol that decides over every byte.

use std::io::{self, BufRead, BufReader, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::stream::{Address, Stream};

/// A connection after its handshake.
#[derive(Debug)]
pub struct AuthClient {
    stream: BufReader<Stream>,
    /// The server's process, from its `SPID` line.
    pub server: u32,
    /// The mechanisms that the server offers, in its order.
    pub mechanisms: Vec<String>,
    last_id: u32,
}

/// What the server says about one request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// `OK`, with the name that the server puts in.
    Ok {
        /// The value of `user=`.
        user: String,
    },
    /// `CONT`, with its payload decoded.
    Continue(Vec<u8>),
    /// `FAIL`, with its fields.
    Fail(Vec<String>),
}

impl AuthClient {
    /// Connects and shakes hands as Postfix does (protocol 1.0).
    ///
    /// # Errors
    /// Those of the system, and a handshake that ends before `DONE`.
    pub fn open(address: &Address) -> io::Result<Self> {
        let stream = BufReader::new(address.connect()?);
        let mut client = Self {
            stream,
            server: 0,
            mechanisms: Vec::new(),
            last_id: 0,
        };
        client.send(&format!("VERSION\t1\t0\nCPID\t{}\n", std::process::id()))?;
        loop {
            let line = client.line()?;
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["DONE"] => return Ok(client),
                ["SPID", server] => client.server = server.parse().map_err(io::Error::other)?,
                ["MECH", mechanism, ..] => client.mechanisms.push(mechanism.to_owned()),
                _ => {}
            }
        }
    }

    /// Asks for a login with `response`, not yet in base64, and returns the request's id.
    ///
    /// # Errors
    /// Those of the system.
    pub fn request(&mut self, mechanism: &str, response: &[u8]) -> io::Result<u32> {
        self.last_id += 1;
        let id = self.last_id;
        let response = STANDARD.encode(response);
        self.send(&format!(
            "AUTH\t{id}\t{mechanism}\tservice=smtp\tnologin\tresp={response}\n"
        ))?;
        Ok(id)
    }

    /// Answers the challenge of request `id` with `payload`, which should be base64.
    ///
    /// # Errors
    /// Those of the system.
    pub fn reply(&mut self, id: u32, payload: &str) -> io::Result<()> {
        self.send(&format!("CONT\t{id}\t{payload}\n"))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Those of the system.
    pub fn send(&mut self, bytes: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_bytes())
    }

    /// The next answer, with the id of its request.
    ///
    /// # Errors
    /// Those of the system, a closed connection, and a line that is no answer.
    pub fn answer(&mut self) -> io::Result<(u32, Answer)> {
        let line = self.line()?;
        let unexpected = || io::Error::other(format!("no answer: {line:?}"));
        let fields: Vec<&str> = line.split('\t').collect();
        let [command, id, fields @ ..] = &fields[..] else {
            return Err(unexpected());
        };
        let id = id.parse().map_err(io::Error::other)?;
        let answer = match (*command, fields) {
            ("OK", _) => {
                let user = fields.iter().find_map(|field| field.strip_prefix("user="));
                Answer::Ok {
                    user: user.unwrap_or_default().to_owned(),
                }
            }
            ("CONT", [payload]) => {
                Answer::Continue(STANDARD.decode(payload).map_err(io::Error::other)?)
            }
            ("FAIL", _) => Answer::Fail(fields.iter().map(|&field| field.to_owned()).collect()),
            _ => return Err(unexpected()),
        };
        Ok((id, answer))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches('\n').to_owned())
    }
}
