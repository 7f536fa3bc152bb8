//! What time it is. A device wakes up without knowing it, and is told by servers that prove nothing.

use core::cell::Cell;
use core::num::NonZeroI64;

use embassy_sync::blocking_mutex::{Mutex, raw::CriticalSectionRawMutex};
use embassy_time::{Duration, Instant, Timer};
use gatepost_core::UnixTime;

use crate::agreement::Start;

/// Longest step of a clock that is set already, in milliseconds: half of the skew that policies allow, so that a
/// lie moves a verdict by no more. Crystals drift by less than a second between two looks.
const MAX_STEP: u64 = 30_000;

/// How often in a row servers have to agree on another time, and on the same, until the clock is set anew: what it was
/// set to first was wrong.
const WRONG: u8 = 4;

/// How many providers' clocks are remembered.
pub(crate) const PROVIDERS: usize = 2;

/// How long one is, in milliseconds: a crystal drifts by less than five seconds a day.
const REMEMBERED: i64 = 86_400_000;

/// Between two looks of one who waits for the time.
const LOOKING: Duration = Duration::from_millis(100);

/// A clock that is set by what servers agree on, within bounds.
pub struct Clock {
    /// Times before this are wrong: the image was not built yet.
    earliest: UnixTime,
    state: Mutex<CriticalSectionRawMutex, Cell<State>>,
    /// The clocks of the first provider and of the other one that answered last, over TLS.
    providers: Mutex<CriticalSectionRawMutex, Cell<[ProviderClock; PROVIDERS]>>,
}

/// What time a provider says it is.
#[derive(Clone, Copy)]
struct ProviderClock {
    /// When the device started by that clock, in milliseconds since 1970; `None` before the provider has answered.
    start: Option<NonZeroI64>,
    /// When it answered, in milliseconds since the device's start.
    heard: i64,
}

impl ProviderClock {
    const UNKNOWN: Self = Self {
        start: None,
        heard: 0,
    };
}

/// Starts of the device in milliseconds since 1970.
#[derive(Clone, Copy)]
struct State {
    /// By which the clock goes; `None` until it is known.
    start: Option<i64>,
    /// The one that servers agree on instead, and how often they have.
    other: (i64, u8),
}

/// What came of a time that was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Told {
    /// It is taken; the clock moved by so many seconds, or was not set before.
    Taken(Option<i64>),
    /// It is further away than the clock is moved at once.
    TooFar,
    /// It lies before the image was built.
    TooEarly,
}

impl Clock {
    /// A clock that is not set; no time before `earliest` will be believed.
    #[must_use]
    pub const fn new(earliest: UnixTime) -> Self {
        Self {
            earliest,
            state: Mutex::new(Cell::new(State {
                start: None,
                other: (0, 0),
            })),
            providers: Mutex::new(Cell::new([ProviderClock::UNKNOWN; PROVIDERS])),
        }
    }

    /// The time, once it is known.
    #[must_use]
    pub fn now(&self) -> Option<UnixTime> {
        Some(at(self.state.lock(Cell::get).start?))
    }

    /// Waits until the time is known.
    pub(crate) async fn set(&self) -> UnixTime {
        loop {
            if let Some(now) = self.now() {
                return now;
            }
            Timer::after(LOOKING).await;
        }
    }

    /// Takes the `time` that a provider's answer over TLS gives: its request left at `asked`, the answer came at `heard`,
    /// both in milliseconds since the device's start.
    pub(crate) fn hear_provider(&self, provider: usize, time: UnixTime, asked: i64, heard: i64) {
        // In the midst of its second, and of the time that the answer took.
        let told = time.seconds().saturating_mul(1_000).saturating_add(500);
        let start = told.saturating_sub(asked.midpoint(heard));
        self.providers.lock(|providers| {
            let [first, other] = providers.get();
            let start = NonZeroI64::new(start);
            let clock = ProviderClock { start, heard };
            providers.set(if provider == 0 {
                [clock, other]
            } else {
                [first, clock]
            });
        });
    }

