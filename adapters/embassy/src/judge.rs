//! One login, from its message to the verdict, among others. All of it runs on the executor that judges.

use core::cell::Cell;
use core::convert::Infallible;
use core::net::{IpAddr, Ipv4Addr};

use embassy_futures::yield_now;
use embassy_time::{Duration, Timer};
use gatepost_core::{
    Exchange, Rejection,
    exchange::{Input, LoginSettings, NewerKeysQuery, Output},
    introspection::{Answer, FetchFailure, Request},
    provider::Freshness,
    sasl::Discovery,
};

use crate::errands::Incoming;
use crate::keys::WantedKey;
use crate::logins::{Arrival, Judged, Logins, Outcome};
use crate::providers::{Providers, Seat};

/// How long a login may take before it is told to come again: what a mail client waits for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a login is put aside for which nobody can wait now.
const ASIDE: Duration = Duration::from_millis(50);

/// Judges logins: as many at once as there are seats, most of which may wait for providers.
pub struct Court<const N: usize, const KEYS: usize, const ARENA: usize, const LOGINS: usize> {
    providers: &'static Providers<N, KEYS, ARENA>,
    logins: &'static Logins<LOGINS>,
    discovery: Discovery<'static>,
    /// How many more may wait for providers: the other seats are for logins that need none.
    waiting: Cell<usize>,
    /// How much of the scratch is what is to be said, from a verdict to its answer, between which nobody else
    /// gets a turn.
    said: Cell<usize>,
}

/// What the next step is given.
enum Next<I> {
    Start,
    Keys,
    NoNewerKeys,
    KeysUnavailable,
    Fetched(Result<I, FetchFailure>),
}

/// What a login finds beyond this device. `None` is given where it would have to wait, and nobody can now.
trait Outside {
    /// An answer of a provider.
    type Incoming;

    /// Looks for newer keys.
    async fn find_newer_keys(
        &self,
        query: NewerKeysQuery,
        wanted: Option<WantedKey>,
    ) -> Option<Next<Self::Incoming>>;

    /// Asks a provider about a token.
    async fn ask(&self, request: &Request<'_>) -> Option<Result<Self::Incoming, FetchFailure>>;

    fn answer(incoming: &Self::Incoming) -> Answer<'_>;
}

/// Nothing: an image whose keys are all part of it.
struct Alone;

impl Outside for Alone {
    type Incoming = Infallible;

    async fn find_newer_keys(
        &self,
        _: NewerKeysQuery,
        _: Option<WantedKey>,
    ) -> Option<Next<Infallible>> {
        Some(Next::NoNewerKeys)
    }

    async fn ask(&self, _: &Request<'_>) -> Option<Result<Infallible, FetchFailure>> {
        Some(Err(FetchFailure::NotAsked))
    }

    fn answer(incoming: &Infallible) -> Answer<'_> {
        match *incoming {}
    }
}

/// Providers that can be asked, for one login.
struct Online<const N: usize, const KEYS: usize, const ARENA: usize, const LOGINS: usize> {
    court: &'static Court<N, KEYS, ARENA, LOGINS>,
    seat: &'static Seat,
}

impl<const N: usize, const KEYS: usize, const ARENA: usize, const LOGINS: usize>
    Online<N, KEYS, ARENA, LOGINS>
{
    const fn new(court: &'static Court<N, KEYS, ARENA, LOGINS>, seat: &'static Seat) -> Self {
        Self { court, seat }
    }
}

impl<const N: usize, const KEYS: usize, const ARENA: usize, const LOGINS: usize> Outside
    for Online<N, KEYS, ARENA, LOGINS>
{
    type Incoming = Incoming;

    async fn find_newer_keys(
        &self,
        query: NewerKeysQuery,
        wanted: Option<WantedKey>,
    ) -> Option<Next<Incoming>> {
        let providers = self.court.providers;
        if !providers.finds_keys(query.provider) {
            return Some(Next::NoNewerKeys);
        }
        let _place = self.court.place()?;
        let known = providers.generation(query.provider);
        let looked = providers.refresh(query, wanted, self.seat);
        Some(match looked.await {
            // There may be no room for the one that is wanted.
            Freshness::Unavailable if providers.is_partial(query.provider) => Next::KeysUnavailable,
            _ if providers.generation(query.provider) != known => Next::Keys,
            Freshness::Current => Next::NoNewerKeys,
            Freshness::Unavailable => Next::KeysUnavailable,
        })
    }

    async fn ask(&self, request: &Request<'_>) -> Option<Result<Incoming, FetchFailure>> {
        let _place = self.court.place()?;
        Some(self.court.providers.ask(request).await)
    }

    fn answer(incoming: &Incoming) -> Answer<'_> {
        incoming.answer()
    }
}

/// A place among those who wait for providers.
struct Place<'c>(&'c Cell<usize>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_add(1));
    }
}

