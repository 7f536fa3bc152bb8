//! The dates of a token (RFC 7519 section 4.1.4 to 4.1.6).

use super::{Claim, Violation, rules::Registered, source::Source};
use crate::{claims::numeric_date, time::UnixTime, wire::json::Value};

/// The dates, as far as they are given.
pub(super) struct Dates {
    pub(super) expires_at: Option<UnixTime>,
    not_before: Option<UnixTime>,
    issued_at: Option<UnixTime>,
}

impl Dates {
    pub(super) fn read(registered: &Registered<'_>, source: Source) -> Result<Self, Violation> {
        let read = match source {
            Source::Claims(_) => numeric_date,
            Source::Answer { .. } => answered_date,
        };
        let date = |value: Option<Value<'_>>, name| {
            let read = |value| read(value).ok_or(Violation::MalformedClaim(name));
            value.map(read).transpose()
        };
        Ok(Self {
            expires_at: date(registered.exp, Claim::Exp)?,
            not_before: date(registered.nbf, Claim::Nbf)?,
            issued_at: date(registered.iat, Claim::Iat)?,
        })
    }

    /// Whether `now` lies within them, give or take `skew` seconds.
    pub(super) fn check(&self, now: UnixTime, skew: u32) -> Result<(), Violation> {
        let (not_before, issued_at) = (self.not_before, self.issued_at);
        // RFC 7519 section 4.1.4: "on or after" the date it is expired.
        if let Some(expires_at) = self.expires_at
            && now >= expires_at.plus(skew)
        {
            return Err(Violation::Expired { now, expires_at });
        }
        if let Some(not_before) = not_before
            && now < not_before.minus(skew)
        {
            return Err(Violation::NotYetValid { not_before });
        }
        if issued_at.is_some_and(|issued_at| now < issued_at.minus(skew)) {
            return Err(Violation::IssuedInFuture);
        }
        let start = not_before.max(issued_at);
        if let (Some(start), Some(expires_at)) = (start, self.expires_at)
            && expires_at < start
        {
            return Err(Violation::ConflictingDates);
        }
        Ok(())
    }
}

/// A date of an answer; Google writes numbers as strings.
fn answered_date(value: Value<'_>) -> Option<UnixTime> {
    match value {
        Value::String(text) => {
            let seconds = text.as_str()?;
            let is_plain = seconds.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = seconds.parse().ok().filter(|_| is_plain);
            seconds.map(UnixTime::from_seconds)
        }
        value => numeric_date(value),
    }
}