    /// When the device started by the clocks of providers that have answered lately; it is `now` milliseconds later.
    pub(crate) fn provider_starts(&self, now: i64) -> impl Iterator<Item = Start> + use<> {
        let clocks = self.providers.lock(Cell::get).into_iter();
        let clocks = clocks.filter(move |clock| now.saturating_sub(clock.heard) < REMEMBERED);
        let starts = clocks.filter_map(|clock| clock.start);
        starts.map(|start| Start::of_provider(start.get()))
    }

    /// Hears that the device started at `start`, in milliseconds since 1970, as servers agree.
    pub(crate) fn hear(&self, start: i64) -> Told {
        if at(start) < self.earliest {
            return Told::TooEarly;
        }
        self.state.lock(|state| {
            let State { start: own, other } = state.get();
            let step = own.map(|own| start.saturating_sub(own));
            let is_far = step.is_some_and(|step| step.unsigned_abs() > MAX_STEP);
            let is_same = start.abs_diff(other.0) <= MAX_STEP;
            let times = if is_same { other.1 } else { 0 }.saturating_add(1);
            if is_far && times < WRONG {
                let other = (start, times);
                state.set(State { start: own, other });
                return Told::TooFar;
            }
            state.set(State {
                start: Some(start),
                other: (0, 0),
            });
            Told::Taken(step.map(|step| step / 1_000))
        })
    }
}

/// The time, where the device started at `start`.
fn at(start: i64) -> UnixTime {
    UnixTime::from_seconds(start.saturating_add(uptime()).div_euclid(1_000))
}

/// For how long the device has been up, in milliseconds.
pub(crate) fn uptime() -> i64 {
    i64::try_from(Instant::now().as_millis()).unwrap_or(i64::MAX)
}

impl core::fmt::Debug for Clock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embassy_time::MockDriver;

    /// When the image was built; later than that the device never started, though it may say so.
    const BUILT: i64 = 1_795_000_000;

    /// A device that started so many seconds after it was built.
    fn start(seconds: i64) -> i64 {
        (BUILT + seconds) * 1_000
    }

    fn clock() -> Clock {
        Clock::new(UnixTime::from_seconds(BUILT))
    }

    #[test]
    fn the_time_is_unknown_until_it_is_told_and_then_goes_on() {
        let clock = clock();
        assert_eq!(clock.now(), None);
        assert_eq!(clock.hear(start(100)), Told::Taken(None));
        let told = clock.now().map(UnixTime::seconds);
        let _moving = crate::testing::moving();
        MockDriver::get().advance(Duration::from_secs(7));
        // Other tests move the one mock clock too, never back.
        assert!(clock.now().map(UnixTime::seconds) >= told.map(|told| told + 7));
    }

    #[test]
    fn a_time_before_the_image_was_built_is_not_believed() {
        let clock = clock();
        assert_eq!(clock.hear(start(-1_000_000_000)), Told::TooEarly);
        assert_eq!(clock.hear(i64::MIN), Told::TooEarly);
        assert_eq!(clock.now(), None);
    }

    #[test]
    fn a_clock_moves_by_half_of_the_skew_at_most() {
        let clock = clock();
        clock.hear(start(1_000_000));
        for far in [start(1_000_031), start(999_000), i64::MAX] {
            assert_eq!(clock.hear(far), Told::TooFar);
        }
        assert_eq!(clock.hear(start(999_980)), Told::Taken(Some(-20)));
    }

    #[test]
    fn a_wrong_first_answer_heals() {
        let (clock, days) = (clock(), 400 * 86_400);
        clock.hear(start(days));
        for _ in 1..WRONG {
            assert_eq!(clock.hear(start(1)), Told::TooFar);
        }
        assert_eq!(clock.hear(start(2)), Told::Taken(Some(2 - days)));
    }

    #[test]
    fn neither_liars_that_differ_nor_one_now_and_then_move_it() {
        let clock = clock();
        clock.hear(start(1_000));
        for lie in 1..100 {
            assert_eq!(clock.hear(start(lie * 10_000)), Told::TooFar);
        }
        for _ in 0..100 {
            for _ in 1..WRONG {
                assert_eq!(clock.hear(start(5_000_000)), Told::TooFar);
            }
            assert_eq!(clock.hear(start(1_000)), Told::Taken(Some(0)));
        }
    }
}
