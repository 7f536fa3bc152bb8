//! The mail server's side of one login over Dovecot's auth-client protocol.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};

pub(super) struct AuthClient {
    reader: BufReader<TcpStream>,
}

/// What a login ended with.
pub(super) enum Reply {
    Ok { user: String },
    Fail { challenge: Option<String> },
}

impl AuthClient {
    /// Connects and reads the server's greeting.
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        let timeout = Duration::from_secs(5);
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        let mut client = Self {
            reader: BufReader::new(stream),
        };
        while client.line()? != "DONE" {}
        client.send(&format!("VERSION\t1\t2\nCPID\t{}\n", std::process::id()))?;
        Ok(client)
    }

    /// Presents `message`, and answers a challenge as clients do: with nothing that matters.
    pub(super) fn log_in(mut self, mechanism: &str, message: &[u8]) -> io::Result<Reply> {
        let response = STANDARD.encode(message);
        self.send(&format!(
            "AUTH\t1\t{mechanism}\tservice=smtp\trip=127.0.0.1\tresp={response}\n"
        ))?;
        let mut challenge = None;
        loop {
            let line = self.line()?;
            let fields: Vec<&str> = line.split('\t').collect();
            match fields.as_slice() {
                ["OK", "1", rest @ ..] => {
                    let user = rest.iter().find_map(|field| field.strip_prefix("user="));
                    return Ok(Reply::Ok {
                        user: user.unwrap_or_default().to_owned(),
                    });
                }
                ["FAIL", "1", ..] => return Ok(Reply::Fail { challenge }),
                ["CONT", "1", json] => {
                    let json = STANDARD.decode(json).map_err(io::Error::other)?;
                    challenge = Some(String::from_utf8_lossy(&json).into_owned());
                    self.send("CONT\t1\t\n")?;
                }
                _ => {
                    return Err(io::Error::other(
                        "an answer that the protocol does not know",
                    ));
                }
            }
        }
    }

    fn send(&mut self, text: &str) -> io::Result<()> {
        self.reader.get_mut().write_all(text.as_bytes())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end_matches('\n').to_owned()),
        }
    }
}
