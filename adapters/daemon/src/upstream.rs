//! The upstream Dovecot: where its sockets are, what it offers, and what waits to be asked for.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepost_mail::line::Lines;
use gatepost_mail::relay::Need;
use gatepost_mail::upstream::{Greeting, Offer, handshake};
use gatepost_mail::users::Users;
use gatepost_mail::waiting::Waiting;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::config;

/// How long Dovecot may take to greet.
pub(crate) const GREETING: Duration = Duration::from_secs(5);

/// Shortest and longest pause before Dovecot is tried again.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// Our connections name themselves by numbers that no process has: those end at 2^22 (`pid_max`).
const FIRST_PID: u32 = 1 << 31;

/// What all connections share of it.
pub(crate) struct Upstream {
    login: Option<PathBuf>,
    client: Option<PathBuf>,
    master: Option<PathBuf>,
    offers: watch::Sender<Offers>,
    waiting: Mutex<Waiting>,
    users: watch::Receiver<Option<Arc<Users>>>,
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
            pids: AtomicU32::new(random),
        })
    }

    /// Keeps what Dovecot offers current, as long as this is polled.
    pub(crate) async fn follow(&self) {
        let Some(path) = self.socket(Need::Login) else {
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

    /// The socket for such a connection: the other one where there is but one.
    fn socket(&self, need: Need) -> Option<&PathBuf> {
        let (first, second) = match need {
            Need::Judging => (&self.client, &self.login),
            Need::Login => (&self.login, &self.client),
        };
        first.as_ref().or(second.as_ref())
    }

    /// Connects for logins, which Dovecot will know by the number.
    pub(crate) async fn connect(
        &self,
        need: Need,
        connection: &mut UpstreamConnection,
    ) -> io::Result<u32> {
        connection.open(self.socket(need)).await?;
        Ok(self.next_pid())
    }

    /// Connects for what mail processes ask.
    pub(crate) async fn connect_master(
        &self,
        connection: &mut UpstreamConnection,
    ) -> io::Result<()> {
        connection.open(self.master.as_ref()).await
    }

    /// Whether mail processes can be answered by Dovecot.
    pub(crate) fn has_master(&self) -> bool {
        self.master.is_some()
    }

    /// The users that are not Dovecot's to know.
    pub(crate) fn users(&self) -> Option<Arc<Users>> {
        self.users.borrow().clone()
    }

    /// Looks at the logins that wait to be asked for.
    pub(crate) fn with_waiting<T>(&self, look: impl FnOnce(&mut Waiting) -> T) -> T {
        // Nothing in there is ever half done.
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        look(&mut waiting)
    }

    fn next_pid(&self) -> u32 {
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
    fn pause(&mut self) -> Duration {
        let [shortest, longest] = PAUSES;
        self.pause = (self.pause * 2).clamp(shortest, longest);
        self.pause
    }

    fn succeeded(&mut self) {
        self.pause = Duration::ZERO;
    }
}

/// One connection's connection to Dovecot, which comes and goes.
#[derive(Default)]
pub(crate) struct UpstreamConnection {
    halves: (Option<OwnedReadHalf>, Option<OwnedWriteHalf>),
    read: Vec<u8>,
    lines: Lines,
    backoff: Backoff,
    /// Not before then it is tried again.
    closed_until: Option<Instant>,
}

impl UpstreamConnection {
    /// Whether it is too early to try again.
    pub(crate) fn is_pausing(&self) -> bool {
        self.closed_until
            .is_some_and(|until| Instant::now() < until)
    }

    async fn open(&mut self, path: Option<&PathBuf>) -> io::Result<()> {
        let path = path.ok_or(io::ErrorKind::NotFound)?;
        if self.is_pausing() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // Over a unix socket this waits for nobody.
        let (reader, writer) = UnixStream::connect(path).await?.into_split();
        self.halves = (Some(reader), Some(writer));
        Ok(())
    }

    /// Dovecot has said something useful: if it goes now, it may be tried at once.
    pub(crate) fn succeeded(&mut self) {
        self.backoff.succeeded();
    }

    /// Forgets the connection, and lets a moment pass before the next one.
    pub(crate) fn close(&mut self) {
        if self.is_pausing() {
            return;
        }
        self.close_for_now();
        self.closed_until = Some(Instant::now() + self.backoff.pause());
    }

    /// Forgets a connection that had been good.
    pub(crate) fn close_for_now(&mut self) {
        self.halves = (None, None);
        self.lines = Lines::default();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.halves.0.is_some()
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let half = self.halves.1.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        half.write_all(bytes).await
    }

    /// The two directions, which can be waited for at once.
    pub(crate) fn split(&mut self) -> (Incoming<'_>, Outgoing<'_>) {
        let (reader, writer) = &mut self.halves;
        let incoming = Incoming {
            half: reader.as_mut(),
            read: &mut self.read,
            lines: &mut self.lines,
        };
        let half = writer.as_mut();
        (incoming, Outgoing { half })
    }

    /// The next line that has come.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.lines.next_line().map_err(io::Error::other)
    }
}

/// What comes from Dovecot.
pub(crate) struct Incoming<'l> {
    half: Option<&'l mut OwnedReadHalf>,
    read: &'l mut Vec<u8>,
    lines: &'l mut Lines,
}

impl Incoming<'_> {
    /// Waits until more has come; without a connection, for ever.
    pub(crate) async fn wait(self) -> io::Result<()> {
        let Some(half) = self.half else {
            return std::future::pending().await;
        };
        self.read.clear();
        self.read.reserve(4096);
        if half.read_buf(self.read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.lines.push(self.read);
        Ok(())
    }
}

/// What goes to Dovecot.
pub(crate) struct Outgoing<'l> {
    half: Option<&'l mut OwnedWriteHalf>,
}

impl Outgoing<'_> {
    /// Writes some of `bytes`; without a connection, waits for ever.
    pub(crate) async fn write(self, bytes: &[u8]) -> io::Result<usize> {
        match self.half {
            Some(half) if !bytes.is_empty() => half.write(bytes).await,
            _ => std::future::pending().await,
        }
    }
}
