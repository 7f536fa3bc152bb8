//! The upstream Dovecot: where its sockets are, what it offers, and what waits to be asked for.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepost_mail::line::Lines;
use gatepost_mail::relay::Need;
use gatepost_mail::socketmap::Delimiters;
use gatepost_mail::upstream::{Greeting, Offer, handshake};
use gatepost_mail::users::Users;
use gatepost_mail::waiting::Waiting;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::accounts::Held;
use crate::config;

/// How long Dovecot may take to greet.
pub(crate) const GREETING: Duration = Duration::from_secs(5);

/// Shortest and longest pause before Dovecot is tried again.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// Our connections name themselves by numbers that no process has: those end at 2^22 (`pid_max`).
const FIRST_PID: u32 = 1 << 31;

/// Which of its sockets a connection needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Socket {
    /// One for logins.
    Logins(Need),
    /// The one where mail processes ask.
    Master,
}

/// What all connections share of it.
pub(crate) struct Upstream {
    login: Option<PathBuf>,
    client: Option<PathBuf>,
    master: Option<PathBuf>,
    offers: watch::Sender<Offers>,
    waiting: Mutex<Waiting>,
    users: watch::Receiver<Option<Arc<Users>>>,
    accounts: Option<Arc<Held>>,
    delimiters: Delimiters,
    pids: AtomicU32,
}

/// What Dovecot is known to offer.
#[derive(Clone, Debug)]
enum Offers {
    /// It has not been tried yet.
    Untried,
    /// As it last said; nothing if it never has.
    Known(Vec<Offer>),
}

impl Upstream {
    /// Knows the sockets; `random` is where the names of our connections begin, so that no two daemons use
    /// the same while one replaces the other.
    pub(crate) fn new(
        dovecot: &config::Upstream,
        users: watch::Receiver<Option<Arc<Users>>>,
        accounts: Option<Arc<Held>>,
        delimiters: Delimiters,
        random: u32,
    ) -> Arc<Self> {
        let path =
            |socket: &Option<config::SocketPath>| socket.as_ref().map(|path| path.to_path_buf());
        Arc::new(Self {
            login: path(&dovecot.login),
            client: path(&dovecot.client),
            master: path(&dovecot.master),
            offers: watch::Sender::new(Offers::Untried),
            waiting: Mutex::default(),
            users,
            accounts,
            delimiters,
            pids: AtomicU32::new(random),
        })
    }

    /// Keeps what Dovecot offers current, as long as this is polled.
    pub(crate) async fn follow(&self) {
        let Some(path) = self.path(Socket::Logins(Need::Login)) else {
            self.offers.send_replace(Offers::Known(Vec::new()));
            return std::future::pending().await;
        };
        let mut backoff = Backoff::default();
        let mut last = String::new();
        loop {
            if let Err(error) = self.learn(path, &mut backoff).await {
                let error = error.to_string();
                // Said once, however long it stays away.
                if error != last {
                    let path = path.display().to_string();
                    tracing::warn!(
                        path,
                        error,
                        "Dovecot does not answer: passwords cannot be checked"
                    );
                }
                last = error;
            } else {
                last.clear();
            }
            self.offers.send_if_modified(|offers| {
                let is_first = matches!(offers, Offers::Untried);
                if is_first {
                    *offers = Offers::Known(Vec::new());
                }
                is_first
            });
            sleep(backoff.pause()).await;
        }
    }

    /// Learns what Dovecot offers, and waits until it has gone.
    async fn learn(&self, path: &PathBuf, backoff: &mut Backoff) -> io::Result<()> {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(&handshake(2, self.next_pid())).await?;
        let offers = timeout(GREETING, greeting(&mut stream)).await??;
        backoff.succeeded();
        let names: Vec<String> = offers.iter().map(Offer::name).collect();
        tracing::info!(path = %path.display(), mechanisms = names.join(" "), "Dovecot answers");
        self.offers.send_replace(Offers::Known(offers));
        let mut rest = [0; 256];
        while stream.read(&mut rest).await.is_ok_and(|length| length > 0) {}
        Ok(())
    }

    /// Waits until Dovecot has been tried.
    pub(crate) async fn tried(&self) {
        let mut offers = self.offers.subscribe();
        // Never closed: we hold the sender.
        let _ = offers
            .wait_for(|offers| !matches!(offers, Offers::Untried))
            .await;
    }

    /// What Dovecot is known to offer.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        match &*self.offers.borrow() {
            Offers::Untried => Vec::new(),
            Offers::Known(offers) => offers.clone(),
        }
    }

    /// Where a connection is made: at the other socket where there is but one for logins.
    pub(crate) fn path(&self, socket: Socket) -> Option<&PathBuf> {
        match socket {
            Socket::Logins(Need::Judging) => self.client.as_ref().or(self.login.as_ref()),
            Socket::Logins(Need::Login) => self.login.as_ref().or(self.client.as_ref()),
            Socket::Master => self.master.as_ref(),
        }
    }

    /// Whether logins can be judged by Dovecot.
    pub(crate) fn has_logins(&self) -> bool {
        self.path(Socket::Logins(Need::Login)).is_some()
    }

    /// Whether mail processes can be answered by Dovecot.
    pub(crate) fn has_master(&self) -> bool {
        self.master.is_some()
    }

    /// The users that are not Dovecot's to know.
    pub(crate) fn users(&self) -> Option<Arc<Users>> {
        self.users.borrow().clone()
    }

    /// The accounts that are known before anybody logs in.
    pub(crate) fn accounts(&self) -> Option<&Arc<Held>> {
        self.accounts.as_ref()
    }

    /// What extensions of addresses begin with.
    pub(crate) fn delimiters(&self) -> &Delimiters {
        &self.delimiters
    }

    /// Looks at the logins that wait to be asked for.
    pub(crate) fn with_waiting<T>(&self, look: impl FnOnce(&mut Waiting) -> T) -> T {
        // Nothing in there is ever half done.
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        look(&mut waiting)
    }

    /// A number by which Dovecot knows a connection, and no other.
    pub(crate) fn next_pid(&self) -> u32 {
        self.pids.fetch_add(1, Ordering::Relaxed) | FIRST_PID
    }
}

/// Reads a greeting.
async fn greeting(stream: &mut UnixStream) -> io::Result<Vec<Offer>> {
    let (mut greeting, mut lines) = (Greeting::default(), Lines::default());
    let mut read = [0; 1024];
    while !greeting.is_over() {
        let length = stream.read(&mut read).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        lines.push(read.get(..length).unwrap_or_default());
        while let Some(line) = lines.next_line().map_err(io::Error::other)? {
            greeting.take(&line).map_err(io::Error::other)?;
        }
    }
    Ok(greeting.offers().to_vec())
}

/// When Dovecot may be tried again.
#[derive(Default)]
pub(crate) struct Backoff {
    pause: Duration,
}

impl Backoff {
    /// How long to wait now; longer each time.
    pub(crate) fn pause(&mut self) -> Duration {
        let [shortest, longest] = PAUSES;
        self.pause = (self.pause * 2).clamp(shortest, longest);
        self.pause
    }

    pub(crate) fn succeeded(&mut self) {
        self.pause = Duration::ZERO;
    }
}
