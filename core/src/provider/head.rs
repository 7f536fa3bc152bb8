//! What the head of an answer says of its provider, whatever was asked: how long the answer stays fresh, when to come
//! again, what time it is there.

use core::time::Duration;

use super::RequestOutcome;
use crate::{introspection::FetchFailure, time::UnixTime};

/// How long an answer stays fresh by its `Cache-Control`, in seconds: the first directive that says so counts, and
/// `no-cache` and `no-store` mean 0 (RFC 9111 section 5.2.2).
#[must_use]
pub fn max_age(cache_control: &str) -> Option<u32> {
    let mut directives = cache_control.split(',').map(str::trim);
    directives.find_map(|directive| {
        let is = |name: &str| directive.eq_ignore_ascii_case(name);
        if is("no-store") || is("no-cache") {
            return Some(0);
        }
        let (name, seconds) = directive.split_once('=')?;
        let seconds = digits(seconds.trim_matches('"'))?;
        let is_it = name.eq_ignore_ascii_case("max-age");
        is_it.then(|| u32::try_from(seconds).unwrap_or(u32::MAX))
    })
}

/// How long `Retry-After` asks a client to wait: a number of seconds, or the time from `date`, the answer's own, to
/// another date (RFC 9110 section 10.2.3).
#[must_use]
pub fn retry_after(value: &str, date: Option<UnixTime>) -> Option<Duration> {
    let value = value.trim();
    if let Some(seconds) = digits(value) {
        return Some(Duration::from_secs(seconds));
    }
    let seconds = http_date(value)?.seconds().saturating_sub(date?.seconds());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// A date in any of the three formats of RFC 9110 section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, which servers send
/// today, `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`. The day of the week is ignored.
#[must_use]
pub fn http_date(value: &str) -> Option<UnixTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let date = imf_fixdate(value).or_else(|| rfc850_date(value));
    let ([day, month, year], time) = date.or_else(|| asctime_date(value))?;
    let [hour, minute, second] = exactly(time.split(':'))?;
    let [hour, minute, second] = [two_digits(hour)?, two_digits(minute)?, two_digits(second)?];
    let (day, year) = (two_digits(day)?, digits(year)?);
    let month = MONTHS.iter().position(|name| *name == month)?;
    // A second may be a leap second.
    let is_one = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    // Two digits are of this century, but for those of the last one's end.
    let year = match year {
        0..70 => year.checked_add(2_000)?,
        70..100 => year.checked_add(1_900)?,
        year => year,
    };
    let days = days_since_1970(year, month, day)?;
    let times = |count: u64, of: u64, and: u64| count.saturating_mul(of).saturating_add(and);
    let seconds = times(times(times(days, 24, hour), 60, minute), 60, second);
    let time = UnixTime::from_seconds(i64::try_from(seconds).ok()?);
    is_one.then_some(time)
}

/// Day, month and year, and the time of day.
type Parts<'v> = ([&'v str; 3], &'v str);

// IMF-fixdate = day-name "," SP day SP month SP year SP time-of-day SP GMT
fn imf_fixdate(value: &str) -> Option<Parts<'_>> {
    let rest = value.get(3..)?.strip_prefix(", ")?;
    let [day, month, year, time] = exactly(rest.strip_suffix(" GMT")?.split(' '))?;
    (year.len() == 4).then_some(([day, month, year], time))
}

// rfc850-date = day-name-l "," SP day "-" month "-" 2DIGIT SP time-of-day SP GMT
fn rfc850_date(value: &str) -> Option<Parts<'_>> {
    let (_, rest) = value.split_once(", ")?;
    let [date, time] = exactly(rest.strip_suffix(" GMT")?.split(' '))?;
    let [day, month, year] = exactly(date.split('-'))?;
    (year.len() == 2).then_some(([day, month, year], time))
}

// asctime-date = day-name SP month SP ( 2DIGIT / ( SP 1DIGIT ) ) SP time-of-day SP year
fn asctime_date(value: &str) -> Option<Parts<'_>> {
    let (date, rest) = value.split_at_checked(11)?;
    let (month, day) = date.get(4..)?.split_at_checked(3)?;
    let day = day.strip_prefix(' ')?.strip_suffix(' ')?;
    let [time, year] = exactly(rest.split(' '))?;
    (year.len() == 4).then_some(([day, month, year], time))
}

/// So many parts and no more.
fn exactly<'v, const N: usize>(mut parts: impl Iterator<Item = &'v str>) -> Option<[&'v str; N]> {
    let mut all = [""; N];
    for place in &mut all {
        *place = parts.next()?;
    }
    parts.next().is_none().then_some(all)
}

/// Two digits, or a space and one.
fn two_digits(text: &str) -> Option<u64> {
    digits(text.strip_prefix(' ').unwrap_or(text)).filter(|_| text.len() == 2)
}

/// Days from 1970-01-01 to the `day`th of a `month`, January being 0; `None` before.
fn days_since_1970(year: u64, month: usize, day: u64) -> Option<u64> {
    const BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    /// Leap days from 0001 to 1969.
    const LEAP_DAYS: u64 = 477;
    let years = year.checked_sub(1970)?;
    let before = year.checked_sub(1)?;
    let leap_days = (before / 4)
        .checked_sub(before / 100)?
        .checked_add(before / 400)?
        .checked_sub(LEAP_DAYS)?;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    years
        .checked_mul(365)?
        .checked_add(leap_days)?
        .checked_add(u64::from(is_leap && month > 1))?
        .checked_add(*BEFORE_MONTH.get(month)?)?
        .checked_add(day.checked_sub(1)?)
}

