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
use crate::logins::{Arrival, Judged, Logins, Outcome, Verdicts};
use crate::providers::{Freshness, Providers, Seat};

/// How long a login may take before it is told to come again: what a mail client waits for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a login is put aside for which nobody can wait now.
const ASIDE: Duration = Duration::from_millis(50);

/// Longest text of a verdict, in bytes: core's bound of a failure reply.
const MAX_TEXT: usize = 1024;

/// Judges logins: as many at once as there are seats, most of which may wait for providers.
pub struct Court<const N: usize, const KEYS: usize, const ARENA: usize> {
    providers: &'static Providers<N, KEYS, ARENA>,
    logins: &'static Logins,
    discovery: Discovery<'static>,
    /// How many more may wait for providers: the other seats are for logins that need none.
    waiting: Cell<usize>,
}

/// What the next step is given.
#[expect(
    clippy::large_enum_variant,
    reason = "without an allocator there is no box"
)]
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
        }
    }

    /// Judges one login after the other.
    pub async fn sit(&'static self, seat: &'static Seat) -> ! {
        loop {
            let arrival = self.logins.next().await;
            let outcome = {
                let verdict = self.judge(&arrival, seat).await;
                Verdict::answer(verdict, arrival)
            };
            match outcome {
                Ok((verdicts, judged)) => verdicts.send(judged).await,
                Err(arrival) => {
                    Timer::after(ASIDE).await;
                    self.logins.arrive(arrival).await;
                }
            }
        }
    }

    /// The verdict; `None` where it has to wait for a provider, and nobody can now.
    ///
    /// After each verification of a signature the other tasks get their turn.
    async fn judge(&'static self, arrival: &Arrival, seat: &'static Seat) -> Option<Verdict> {
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
                            return Verdict::put_aside(arrival);
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
                        return Verdict::put_aside(arrival);
                    };
                    Next::Fetched(self.providers.ask(&request).await)
                }
                Output::Challenge(reply) => {
                    let json = reply.json();
                    let why = exchange.rejection().unwrap_or(Rejection::OutOfOrder);
                    return Some(Verdict::new(Outcome::Challenged(why), &json));
                }
                Output::Accept(identity) => {
                    return Some(Verdict::new(Outcome::Accepted, identity.user().as_bytes()));
                }
                Output::Reject(why) => return Some(Verdict::new(Outcome::Rejected(why), b"")),
            };
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

/// What a login has come to, and what is to be said about it.
struct Verdict {
    outcome: Outcome,
    text: heapless::Vec<u8, MAX_TEXT>,
}

impl Verdict {
    fn new(outcome: Outcome, text: &[u8]) -> Self {
        // A challenge has its bound in core, and is longer than any name.
        let text = heapless::Vec::from_slice(text).unwrap_or_default();
        Self { outcome, text }
    }

    /// Later, unless the login has waited for too long already.
    fn put_aside(arrival: &Arrival) -> Option<Self> {
        let is_late = arrival.arrived_at.elapsed() >= PATIENCE;
        is_late.then(|| Self::new(Outcome::Rejected(Rejection::Busy), b""))
    }

    /// Puts what is to be said in the place of what the client said; gives back a login without a verdict.
    fn answer(
        verdict: Option<Self>,
        mut arrival: Arrival,
    ) -> Result<(&'static Verdicts, Judged), Arrival> {
        let Some(verdict) = verdict else {
            return Err(arrival);
        };
        let has_room = arrival.response.replace(&verdict.text);
        let outcome = match verdict.outcome {
            Outcome::Challenged(why) if !has_room => Outcome::Rejected(why),
            outcome => outcome,
        };
        log(outcome, &arrival);
        let judged = Judged {
            ticket: arrival.ticket,
            outcome,
            text: arrival.response,
        };
        Ok((arrival.verdicts, judged))
    }
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
