//! One login, from its message to the verdict, among others. All of it runs on the executor that judges.

use core::cell::Cell;
use core::net::{IpAddr, Ipv4Addr};

use embassy_futures::yield_now;
use embassy_time::{Duration, Timer};
use gatepost_core::{
    Exchange, Rejection,
    exchange::{Input, Output, Rules},
    introspection::FetchFailure,
    sasl::{Compat, Discovery},
};

use crate::errands::Incoming;
use crate::logins::{Arrival, Judged, Logins, Outcome};
use crate::providers::{Freshness, Providers, Seat};

/// How long a login may take before it is told to come again: what a mail client waits for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a login is put aside for which nobody can wait now.
const ASIDE: Duration = Duration::from_millis(50);

/// Judges logins: as many at once as there are seats, most of which may wait for providers.
pub struct Court<const N: usize, const KEYS: usize, const ARENA: usize> {
    providers: &'static Providers<N, KEYS, ARENA>,
    logins: &'static Logins,
    discovery: Discovery<'static>,
    /// How many more may wait for providers: the other seats are for logins that need none.
    waiting: Cell<usize>,
    /// How much of the scratch is what is to be said, from a verdict to its answer, between which nobody else
    /// gets a turn.
    said: Cell<usize>,
}

/// What the next step is given.
enum Next {
    Start,
    Keys,
    KeysUnavailable,
    Fetched(Result<Incoming, FetchFailure>),
}

/// A place among those who wait for providers.
struct Place<'c>(&'c Cell<usize>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_add(1));
    }
}

impl<const N: usize, const KEYS: usize, const ARENA: usize> Court<N, KEYS, ARENA> {
    /// A court in which so many may wait for providers at once.
    #[must_use]
    pub const fn new(
        providers: &'static Providers<N, KEYS, ARENA>,
        logins: &'static Logins,
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
            if let Some(outcome) = self.judge(&arrival, seat).await {
                let verdicts = arrival.verdicts;
                verdicts.send(self.answer(outcome, arrival)).await;
            } else {
                Timer::after(ASIDE).await;
                self.logins.opening().await.fill(arrival);
            }
        }
    }

    /// The verdict; `None` where it has to wait for a provider, and nobody can now.
    ///
    /// After each verification of a signature the other tasks get their turn.
    async fn judge(&'static self, arrival: &Arrival, seat: &'static Seat) -> Option<Outcome> {
        let asked = self.providers.asked();
        let rules = Rules {
            compat: Compat::default(),
            discovery: self.discovery,
            providers: &asked,
        };
        let mut exchange = Exchange::new(rules, arrival.mechanism, arrival.response.bytes());
        let mut is_refreshed = false;
        let mut next = Next::Start;
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
                Next::KeysUnavailable => self
                    .providers
                    .with_keys(|_, scratch| exchange.step(now, Input::KeysUnavailable { scratch })),
                Next::Fetched(Ok(incoming)) => self.providers.with_keys(|keys, scratch| {
                    let answer = &incoming.answer();
                    exchange.step(
                        now,
                        Input::Fetched {
                            answer,
                            keys,
                            scratch,
                        },
                    )
                }),
                Next::Fetched(Err(why)) => exchange.step(now, Input::FetchFailed(why)),
            };
            next = match output {
                Output::FindKeys(query) => match self.providers.wanting(query) {
                    Some((provider, issued_at)) if !is_refreshed => {
                        is_refreshed = true;
                        let Some(_place) = self.place() else {
                            return put_aside(arrival);
                        };
                        let freshness = self.providers.refresh(provider, issued_at, seat).await;
                        let is_met = || self.providers.wanting(query).is_none();
                        if freshness == Freshness::Current || is_met() {
                            Next::Keys
                        } else {
                            Next::KeysUnavailable
                        }
                    }
                    _ => Next::Keys,
                },
                Output::Fetch(request) => {
                    let Some(_place) = self.place() else {
                        return put_aside(arrival);
                    };
                    Next::Fetched(self.providers.ask(&request).await)
                }
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

impl<const N: usize, const KEYS: usize, const ARENA: usize> core::fmt::Debug
    for Court<N, KEYS, ARENA>
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
