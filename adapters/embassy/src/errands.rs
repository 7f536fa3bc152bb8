//! Requests on their way from those who ask to the one who speaks HTTP, and their answers on their way back: one at
//! a time, in one buffer, which need not hold them whole.
//!
//! ```text
//! who asks:    errand ───────────> write a window ─> .. ─> take a part ─> .. ─> read what stayed
//! who speaks:         ─> connect ─^  send it ──────^   receive it ───^    end ─^
//! ```
//!
//! All of them run on the executor that judges. Whoever asks may give up at any time.

use core::fmt;
use core::net::SocketAddrV4;

use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::mutex::{Mutex, MutexGuard};
use embassy_sync::semaphore::{FairSemaphore, Semaphore as _, SemaphoreReleaser};
use embassy_sync::signal::Signal;
use embassy_time::{Duration, with_timeout};
use gatepost_core::introspection::{Answer, FetchFailure};

use crate::http::{AnswerHead, Writer};
use crate::limits::MAX_JUDGES;
use crate::settings::OnlineSettings;
use crate::url::Url;

/// How long a login waits for its turn: two requests that time out.
const PATIENCE: Duration = Duration::from_secs(6);

/// How long whoever asks waits for everything, whatever becomes of it: the network has shorter ones, and the
/// longest handshake takes three seconds of a slow processor, beside other logins.
const DEADLINE: Duration = Duration::from_secs(15);

/// Where requests and answers lie on their way.
pub struct Buffer<B: ?Sized = [u8]>(Mutex<CriticalSectionRawMutex, Room<B>>);

struct Room<B: ?Sized> {
    errand: Errand,
    head: AnswerHead,
    bytes: B,
}

impl<const N: usize> Buffer<[u8; N]> {
    /// A buffer of `N` bytes: answers about tokens have to fit it, and each key of a JWK Set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Room {
            errand: Errand::nowhere(),
            head: AnswerHead::new(),
            bytes: [0; N],
        }))
    }
}

impl<const N: usize> Default for Buffer<[u8; N]> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: ?Sized> fmt::Debug for Buffer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffer(..)")
    }
}

type Guard<'b> = MutexGuard<'b, CriticalSectionRawMutex, Room<[u8]>>;

/// Whose turn it is to ask: anybody who judges, or who looks for keys.
type Turn = FairSemaphore<CriticalSectionRawMutex, { MAX_JUDGES + 1 }>;

/// The one request that is under way.
pub struct Errands {
    /// A mutex would have several who wait wake one another for ever.
    turn: Turn,
    asked: Signal<CriticalSectionRawMutex, ()>,
    told: Signal<CriticalSectionRawMutex, Told>,
    replied: Signal<CriticalSectionRawMutex, Option<usize>>,
    given_up: Signal<CriticalSectionRawMutex, ()>,
    buffer: &'static Buffer,
}

/// Where a request goes, and who has to be there.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Errand {
    /// The host's name, or its address.
    pub(crate) host: heapless::String<128>,
    pub(crate) port: u16,
    pub(crate) connect_to: Option<SocketAddrV4>,
    pub(crate) is_secure: bool,
    /// What has to vouch for the server.
    pub(crate) trust: usize,
}

impl Errand {
    pub(crate) const fn nowhere() -> Self {
        Self {
            host: heapless::String::new(),
            port: 0,
            connect_to: None,
            is_secure: false,
            trust: 0,
        }
    }

    /// Goes where `url` says, unless the provider is to be found somewhere else.
    fn lead(&mut self, url: &Url<'_>, online: &OnlineSettings) -> Result<(), FetchFailure> {
        self.host.clear();
        let copied = self.host.push_str(url.host);
        self.port = url.port;
        self.connect_to = online.connect_to;
        self.is_secure = url.is_secure;
        self.trust = online.trust;
        copied.map_err(|_| FetchFailure::NotAsked)
    }
}

