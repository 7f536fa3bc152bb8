//! Points in time, as a resource's `meta` has them. Nothing here reads a clock.

use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted; of the years 0 to 9999.
///
/// Its `Display` is RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

const MILLIS_A_DAY: i64 = 86_400_000;

/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const DAYS_TO_EPOCH: i64 = 719_468;

/// Days of 400 years.
const DAYS_AN_ERA: i64 = 146_097;

impl Timestamp {
    /// 0000-01-01T00:00:00Z.
    const FIRST: i64 = -62_167_219_200_000;

    /// 9999-12-31T23:59:59.999Z.
    const LAST: i64 = 253_402_300_799_999;

    /// That many milliseconds since the epoch, or the nearest that can be written.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::FIRST, Self::LAST))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Reads `1996-12-19T16:39:57[.123]Z`, or with `+01:00` (RFC 3339 section 5.6).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader(text.as_bytes());
        let (year, month, day) = (
            reader.number(4, b"-")?,
            reader.number(2, b"-")?,
            reader.number(2, b"Tt ")?,
        );
        let (hour, minute, second) = (
            reader.number(2, b":")?,
            reader.number(2, b":")?,
            reader.number(2, b"")?,
        );
        let is_good = (1..=12).contains(&month) && (1..=31).contains(&day);
        if !is_good || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let millis = reader.fraction();
        let offset = reader.offset()?;
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self::from_millis((seconds - offset * 60) * 1_000 + millis))
    }
}

/// The days from the epoch to that one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the day of a leap year is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_AN_ERA + day_of_era - DAYS_TO_EPOCH
}

/// Year, month and day of that day since the epoch.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_EPOCH;
    let era = days.div_euclid(DAYS_AN_ERA);
    let day_of_era = days.rem_euclid(DAYS_AN_ERA);
    let leaps = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

struct Reader<'t>(&'t [u8]);

impl Reader<'_> {
    fn next_if(&mut self, wanted: impl FnOnce(u8) -> bool) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if !wanted(*first) {
            return None;
        }
        self.0 = rest;
        Some(*first)
    }

    fn digit(&mut self) -> Option<i64> {
        let digit = self.next_if(|c| c.is_ascii_digit())?;
        Some(i64::from(digit - b'0'))
    }

    /// A number of that many digits, and one of `behind` if there is any.
    fn number(&mut self, digits: usize, behind: &[u8]) -> Option<i64> {
        let mut number = 0;
        for _ in 0..digits {
            number = number * 10 + self.digit()?;
        }
        if !behind.is_empty() {
            self.next_if(|c| behind.contains(&c))?;
        }
        Some(number)
    }

    /// Milliseconds of a fraction, which need not be there.
    fn fraction(&mut self) -> i64 {
        let mut millis = 0;
        let mut worth = 100;
        if self.next_if(|c| c == b'.').is_some() {
            while let Some(digit) = self.digit() {
                millis += digit * worth;
                worth /= 10;
            }
        }
        millis
    }

    /// Minutes that the local time is ahead of UTC, up to the end of the text.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.next_if(|_| true)? {
            b'Z' | b'z' => return self.0.is_empty().then_some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (hours, minutes) = (self.number(2, b":")?, self.number(2, b"")?);
        self.0.is_empty().then_some(sign * (hours * 60 + minutes))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0.div_euclid(MILLIS_A_DAY));
        let of_day = self.0.rem_euclid(MILLIS_A_DAY);
        let (seconds, millis) = (of_day / 1_000, of_day % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_and_read_as_rfc_3339_has_it() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_796_000_000_000, "2026-11-30T00:53:20.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
        ] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(time.to_string(), text);
            assert_eq!(Timestamp::parse(text), Some(time));
        }
        let with_offset = Timestamp::parse("2026-11-30T01:53:20.0004+01:00");
        assert_eq!(with_offset, Some(Timestamp::from_millis(1_796_000_000_000)));
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            "2026",
            "2026-11-30",
            "2026-13-30T00:00:00Z",
            "2026-11-30T24:00:00Z",
            "2026-11-30T00:00:00",
            "2026-11-30T00:00:00Zz",
            "2026-11-30T00:00:00+0100",
            "-026-11-30T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