/// Digits and nothing else.
fn digits(text: &str) -> Option<u64> {
    let is_all = text.bytes().all(|byte| byte.is_ascii_digit());
    // More than can be counted never ends.
    let number = || text.parse().unwrap_or(u64::MAX);
    (is_all && !text.is_empty()).then(number)
}

impl RequestOutcome {
    /// What an answer with this status tells of its provider, who asks to wait for `pause`. At a token endpoint 429 may
    /// concern one user alone, whose password somebody guesses: `is_of_one_user`.
    #[must_use]
    pub fn of_answer(status: u16, pause: Option<Duration>, is_of_one_user: bool) -> Self {
        match (status, pause) {
            (429, pause) if !is_of_one_user => Self::AskedToWait(pause.unwrap_or_default()),
            (503, Some(pause)) => Self::AskedToWait(pause),
            (..500, _) => Self::Answered,
            _ => Self::ServerError,
        }
    }

    /// What it tells of a provider that there is no answer.
    #[must_use]
    pub const fn of_failure(failure: FetchFailure) -> Self {
        match failure {
            // An answer, but of no use.
            FetchFailure::TooLarge => Self::ServerError,
            FetchFailure::NotAsked => Self::Abandoned,
            FetchFailure::Timeout | FetchFailure::Connection | FetchFailure::Tls => Self::NoAnswer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_directive_counts() {
        for (value, expected) in [
            ("max-age=600", Some(600)),
            ("public, Max-Age=\"60\", max-age=7", Some(60)),
            ("no-cache, max-age=600", Some(0)),
            ("max-age=600, No-Store", Some(600)),
            ("max-age=99999999999999999999999", Some(u32::MAX)),
            ("s-maxage=7, private", None),
            ("max-age=", None),
            ("max-age=-1", None),
            ("max-age=+1", None),
            ("max-age = 5", None),
            ("", None),
        ] {
            assert_eq!(max_age(value), expected, "{value}");
        }
    }

    #[test]
    fn dates_are_read_as_servers_write_them() {
        for (value, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800)),
            ("Mon, 30 Nov 2026 04:51:16 GMT", Some(1_796_014_276)),
            ("Mon, 01 Mar 2100 00:00:00 GMT", Some(4_107_542_400)),
            ("Fri, 31 Dec 9999 23:59:60 GMT", Some(253_402_300_800)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Mon Nov 30 04:51:16 2026", Some(1_796_014_276)),
            ("Monday, 30-Nov-26 04:51:16 GMT", Some(1_796_014_276)),
            ("Sunday, 06-Nov-1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 94 08:49:37 GMT", None),
            ("Sun Nov 6 08:49:37 1994", None),
            ("Sun Nov  6 08:49:37 94", None),
            ("Sun Nov  6 08:49:37 1994 ", None),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 8:49:37 GMT", None),
            ("Sun, 06 nov 1994 08:49:37 GMT", None),
            ("Sun, 00 Nov 1994 08:49:37 GMT", None),
            ("Sun, 32 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:60:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:61 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT ", None),
            ("Sun, 06 Nov +994 08:49:37 GMT", None),
            ("Sun; 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06-Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov-1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994-08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08.49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49.37 GMT", None),
            ("Sun, 06 Nov 1994", None),
            ("Süß, 06 Nov 1994 08:49:37 GMT", None),
            ("", None),
        ] {
            let read = http_date(value).map(UnixTime::seconds);
            assert_eq!(read, expected, "{value}");
        }
    }

    #[test]
    fn a_pause_is_a_number_of_seconds_or_ends_at_a_date() {
        let date = http_date("Sun, 06 Nov 1994 08:49:37 GMT");
        for (value, date, expected) in [
            ("120", None, Some(120)),
            (" 0 ", date, Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", date, Some(30)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", date, Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", None, None),
            ("-5", date, None),
            ("soon", date, None),
            ("", date, None),
        ] {
            let pause = retry_after(value, date).map(|pause| pause.as_secs());
            assert_eq!(pause, expected, "{value}");
        }
    }

    #[test]
    fn a_status_tells_of_the_provider() {
        let pause = Some(Duration::from_secs(9));
        let outcome = RequestOutcome::of_answer;
        let waits = |seconds| RequestOutcome::AskedToWait(Duration::from_secs(seconds));
        for status in [200, 204, 301, 400, 401, 404, 499] {
            assert_eq!(outcome(status, pause, false), RequestOutcome::Answered);
        }
        assert_eq!(outcome(429, pause, false), waits(9));
        assert_eq!(outcome(429, None, false), waits(0));
        assert_eq!(outcome(429, pause, true), RequestOutcome::Answered);
        for is_of_one_user in [false, true] {
            assert_eq!(outcome(503, pause, is_of_one_user), waits(9));
            for (status, pause) in [(503, None), (500, pause), (599, None), (999, None)] {
                assert_eq!(
                    outcome(status, pause, is_of_one_user),
                    RequestOutcome::ServerError
                );
            }
        }
    }

    #[test]
    fn no_answer_tells_of_the_provider_where_it_was_asked() {
        for (failure, expected) in [
            (FetchFailure::Timeout, RequestOutcome::NoAnswer),
            (FetchFailure::Connection, RequestOutcome::NoAnswer),
            (FetchFailure::Tls, RequestOutcome::NoAnswer),
            (FetchFailure::TooLarge, RequestOutcome::ServerError),
            (FetchFailure::NotAsked, RequestOutcome::Abandoned),
        ] {
            assert_eq!(RequestOutcome::of_failure(failure), expected, "{failure:?}");
        }
    }
}
