//! A connection of a mail server's process: good logins, whose answers are timed, and junk beside them.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::message::Message;
use crate::stream::{Address, PATIENCE, Stream};

/// Where all junk comes from.
pub const STRANGER: &str = "192.0.2.66";

/// How long a good login took, or what was said instead.
pub type Answer = Result<Duration, String>;

/// A connection that answers every challenge as clients do.
pub struct Connection {
    writer: Mutex<Stream>,
    /// Good logins that are to be written: no junk is put before them any more.
    ready: AtomicUsize,
    last_id: AtomicU32,
    awaited: Mutex<HashMap<u32, Awaited>>,
    /// Junk that has no answer yet.
    in_flight: Mutex<usize>,
    has_answer: Condvar,
    answered: AtomicU64,
}

/// A good login that has no answer yet.
struct Awaited {
    since: Instant,
    reply: Sender<Answer>,
}

impl Connection {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// Those of the system, and a handshake that ends before `DONE`.
    pub fn open(address: &Address) -> io::Result<Arc<Self>> {
        let stream = address.connect()?;
        stream.wait_for_ever()?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let connection = Arc::new(Self {
            writer: Mutex::new(stream),
            ready: AtomicUsize::new(0),
            last_id: AtomicU32::new(0),
            awaited: Mutex::default(),
            in_flight: Mutex::new(0),
            has_answer: Condvar::new(),
            answered: AtomicU64::new(0),
        });
        connection.send("VERSION\t1\t2\nCPID\t1\n")?;
        let mut line = String::new();
        while line != "DONE\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let (reply, replies) = mpsc::channel();
        let (hearing, replying) = (Arc::clone(&connection), Arc::clone(&connection));
        // Answers are read whether or not the daemon reads: each would wait for the other.
        thread::spawn(move || hearing.hear(reader, &reply));
        thread::spawn(move || {
            let mut replies = replies.iter();
            replies.all(|id| replying.send(&format!("CONT\t{id}\t\n")).is_ok())
        });
        Ok(connection)
    }

    /// Logs in; the answer comes later, and says how long it took.
    ///
    /// # Errors
    /// Those of the system.
    pub fn log_in(&self, message: Message, remote: &str) -> io::Result<Receiver<Answer>> {
        let (reply, answer) = mpsc::channel();
        let id = self.next_id();
        let line = auth(id, message, remote);
        let since = Instant::now();
        lock(&self.awaited).insert(id, Awaited { since, reply });
        self.ready.fetch_add(1, Ordering::Relaxed);
        let sent = self.send(&line);
        self.ready.fetch_sub(1, Ordering::Relaxed);
        sent.map(|()| answer)
    }

    /// Sends junk as soon as fewer than `limit` have no answer.
    ///
    /// # Errors
    /// Those of the system, and none of it being answered.
    pub fn throw(&self, message: Message, limit: usize) -> io::Result<()> {
        let mut in_flight = lock(&self.in_flight);
        while *in_flight >= limit {
            let waited = self.has_answer.wait_timeout(in_flight, PATIENCE);
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            in_flight = again;
            if timeout.timed_out() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        *in_flight += 1;
        drop(in_flight);
        let line = auth(self.next_id(), message, STRANGER);
        while self.ready.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        self.send(&line)
    }

    /// Ends it; what has no answer yet has none.
    pub fn close(&self) {
        lock(&self.writer).shutdown(Shutdown::Both);
    }

    /// How much junk has been answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    fn send(&self, lines: &str) -> io::Result<()> {
        lock(&self.writer).write_all(lines.as_bytes())
    }

    fn next_id(&self) -> u32 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Reads answers until the daemon closes.
    fn hear(&self, mut reader: BufReader<Stream>, reply: &Sender<u32>) {
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
            let mut words = line.trim_end().split('\t');
            let (word, id) = (words.next(), words.next());
            let id = id.and_then(|id| id.parse().ok()).unwrap_or_default();
            if word == Some("CONT") && !lock(&self.awaited).contains_key(&id) {
                // The client says that it has read why.
                if reply.send(id).is_err() {
                    return;
                }
            } else if let Some(awaited) = lock(&self.awaited).remove(&id) {
                let took = awaited.since.elapsed();
                let answer = match word {
                    Some("OK") => Ok(took),
                    _ => Err(format!("{line:?} after {took:?}")),
                };
                // Whoever waits has given the test up where there is nobody.
                let _ = awaited.reply.send(answer);
            } else {
                self.answered.fetch_add(1, Ordering::Relaxed);
                *lock(&self.in_flight) -= 1;
                self.has_answer.notify_all();
            }
            line.clear();
        }
    }
}

fn auth(id: u32, (mechanism, message): Message, remote: &str) -> String {
    let response = STANDARD.encode(message);
    format!("AUTH\t{id}\t{mechanism}\tservice=imap\tsecured\trip={remote}\tresp={response}\n")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
