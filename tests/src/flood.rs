//! Floods of junk from one network, and others who log in meanwhile (invariant 7).
//!
//! Junk comes over a connection that everybody shares, and over one of its own; so do the good logins, each from an
//! address of its own.

mod connection;
mod message;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

pub use connection::{Answer, Connection, STRANGER};
pub use message::{Good, Junk, Message, Provider};

use crate::stream::{Address, PATIENCE};

/// Clients that a mail server's process has at once, each of which waits for its answer.
const CLIENTS: usize = 1000;

/// Logins that somebody hostile has in flight on a connection of his own: nearly all that it may have.
const AT_ONCE: usize = 16_000;

/// The priority of what would be other machines: least of all.
const LEAST: i32 = 19;

/// How long each kind of good login took, and which were refused.
#[derive(Default)]
pub struct Times {
    took: HashMap<Good, Vec<Duration>>,
    /// What was said instead of `OK`.
    pub refused: Vec<String>,
}

/// When good logins are made: so many times, with a pause before each.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often.
    pub times: u32,
    /// How long before each.
    pub pause: Duration,
}

/// A daemon that is flooded, its provider, and one connection that strangers share with everybody.
pub struct Site {
    /// Whom the daemon asks.
    pub provider: Provider,
    shared: Arc<Connection>,
    own: Arc<Connection>,
    apart: Arc<Connection>,
    /// Numbers of good logins and of junk, so that none is ever repeated.
    good: AtomicU64,
    junk: AtomicU64,
}

/// How much junk a second was answered during a flood.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// On the connection that everybody shares.
    pub shared: u64,
    /// On the strangers' own.
    pub apart: u64,
}

impl Times {
    /// Waits for an answer.
    pub fn take(&mut self, good: Good, answer: io::Result<std::sync::mpsc::Receiver<Answer>>) {
        let answer = answer.map_err(|error| error.to_string());
        let answer = answer.and_then(|answer| {
            let answer = answer.recv_timeout(PATIENCE);
            answer.unwrap_or_else(|_| Err("no answer".to_owned()))
        });
        match answer {
            Ok(took) => self.took.entry(good).or_default().push(took),
            Err(said) => self.refused.push(format!("{good:?}: {said}")),
        }
    }

    /// The time that so many in a hundred did not exceed.
    #[must_use]
    pub fn quantile(&self, good: Good, hundredths: usize) -> Duration {
        let mut times = self.took.get(&good).cloned().unwrap_or_default();
        times.sort_unstable();
        let place = (times.len() * hundredths / 100).min(times.len().saturating_sub(1));
        times.get(place).copied().unwrap_or_default()
    }

    /// How many good logins were made, refused ones included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.took.values().map(Vec::len).sum::<usize>() + self.refused.len()
    }
}

impl Pace {
    /// How many good logins that makes.
    #[must_use]
    pub fn logins(self) -> usize {
        2 * Good::ALL.len() * self.times as usize
    }
}

impl Site {
    /// Connects to the daemon at `address`, whose provider is `provider`.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(address: &Address, provider: Provider) -> io::Result<Self> {
        Ok(Self {
            provider,
            shared: Connection::open(address)?,
            own: Connection::open(address)?,
            apart: Connection::open(address)?,
            good: AtomicU64::new(0),
            junk: AtomicU64::new(0),
        })
    }

    /// Good logins of each kind, on the shared connection and on one of their own.
    #[must_use]
    pub fn log_in(&self, pace: Pace) -> Times {
        let mut answers = Vec::new();
        for _ in 0..pace.times {
            thread::sleep(pace.pause);
            for connection in [&self.shared, &self.own] {
                for good in Good::ALL {
                    let number = self.good.fetch_add(1, Ordering::Relaxed);
                    let remote = format!("198.51.{}.{}", 100 + number / 250 % 50, 1 + number % 250);
                    let message = good.message(number, &self.provider);
                    answers.push((good, connection.log_in(message, &remote)));
                }
            }
        }
        let mut times = Times::default();
        for (good, answer) in answers {
            times.take(good, answer);
        }
        times
    }

    /// Good logins during a flood of `junk`.
    ///
    /// # Panics
    /// Where junk is not answered.
    #[must_use]
    pub fn flood(&self, junk: &[Junk], pace: Pace) -> (Times, Rates) {
        let is_over = AtomicBool::new(false);
        let connections = [&self.shared, &self.apart];
        let before = connections.map(|connection| connection.answered());
        let times = thread::scope(|scope| {
            for (connection, limit) in [(&self.shared, CLIENTS), (&self.apart, AT_ONCE)] {
                let is_over = &is_over;
                scope.spawn(move || {
                    // Strangers have machines of their own: on this one they get what the daemon leaves.
                    let _ = rustix::process::setpriority_process(None, LEAST);
                    while !is_over.load(Ordering::Relaxed) {
                        self.throw(connection, junk, limit);
                    }
                });
            }
            let times = self.log_in(pace);
            is_over.store(true, Ordering::Relaxed);
            times
        });
        let seconds = (pace.pause * pace.times).as_secs().max(1);
        let [shared, apart] = [0, 1].map(|at| (connections[at].answered() - before[at]) / seconds);
        (times, Rates { shared, apart })
    }

    fn throw(&self, connection: &Connection, junk: &[Junk], limit: usize) {
        let number = self.junk.fetch_add(1, Ordering::Relaxed);
        let kind = usize::try_from(number).map_or(0, |number| number % junk.len());
        let message = junk[kind].message(number, &self.provider.stub.issuer());
        connection.throw(message, limit).expect("junk is answered");
    }
}
