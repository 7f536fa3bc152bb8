//! What time it is. A device wakes up without knowing it, and is told by servers that prove nothing.

use core::cell::Cell;

use embassy_sync::blocking_mutex::{Mutex, raw::CriticalSectionRawMutex};
use embassy_time::{Duration, Instant, Timer};
use gatepost_core::UnixTime;

/// Longest step of a clock that is set already, in seconds: half of the skew that policies allow, so that a
/// server that lies moves a verdict by no more. Crystals drift by less than a second between two looks.
const MAX_STEP: u64 = 30;

/// Between two looks of one who waits for the time.
const LOOKING: Duration = Duration::from_millis(100);

/// A clock that is set by what servers say, within bounds.
pub struct Clock {
    /// Times before this are wrong: the image was not built yet.
    earliest: UnixTime,
    /// Seconds from the device's start to 1970, negated; `None` until it is known.
    started_at: Mutex<CriticalSectionRawMutex, Cell<Option<i64>>>,
}

/// What came of a time that was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    /// It is taken; the clock moved by so many seconds, or was not set before.
    Taken(Option<i64>),
    /// It is further away than a server may move the clock: restart the device if it is right.
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
            started_at: Mutex::new(Cell::new(None)),
        }
    }

    /// The time, once it is known.
    #[must_use]
    pub fn now(&self) -> Option<UnixTime> {
        let started_at = self.started_at.lock(Cell::get)?;
        Some(UnixTime::from_seconds(started_at.saturating_add(uptime())))
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

    /// Hears that it is `now`.
    pub fn tell(&self, now: UnixTime) -> Told {
        if now < self.earliest {
            return Told::TooEarly;
        }
        let told = now.seconds().saturating_sub(uptime());
        self.started_at.lock(|started_at| {
            let step = started_at.get().map(|before| told.saturating_sub(before));
            if step.is_some_and(|step| step.unsigned_abs() > MAX_STEP) {
                return Told::TooFar;
            }
            started_at.set(Some(told));
            Told::Taken(step)
        })
    }
}

impl core::fmt::Debug for Clock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

fn uptime() -> i64 {
    i64::try_from(Instant::now().as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use embassy_time::MockDriver;

    const BUILT: i64 = 1_795_000_000;

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(BUILT + seconds)
    }

    #[test]
    fn the_time_is_unknown_until_it_is_told_and_then_goes_on() {
        let clock = Clock::new(at(0));
        assert_eq!(clock.now(), None);
        assert_eq!(clock.tell(at(100)), Told::Taken(None));
        let told = clock.now().map(UnixTime::seconds);
        MockDriver::get().advance(Duration::from_secs(7));
        // Other tests move the one mock clock too, never back.
        assert!(clock.now().map(UnixTime::seconds) >= told.map(|told| told + 7));
    }

    #[test]
    fn a_time_before_the_image_was_built_is_not_believed() {
        let clock = Clock::new(at(0));
        assert_eq!(clock.tell(at(-1)), Told::TooEarly);
        assert_eq!(clock.tell(UnixTime::from_seconds(i64::MIN)), Told::TooEarly);
        assert_eq!(clock.now(), None);
    }

    #[test]
    fn a_server_moves_a_set_clock_by_half_of_the_skew_at_most() {
        let clock = Clock::new(at(0));
        clock.tell(at(1_000_000));
        for step in [100_000, -100_000, i64::MAX - BUILT] {
            let now = clock.now().unwrap_or(at(0)).seconds().saturating_add(step);
            let told = clock.tell(UnixTime::from_seconds(now));
            assert_ne!(told, Told::Taken(Some(step)), "{step}");
        }
        let now = clock.now().unwrap_or(at(0));
        let told = clock.tell(UnixTime::from_seconds(now.seconds() - 20));
        assert!(matches!(told, Told::Taken(Some(-30..0))), "{told:?}");
    }
}