/// What whoever speaks HTTP tells whoever asks, who replies with a number of bytes.
enum Told {
    /// The next window of the request is to be put into the buffer.
    Window {
        is_first: bool,
    },
    /// A part of the body fills the first bytes of the buffer: some may stay there.
    Part {
        length: usize,
        is_last: bool,
    },
    Ended(Result<(), FetchFailure>),
}

/// A part of an answer's body.
pub(crate) struct Part<'p> {
    pub(crate) head: &'p AnswerHead,
    /// The whole buffer.
    pub(crate) buffer: &'p mut [u8],
    /// How many bytes have come, with those that stayed the last time.
    pub(crate) length: usize,
    pub(crate) is_last: bool,
}

/// Takes a part, and tells how much of it stays; `None` for too much.
pub(crate) type Take<'t> = &'t mut dyn FnMut(&mut Part<'_>) -> Option<usize>;

/// Lets a body stay that has to come as one.
pub(crate) fn whole(part: &mut Part<'_>) -> Option<usize> {
    part.is_last.then_some(part.length)
}

/// An answer, and what stayed of its body: nobody else asks until it is dropped.
pub(crate) struct Incoming {
    room: Guard<'static>,
    _turn: SemaphoreReleaser<'static, Turn>,
}

impl Incoming {
    pub(crate) fn head(&self) -> &AnswerHead {
        &self.room.head
    }

    pub(crate) fn body(&self) -> &[u8] {
        let Room { head, bytes, .. } = &*self.room;
        bytes.get(..head.length).unwrap_or_default()
    }

    pub(crate) fn answer(&self) -> Answer<'_> {
        let head = self.head();
        Answer {
            status: head.status,
            content_type: &head.content_type,
            www_authenticate: &head.www_authenticate,
            body: self.body(),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // It may hold a token that was asked about.
        self.room.bytes.fill(0);
    }
}

impl Errands {
    /// Nothing is under way; requests and answers lie in `buffer`.
    #[must_use]
    pub const fn new(buffer: &'static Buffer) -> Self {
        Self {
            turn: Turn::new(1),
            asked: Signal::new(),
            told: Signal::new(),
            replied: Signal::new(),
            given_up: Signal::new(),
            buffer,
        }
    }

    /// Sends what `write` writes, as often as that takes, and gives the body of the answer to `take`, which tells
    /// how much of it stays; `None` for too much.
    ///
    /// Only small things are kept while it waits: each of those who judge has room for it.
    pub(crate) async fn ask(
        &'static self,
        (url, online): (&Url<'_>, &OnlineSettings),
        write: &dyn Fn(&mut Writer<'_>) -> fmt::Result,
        take: Take<'_>,
    ) -> Result<Incoming, FetchFailure> {
        let turn = with_timeout(PATIENCE, self.turn.acquire(1)).await;
        let turn = turn
            .ok()
            .and_then(Result::ok)
            .ok_or(FetchFailure::NotAsked)?;
        self.buffer.0.lock().await.errand.lead(url, online)?;
        let under_way = UnderWay::begin(self);
        let outcome = with_timeout(DEADLINE, under_way.follow(write, take)).await;
        drop(under_way);
        // What takes so long is stuck in here.
        outcome.unwrap_or(Err(FetchFailure::NotAsked))?;
        Ok(Incoming {
            room: self.buffer.0.lock().await,
            _turn: turn,
        })
    }

    /// Waits for the next request.
    pub(crate) async fn next(&self) -> Asker<'_> {
        self.asked.wait().await;
        // Whoever gave up takes back what nobody has begun with.
        self.given_up.reset();
        self.asker().await
    }

    /// Who asks, as who carries out the request that is under way sees it.
    async fn asker(&self) -> Asker<'_> {
        Asker {
            errands: self,
            room: Some(self.buffer.0.lock().await),
        }
    }

    /// Waits for `other`, unless nobody wants it any more.
    pub(crate) async fn unless_given_up<V>(&self, other: impl Future<Output = V>) -> Option<V> {
        match select(self.given_up.wait(), other).await {
            Either::First(()) => None,
            Either::Second(value) => Some(value),
        }
    }
}

/// A request of somebody who has the turn; gives up when it is dropped, unless it has ended.
struct UnderWay(&'static Errands);

impl UnderWay {
    fn begin(errands: &'static Errands) -> Self {
        errands.told.reset();
        errands.replied.reset();
        errands.asked.signal(());
        Self(errands)
    }

    async fn follow(
        &self,
        write: &dyn Fn(&mut Writer<'_>) -> fmt::Result,
        take: Take<'_>,
    ) -> Result<(), FetchFailure> {
        let mut sent = 0_usize;
        loop {
            let told = self.0.told.wait().await;
            if let Told::Ended(outcome) = told {
                return outcome;
            }
            let mut room = self.0.buffer.0.lock().await;
            let Room { head, bytes, .. } = &mut *room;
            let reply = match told {
                Told::Window { is_first } => {
                    if is_first {
                        sent = 0;
                    }
                    let mut window = Writer::new(bytes, sent);
                    // It ends early where the window is full.
                    let _ = write(&mut window);
                    sent = sent.saturating_add(window.length());
                    Some(window.length())
                }
                Told::Part { length, is_last } => take(&mut Part {
                    head,
                    buffer: bytes,
                    length,
                    is_last,
                }),
                Told::Ended(_) => None,
            };
            drop(room);
            self.0.replied.signal(reply);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.asked.reset();
        self.0.given_up.signal(());
    }
}

/// Who asks. Holds the buffer, but for while it is lent.
pub(crate) struct Asker<'e> {
    errands: &'e Errands,
    room: Option<Guard<'e>>,
}

impl Asker<'_> {
    /// Where the request goes.
    pub(crate) fn errand(&self) -> &Errand {
        const NOWHERE: &Errand = &Errand::nowhere();
        self.room.as_ref().map_or(NOWHERE, |room| &room.errand)
    }

    /// The whole buffer.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        self.room.as_mut().map_or(&mut [], |room| &mut room.bytes)
    }

    /// Where the answer's head goes, and the whole buffer.
    ///
    /// # Errors
    /// Never: they are not lent.
    pub(crate) fn head_and_buffer(&mut self) -> Result<(&mut AnswerHead, &mut [u8]), FetchFailure> {
        let room = self.room.as_mut().ok_or(FetchFailure::NotAsked)?;
        let Room { head, bytes, .. } = &mut **room;
        Ok((head, bytes))
    }

    /// Has the next window of the request put at the front of the buffer: how long it is, nought behind the end.
    pub(crate) async fn window(&mut self, is_first: bool) -> usize {
        self.tell(Told::Window { is_first }).await.unwrap_or(0)
    }

    /// Has a part of the body taken: how many of its `length` bytes stay.
    ///
    /// # Errors
    /// [`FetchFailure::TooLarge`] where it has to come as one, and does not fit.
    pub(crate) async fn part(
        &mut self,
        length: usize,
        is_last: bool,
    ) -> Result<usize, FetchFailure> {
        let stays = self.tell(Told::Part { length, is_last }).await;
        stays.ok_or(FetchFailure::TooLarge)
    }

    async fn tell(&mut self, what: Told) -> Option<usize> {
        self.room = None;
        self.errands.told.signal(what);
        let reply = self.errands.replied.wait().await;
        self.room = Some(self.errands.buffer.0.lock().await);
        reply
    }

    /// Tells what has come of the request.
    pub(crate) fn end(mut self, outcome: Result<(), FetchFailure>) {
        if outcome.is_ok() {
            // Whoever asks finds the answer in it.
            self.room = None;
        }
        let errands = self.errands;
        drop(self);
        errands.told.signal(Told::Ended(outcome));
    }
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        // It may hold a token that was asked about.
        self.buffer().fill(0);
    }
}

impl fmt::Debug for Errands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Errands(..)")
    }
}