impl<const N: usize, const KEYS: usize, const ARENA: usize, const LOGINS: usize>
    Court<N, KEYS, ARENA, LOGINS>
{
    /// A court in which so many may wait for providers at once.
    #[must_use]
    pub const fn new(
        providers: &'static Providers<N, KEYS, ARENA>,
        logins: &'static Logins<LOGINS>,
        discovery: Discovery<'static>,
        waiting: usize,
    ) -> Self {
        Self {
            providers,
            logins,
            discovery,
            waiting: Cell::new(waiting),
            said: Cell::new(0),
        }
    }

    /// Judges one login after the other.
    pub async fn sit(&'static self, seat: &'static Seat) -> ! {
        loop {
            let arrival = self.logins.next().await;
            let outcome = self.judge(&arrival, Online::new(self, seat)).await;
            self.end(arrival, outcome).await;
        }
    }

    /// As [`sit`](Self::sit), for an image whose keys are all part of it: none of what asks providers is linked.
    pub async fn sit_alone(&'static self) -> ! {
        loop {
            let arrival = self.logins.next().await;
            let outcome = self.judge(&arrival, Alone).await;
            self.end(arrival, outcome).await;
        }
    }

    /// Tells the verdict, or puts the login aside.
    async fn end(&self, arrival: Arrival, outcome: Option<Outcome>) {
        if let Some(outcome) = outcome {
            let verdicts = arrival.verdicts;
            verdicts.send(self.answer(outcome, arrival)).await;
        } else {
            Timer::after(ASIDE).await;
            self.logins.hand_over(arrival);
        }
    }

    /// The verdict; `None` where it has to wait for a provider, and nobody can now.
    ///
    /// After each verification of a signature the other tasks get their turn.
    async fn judge<O: Outside>(&'static self, arrival: &Arrival, outside: O) -> Option<Outcome> {
        let asked = self.providers.asked();
        let rules = LoginSettings {
            discovery: self.discovery,
            ..LoginSettings::new(&asked)
        };
        let mut exchange = Exchange::new(rules, arrival.mechanism, arrival.response.bytes());
        let mut next = Next::Start;
        let mut wanted = None;
        loop {
            let now = self.providers.clock.now();
            let output = match next {
                Next::Start => exchange.step(now, Input::Start),
                Next::Keys => {
                    let output = self.providers.with_keys(|keys, scratch| {
                        exchange.step(now, Input::Keys { keys, scratch })
                    });
                    yield_now().await;
                    output
                }
                Next::NoNewerKeys => exchange.step(now, Input::NoNewerKeys),
                Next::KeysUnavailable => exchange.step(now, Input::KeysUnavailable),
                Next::Fetched(Ok(ref incoming)) => self.providers.with_keys(|keys, scratch| {
                    let answer = &O::answer(incoming);
                    let fetched = Input::Fetched {
                        answer,
                        keys,
                        scratch,
                    };
                    exchange.step(now, fetched)
                }),
                Next::Fetched(Err(why)) => exchange.step(now, Input::FetchFailed(why)),
            };
            let found = match output {
                Output::FindKeys(query) => {
                    wanted = Some(WantedKey::of(query.kid(), query.algorithm()));
                    Some(Next::Keys)
                }
                Output::FindNewerKeys(query) => outside.find_newer_keys(query, wanted).await,
                Output::Again => {
                    yield_now().await;
                    Some(next)
                }
                Output::Fetch(request) => outside.ask(&request).await.map(Next::Fetched),
                Output::Challenge(reply) => {
                    self.say(&reply.json());
                    let why = exchange.rejection().unwrap_or(Rejection::OutOfOrder);
                    return Some(Outcome::Challenged(why));
                }
                Output::Accept(identity) => {
                    self.say(identity.user().as_bytes());
                    return Some(Outcome::Accepted);
                }
                Output::Reject(why) => return Some(Outcome::Rejected(why)),
            };
            let Some(found) = found else {
                return put_aside(arrival);
            };
            next = found;
        }
    }

    fn say(&self, text: &[u8]) {
        let mut scratch = self.providers.scratch();
        // A challenge has its bound in core, and is longer than any name.
        let place = scratch.get_mut(..text.len());
        self.said.set(place.as_ref().map_or(0, |place| place.len()));
        if let Some(place) = place {
            place.copy_from_slice(text);
        }
    }

    /// Puts what is to be said in the place of what the client said.
    fn answer(&self, outcome: Outcome, mut arrival: Arrival) -> Judged {
        let scratch = self.providers.scratch();
        let text = scratch.get(..self.said.get()).unwrap_or_default();
        let has_room = match outcome {
            Outcome::Rejected(_) => arrival.response.replace(b""),
            _ => arrival.response.replace(text),
        };
        let outcome = match outcome {
            Outcome::Challenged(why) if !has_room => Outcome::Rejected(why),
            outcome => outcome,
        };
        log(outcome, &arrival);
        Judged {
            ticket: arrival.ticket,
            outcome,
            text: arrival.response,
        }
    }

    /// A place among those who wait for providers.
    fn place(&self) -> Option<Place<'_>> {
        let left = self.waiting.get().checked_sub(1)?;
        self.waiting.set(left);
        Some(Place(&self.waiting))
    }
}

impl<const N: usize, const KEYS: usize, const ARENA: usize, const LOGINS: usize> core::fmt::Debug
    for Court<N, KEYS, ARENA, LOGINS>
{
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Court")
            .field("waiting", &self.waiting.get())
            .finish_non_exhaustive()
    }
}

/// Later, unless the login has waited for too long already.
fn put_aside(arrival: &Arrival) -> Option<Outcome> {
    let is_late = arrival.arrived_at.elapsed() >= PATIENCE;
    is_late.then_some(Outcome::Rejected(Rejection::Busy))
}

/// One line a login.
fn log(outcome: Outcome, arrival: &Arrival) {
    let mechanism = arrival.mechanism.name();
    let remote = arrival.remote.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    match outcome {
        Outcome::Accepted => {
            let user = core::str::from_utf8(arrival.response.bytes()).unwrap_or_default();
            log::info!("login; verdict=accept mechanism={mechanism} remote={remote} user={user}");
        }
        Outcome::Challenged(why) | Outcome::Rejected(why) => {
            let code = why.code();
            log::info!("login; verdict={code} mechanism={mechanism} remote={remote}");
        }
    }
}
