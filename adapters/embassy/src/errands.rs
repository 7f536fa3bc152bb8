//! Requests on their way from the executor that judges to the one that has the network, and their answers
//! on their way back: one at a time, in one buffer.
//!
//! The side that judges writes the whole request and says where it goes ([`Errands::ask`]); the side of the
//! network sends it and leaves the body of the answer in its place ([`Errands::run`]).

use core::fmt;
use core::net::SocketAddrV4;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::mutex::{Mutex, MutexGuard};
use embassy_sync::signal::Signal;
use embassy_time::{Duration, with_timeout};
use gatepost_core::introspection::{Answer, FetchFailure};

use crate::http::{Head, Writer};
use crate::url::Url;

/// How long a login waits for its turn: two requests that time out.
const PATIENCE: Duration = Duration::from_secs(6);

/// The one request that is under way. `B` is a buffer of bytes, which bounds requests and answers.
pub struct Errands<B: ?Sized = [u8]> {
    turn: Mutex<CriticalSectionRawMutex, ()>,
    asked: Signal<CriticalSectionRawMutex, Errand>,
    answered: Signal<CriticalSectionRawMutex, Result<Head, FetchFailure>>,
    buffer: Mutex<CriticalSectionRawMutex, B>,
}

/// Where a request goes, and how long it is.
pub(crate) struct Errand {
    /// The host's name, or its address.
    pub(crate) host: heapless::String<128>,
    pub(crate) port: u16,
    pub(crate) is_secure: bool,
    pub(crate) connect_to: Option<SocketAddrV4>,
    pub(crate) length: usize,
}

/// An answer, and the buffer that holds it: nobody else asks until it is dropped.
pub(crate) struct Incoming {
    pub(crate) head: Head,
    buffer: MutexGuard<'static, CriticalSectionRawMutex, [u8]>,
    _turn: MutexGuard<'static, CriticalSectionRawMutex, ()>,
}

impl Incoming {
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
        // It may hold a token that was asked about, or was granted.
        self.buffer.fill(0);
    }
}

impl<const N: usize> Errands<[u8; N]> {
    /// Nothing is under way.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            turn: Mutex::new(()),
            asked: Signal::new(),
            answered: Signal::new(),
            buffer: Mutex::new([0; N]),
        }
    }
}

impl<const N: usize> Default for Errands<[u8; N]> {
    fn default() -> Self {
        Self::new()
    }
}

impl Errands {
    /// Sends what `write` writes to `url`, and waits for the answer.
    pub(crate) async fn ask(
        &'static self,
        url: &Url<'_>,
        connect_to: Option<SocketAddrV4>,
        write: impl FnOnce(&mut Writer<'_>) -> fmt::Result,
    ) -> Result<Incoming, FetchFailure> {
        let host = url.host.try_into().map_err(|_| FetchFailure::NotAsked)?;
        let turn = with_timeout(PATIENCE, self.turn.lock()).await;
        let turn = turn.map_err(|_| FetchFailure::NotAsked)?;
        let mut buffer = self.buffer.lock().await;
        let mut out = Writer::new(&mut buffer);
        let written = write(&mut out);
        let length = out.length();
        drop(buffer);
        let outcome = match written {
            Ok(()) => {
                self.asked.signal(Errand {
                    host,
                    port: url.port,
                    is_secure: url.is_secure,
                    connect_to,
                    length,
                });
                self.answered.wait().await
            }
            Err(fmt::Error) => Err(FetchFailure::TooLarge),
        };
        let mut incoming = Incoming {
            head: Head::default(),
            buffer: self.buffer.lock().await,
            _turn: turn,
        };
        incoming.head = outcome?;
        Ok(incoming)
    }

    /// Waits for the next request, and gives the answer to it back.
    pub(crate) async fn run(
        &'static self,
        mut fetch: impl AsyncFnMut(&Errand, &mut [u8]) -> Result<Head, FetchFailure>,
    ) {
        let errand = self.asked.wait().await;
        let mut buffer = self.buffer.lock().await;
        let outcome = fetch(&errand, &mut buffer).await;
        drop(buffer);
        self.answered.signal(outcome);
    }
}

impl<B: ?Sized> fmt::Debug for Errands<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Errands(..)")
    }
}
