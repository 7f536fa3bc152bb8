//! Logins over the auth-client protocol, many in flight.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::thread;
use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_tests::stream::{Address, Stream};

use super::tokens::USER;

/// Connections, and logins in flight on each.
const CONNECTIONS: usize = 8;
const IN_FLIGHT: usize = 8;

/// What a mail server says of a login besides its token.
#[derive(Clone, Copy)]
pub(crate) enum Client {
    /// Postfix, which opens no mailbox.
    Postfix,
    /// Dovecot's login process, whose mail process will ask for the login.
    Dovecot,
}

impl Client {
    fn line(self, id: usize, token: &str) -> String {
        let response = STANDARD.encode(format!("user={USER}\x01auth=Bearer {token}\x01\x01"));
        let fields = match self {
            Self::Postfix => "service=smtp\tnologin\trip=127.0.0.1",
            Self::Dovecot => {
                "service=imap\tsecured\tsession=bGvMfQ0c0pp/AAAB\tlip=127.0.0.1\trip=127.0.0.1\tlport=143\trport=39506"
            }
        };
        format!("AUTH\t{id}\tXOAUTH2\t{fields}\tresp={response}\n")
    }
}

/// Lines that are sent as fast as they are answered.
pub(crate) struct Load {
    /// What each connection sends, in pieces whose answers are awaited.
    pieces: Vec<Vec<(String, usize)>>,
    logins: usize,
    /// What every answer begins with.
    expected: &'static str,
}

impl Load {
    pub(crate) fn of(tokens: &[&str]) -> Self {
        Self::new(Client::Postfix, tokens, CONNECTIONS, IN_FLIGHT)
    }

    pub(crate) fn by(client: Client, tokens: &[&str]) -> Self {
        Self::new(client, tokens, CONNECTIONS, IN_FLIGHT)
    }

    /// Enough in flight for so many questions at once.
    pub(crate) fn wide(tokens: &[&str], questions: usize) -> Self {
        Self::new(Client::Postfix, tokens, questions.div_ceil(4), 8)
    }

    /// Names with passwords, each of which is good or none.
    pub(crate) fn of_passwords(pairs: &[(String, String)], is_good: bool) -> Self {
        let line = |id, (user, password): &(String, String)| {
            let response = STANDARD.encode(format!("\0{user}\0{password}"));
            format!("AUTH\t{id}\tPLAIN\tservice=smtp\tnologin\trip=127.0.0.1\tresp={response}\n")
        };
        Self {
            expected: if is_good { "OK\t" } else { "FAIL\t" },
            ..Self::in_pieces(pairs, CONNECTIONS, IN_FLIGHT, line)
        }
    }

    fn new(client: Client, tokens: &[&str], connections: usize, in_flight: usize) -> Self {
        let line = |id, token: &&str| client.line(id, token);
        Self::in_pieces(tokens, connections, in_flight, line)
    }

    fn in_pieces<L>(
        logins: &[L],
        connections: usize,
        in_flight: usize,
        line: impl Fn(usize, &L) -> String,
    ) -> Self {
        let share = logins.len().div_ceil(connections);
        let pieces = logins.chunks(share).map(|share| {
            let mut id = 0;
            let pieces = share.chunks(in_flight).map(|piece| {
                let mut lines = String::new();
                for login in piece {
                    id += 1;
                    lines += &line(id, login);
                }
                (lines, piece.len())
            });
            pieces.collect()
        });
        Self {
            pieces: pieces.collect(),
            logins: logins.len(),
            expected: "OK\t",
        }
    }

    pub(crate) fn logins(&self) -> f64 {
        f64::from(u32::try_from(self.logins).unwrap_or(u32::MAX))
    }

    /// Logins a second.
    pub(crate) fn rate(&self, address: &Address) -> io::Result<f64> {
        let begun = Instant::now();
        self.finish(address)?;
        Ok(self.logins() / begun.elapsed().as_secs_f64())
    }

    /// Sends all, and waits for all answers.
    pub(crate) fn finish(&self, address: &Address) -> io::Result<()> {
        let open = |_| Connection::open(address);
        let connections: Vec<_> = self.pieces.iter().map(open).collect::<io::Result<_>>()?;
        thread::scope(|scope| {
            let work = self.pieces.iter().zip(connections);
            let clients: Vec<_> = work
                .map(|(pieces, mut connection)| {
                    scope.spawn(move || {
                        let mut pieces = pieces.iter();
                        pieces.try_for_each(|(lines, number)| {
                            connection.send(lines)?;
                            connection.hear(*number, self.expected)
                        })
                    })
                })
                .collect();
            clients
                .into_iter()
                .try_for_each(|client| client.join().expect("a client ends"))
        })
    }
}

/// The times of one login after the other, in microseconds, the shortest first.
pub(crate) fn times(tokens: &[&str], address: &Address) -> io::Result<Vec<f64>> {
    let mut connection = Connection::open(address)?;
    let mut id = 0;
    let mut time = |token: &&str| {
        id += 1;
        let line = Client::Postfix.line(id, token);
        let begun = Instant::now();
        connection.ask(&line, 1)?;
        Ok(begun.elapsed().as_secs_f64() * 1e6)
    };
    let mut times: Vec<f64> = tokens.iter().map(&mut time).collect::<io::Result<_>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// The 99th percentile of one login after the other, in microseconds.
pub(crate) fn p99(tokens: &[&str], address: &Address) -> io::Result<f64> {
    let times = times(tokens, address)?;
    Ok(times[times.len() * 99 / 100])
}

/// A connection after its handshake.
pub(crate) struct Connection(BufReader<Stream>);

impl Connection {
    pub(crate) fn open(address: &Address) -> io::Result<Self> {
        let mut connection = Self(BufReader::new(address.connect()?));
        let hello = format!("VERSION\t1\t1\nCPID\t{}\n", std::process::id());
        connection.send(&hello)?;
        let mut line = String::new();
        while line != "DONE\n" {
            connection.line(&mut line)?;
        }
        Ok(connection)
    }

    /// Sends a login that nobody waits for yet.
    pub(crate) fn log_in(&mut self, token: &str) -> io::Result<()> {
        self.send(&Client::Postfix.line(1, token))
    }

    /// Sends `lines`, and reads until `number` logins are over, each of which has to be a success.
    fn ask(&mut self, lines: &str, number: usize) -> io::Result<()> {
        self.send(lines)?;
        self.answers(number)
    }

    /// Reads until `number` logins are over, each of which has to be a success.
    pub(crate) fn answers(&mut self, number: usize) -> io::Result<()> {
        self.hear(number, "OK\t")
    }

    fn hear(&mut self, number: usize, expected: &str) -> io::Result<()> {
        let mut line = String::new();
        for _ in 0..number {
            self.line(&mut line)?;
            if !line.starts_with(expected) {
                return Err(io::Error::other(format!("not {expected:?}: {line:?}")));
            }
        }
        Ok(())
    }

    fn send(&mut self, lines: &str) -> io::Result<()> {
        self.0.get_mut().write_all(lines.as_bytes())
    }

    fn line(&mut self, line: &mut String) -> io::Result<()> {
        line.clear();
        if self.0.read_line(line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}
