//! Requests on their way from the executor that judges to the one that has the network, and their answers
//! on their way back: one at a time, in one buffer.
//!
//! The side that judges writes the whole request and says where it goes ([`Errands::ask`]); the side of the
//! network sends it and leaves the body of the answer in its place ([`Errands::answer`]).

use core::fmt;
use core::net::SocketAddrV4;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::mutex::{Mutex, MutexGuard};
use embassy_sync::semaphore::{FairSemaphore, Semaphore as _, SemaphoreReleaser};
use embassy_sync::signal::Signal;
use embassy_time::{Duration, with_timeout};
use gatepost_core::introspection::{Answer, FetchFailure};

use crate::http::{Head, Writer};
use crate::limits::MAX_JUDGES;
use crate::settings::OnlineSettings;
use crate::tunnel::Tunnel;
use crate::url::Url;

/// How long a login waits for its turn: two requests that time out.
const PATIENCE: Duration = Duration::from_secs(6);

/// A buffer of bytes, which bounds requests and answers.
pub type Buffer<B = [u8]> = Mutex<CriticalSectionRawMutex, B>;

/// Whose turn it is to ask: anybody who judges, or who looks for keys.
type Turn = FairSemaphore<CriticalSectionRawMutex, { MAX_JUDGES + 1 }>;

/// The one request that is under way.
pub struct Errands {
    /// A mutex would have several who wait wake one another for ever.
    turn: Turn,
    asked: Signal<CriticalSectionRawMutex, Errand>,
    answered: Signal<CriticalSectionRawMutex, Result<(), FetchFailure>>,
    head: Mutex<CriticalSectionRawMutex, Head>,
    buffer: &'static Buffer,
    /// Where requests over TLS go; `None` where nobody speaks it.
    tunnel: Option<&'static Tunnel>,
}

/// Where a request goes, and how long it is.
pub(crate) struct Errand {
    pub(crate) destination: Destination,
    is_secure: bool,
    /// What has to vouch for the server.
    pub(crate) trust: usize,
    pub(crate) length: usize,
}

/// Where a connection goes.
#[derive(Clone)]
pub(crate) struct Destination {
    /// The host's name, or its address.
    pub(crate) host: heapless::String<128>,
    pub(crate) port: u16,
    pub(crate) connect_to: Option<SocketAddrV4>,
}

impl Errand {
    /// The request in `out`, which goes where `url` says unless the provider is to be found somewhere else.
    pub(crate) fn new(url: &Url<'_>, online: &OnlineSettings, out: &Writer<'_>) -> Option<Self> {
        Some(Self {
            destination: Destination {
                host: url.host.try_into().ok()?,
                port: url.port,
                connect_to: online.connect_to,
            },
            is_secure: url.is_secure,
            trust: online.trust,
            length: out.length(),
        })
    }

    pub(crate) fn host(&self) -> &str {
        &self.destination.host
    }
}

/// An answer where it lies: nobody else asks until it is dropped.
pub(crate) struct Incoming {
    head: MutexGuard<'static, CriticalSectionRawMutex, Head>,
    buffer: MutexGuard<'static, CriticalSectionRawMutex, [u8]>,
    _turn: SemaphoreReleaser<'static, Turn>,
}

impl Incoming {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    pub(crate) fn max_age(&self) -> Option<u32> {
        self.head.max_age
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.buffer.get(..self.head.length).unwrap_or_default()
    }

    pub(crate) fn answer(&self) -> Answer<'_> {
        Answer {
            status: self.head.status,
            content_type: &self.head.content_type,
            www_authenticate: &self.head.www_authenticate,
            body: self.body(),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // It may hold a token that was asked about.
        self.buffer.fill(0);
    }
}

impl Errands {
    /// Nothing is under way; requests and answers lie in `buffer`. Nobody is asked over TLS.
    #[must_use]
    pub const fn new(buffer: &'static Buffer) -> Self {
        Self::with(buffer, None)
    }

    /// As [`new`](Self::new), for a device that speaks TLS: see
    /// [`run_secure_errands`](crate::run_secure_errands).
    #[must_use]
    pub const fn over_tls(buffer: &'static Buffer, tunnel: &'static Tunnel) -> Self {
        Self::with(buffer, Some(tunnel))
    }

    const fn with(buffer: &'static Buffer, tunnel: Option<&'static Tunnel>) -> Self {
        Self {
            turn: Turn::new(1),
            asked: Signal::new(),
            answered: Signal::new(),
            head: Mutex::new(Head::new()),
            buffer,
            tunnel,
        }
    }

    /// Sends what `write` writes, where it says, and waits for the answer.
    ///
    /// Only small things are kept while it waits: each of those who judge has room for it.
    pub(crate) async fn ask(
        &'static self,
        write: impl FnOnce(&mut Writer<'_>) -> Result<Errand, FetchFailure>,
    ) -> Result<Incoming, FetchFailure> {
        let turn = with_timeout(PATIENCE, self.turn.acquire(1)).await;
        let turn = turn
            .ok()
            .and_then(Result::ok)
            .ok_or(FetchFailure::NotAsked)?;
        let is_asked = {
            let mut buffer = self.buffer.lock().await;
            let errand = write(&mut Writer::new(&mut buffer));
            errand.and_then(|errand| self.hand_over(errand))
        };
        let outcome = match is_asked {
            Ok(()) => self.answered.wait().await,
            Err(why) => Err(why),
        };
        let incoming = Incoming {
            head: self.head.lock().await,
            buffer: self.buffer.lock().await,
            _turn: turn,
        };
        outcome.map(|()| incoming)
    }

    fn hand_over(&self, errand: Errand) -> Result<(), FetchFailure> {
        match (errand.is_secure, self.tunnel) {
            (false, _) => self.asked.signal(errand),
            (true, Some(tunnel)) => tunnel.asked.signal(errand),
            (true, None) => {
                log::error!("not asked: this image has no TLS; host={}", errand.host());
                return Err(FetchFailure::Tls);
            }
        }
        Ok(())
    }

    /// Waits for the next request, unless it goes over TLS.
    pub(crate) async fn next(&self) -> Errand {
        self.asked.wait().await
    }

    /// Gives the answer to `errand` back, as `fetch` leaves it.
    pub(crate) async fn answer(
        &'static self,
        errand: &Errand,
        fetch: impl AsyncFnOnce(&Errand, &mut [u8], &mut Head) -> Result<(), FetchFailure>,
    ) {
        let outcome = {
            let mut buffer = self.buffer.lock().await;
            let mut head = self.head.lock().await;
            fetch(errand, &mut buffer, &mut head).await
        };
        self.answered.signal(outcome);
    }
}

impl fmt::Debug for Errands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Errands(..)")
    }
}
