//! Logins over the auth-client protocol, many in flight.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::thread;
use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_tests::stream::{Address, Stream};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::tokens::USER;

/// Connections, and logins in flight on each.
const CONNECTIONS: usize = 8;
const IN_FLIGHT: usize = 8;

/// Keeps this process off the servers' core.
pub(crate) fn pin_to_core(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Lines that are sent as fast as they are answered.
pub(crate) struct Load {
    /// What each connection sends, in pieces whose answers are awaited.
    pieces: Vec<Vec<(String, usize)>>,
    logins: usize,
}

impl Load {
    pub(crate) fn of(tokens: &[&str]) -> Self {
        Self::new(tokens, CONNECTIONS, IN_FLIGHT)
    }

    /// The same tokens several times over.
    pub(crate) fn repeating(tokens: &[&str], times: usize) -> Self {
        let tokens: Vec<&str> = (0..times).flat_map(|_| tokens.iter().copied()).collect();
        Self::of(&tokens)
    }

    /// Enough in flight for so many questions at once.
    pub(crate) fn wide(tokens: &[&str], questions: usize) -> Self {
        Self::new(tokens, questions.div_ceil(4), 8)
    }

    fn new(tokens: &[&str], connections: usize, in_flight: usize) -> Self {
        let share = tokens.len().div_ceil(connections);
        let pieces = tokens.chunks(share).map(|share| {
            let mut id = 0;
            let pieces = share.chunks(in_flight).map(|piece| {
                let mut lines = String::new();
                for token in piece {
                    id += 1;
                    lines += &line(id, token);
                }
                (lines, piece.len())
            });
            pieces.collect()
        });
        Self {
            pieces: pieces.collect(),
            logins: tokens.len(),
        }
    }

    /// Logins a second.
    pub(crate) fn rate(self, address: &Address) -> io::Result<f64> {
        let logins = f64::from(u32::try_from(self.logins).unwrap_or(u32::MAX));
        let begun = Instant::now();
        self.finish(address)?;
        Ok(logins / begun.elapsed().as_secs_f64())
    }

    /// Sends all, and waits for all answers.
    pub(crate) fn finish(self, address: &Address) -> io::Result<()> {
        let clients: Vec<_> = self
            .pieces
            .into_iter()
            .map(|pieces| {
                let mut client = Client::open(address)?;
                Ok(thread::spawn(move || {
                    pieces
                        .iter()
                        .try_for_each(|(lines, number)| client.ask(lines, *number))
                }))
            })
            .collect::<io::Result<_>>()?;
        clients
            .into_iter()
            .try_for_each(|client| client.join().expect("a client ends"))
    }
}

/// The 99th percentile of one login after the other, in microseconds.
pub(crate) fn p99(tokens: &[&str], address: &Address) -> io::Result<f64> {
    let mut times = times(tokens, address)?;
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() * 99 / 100])
}

/// The median of one login after the other, in microseconds.
pub(crate) fn median(tokens: &[&str], address: &Address) -> io::Result<f64> {
    Ok(median_of(times(tokens, address)?))
}

pub(crate) fn median_of(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn times(tokens: &[&str], address: &Address) -> io::Result<Vec<f64>> {
    let mut client = Client::open(address)?;
    let mut id = 0;
    let mut time = |token: &&str| {
        id += 1;
        let line = line(id, token);
        let begun = Instant::now();
        client.ask(&line, 1)?;
        Ok(begun.elapsed().as_secs_f64() * 1e6)
    };
    tokens.iter().map(&mut time).collect()
}

/// Connections that are open and idle.
pub(crate) fn open_many(address: &Address, number: usize) -> io::Result<Vec<impl Sized>> {
    (0..number).map(|_| Client::open(address)).collect()
}

fn line(id: usize, token: &str) -> String {
    let response = STANDARD.encode(format!("user={USER}\x01auth=Bearer {token}\x01\x01"));
    format!("AUTH\t{id}\tXOAUTH2\tservice=smtp\tnologin\trip=127.0.0.1\tresp={response}\n")
}

struct Client(BufReader<Stream>);

impl Client {
    fn open(address: &Address) -> io::Result<Self> {
        let mut client = Self(BufReader::new(address.connect()?));
        let hello = format!("VERSION\t1\t1\nCPID\t{}\n", std::process::id());
        client.0.get_mut().write_all(hello.as_bytes())?;
        let mut line = String::new();
        while line != "DONE\n" {
            line.clear();
            if client.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(client)
    }

    /// Sends `lines`, and reads until `number` logins are over.
    fn ask(&mut self, lines: &str, number: usize) -> io::Result<()> {
        self.0.get_mut().write_all(lines.as_bytes())?;
        let mut line = String::new();
        let mut over = 0;
        while over < number {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(rest) = line.strip_prefix("CONT\t") {
                let id = rest.split('\t').next().unwrap_or_default();
                let reply = format!("CONT\t{id}\t\n");
                self.0.get_mut().write_all(reply.as_bytes())?;
            } else {
                over += 1;
            }
        }
        Ok(())
    }
}
