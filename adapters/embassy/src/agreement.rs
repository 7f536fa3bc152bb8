//! What time several servers agree on: a point that more than half of all that were asked allow (Marzullo's
//! algorithm, as NTP selects by: RFC 5905 section 11.2.1).

/// Most servers that are asked.
pub(crate) const SERVERS: usize = 4;

/// How far good servers may be apart beside the time that their answers took, in milliseconds.
const TOLERANCE: i64 = 1_000;

/// How far a provider's clock may be from the servers', in milliseconds: half of the skew that policies allow.
pub(crate) const PROVIDERS_TOLERANCE: i64 = 30_000;

/// When the device may have started by the word of one server, in milliseconds since 1970: both included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Start {
    earliest: i64,
    latest: i64,
}

impl Start {
    /// By a server that said that it was `told`, between its request at `asked` and its answer at `heard`, both since
    /// the device's start; all in milliseconds.
    pub(crate) fn of(told: i64, asked: i64, heard: i64) -> Self {
        Self {
            earliest: told.saturating_sub(heard).saturating_sub(TOLERANCE),
            latest: told.saturating_sub(asked).saturating_add(TOLERANCE),
        }
    }

    /// By a provider's clock: the device started at `start`.
    pub(crate) fn of_provider(start: i64) -> Self {
        Self {
            earliest: start.saturating_sub(PROVIDERS_TOLERANCE),
            latest: start.saturating_add(PROVIDERS_TOLERANCE),
        }
    }

    fn allows(&self, start: i64) -> bool {
        (self.earliest..=self.latest).contains(&start)
    }
}

/// When the device started, in milliseconds since 1970, as far as more than half of the `asked` servers agree.
pub(crate) fn agreement(starts: &[Start], asked: usize) -> Option<i64> {
    // Where most agree, there is an earliest start that most allow.
    let votes = |start: i64| starts.iter().filter(|one| one.allows(start)).count();
    let candidates = starts.iter().map(|one| one.earliest);
    let best = candidates.max_by_key(|start| votes(*start))?;
    if votes(best) <= asked / 2 {
        return None;
    }
    let agreeing = starts.iter().filter(|one| one.allows(best));
    let latest = agreeing.map(|one| one.latest).min()?;
    Some(best.midpoint(latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers that took 100 ms, of servers whose clocks are so many milliseconds ahead.
    fn starts<const N: usize>(ahead: [i64; N]) -> [Start; N] {
        ahead.map(|ahead| Start::of(1_000_000 + ahead, 0, 100))
    }

    #[track_caller]
    fn check(ahead: &[Start], asked: usize, expected: Option<i64>) {
        let agreed = agreement(ahead, asked);
        let is_near = |(agreed, expected): (i64, i64)| (agreed - 1_000_000 - expected).abs() <= 100;
        assert_eq!(agreed.is_some(), expected.is_some(), "{agreed:?}");
        assert!(agreed.zip(expected).is_none_or(is_near), "{agreed:?}");
    }

    #[test]
    fn one_server_is_believed_where_there_is_no_other() {
        check(&starts([0]), 1, Some(0));
        check(&starts([0]), 2, None);
        check(&starts([0]), 3, None);
        check(&[], 1, None);
    }

    #[test]
    fn a_liar_is_outvoted_and_never_half_of_all() {
        let days = 400 * 86_400_000;
        check(&starts([days, 0, 0]), 3, Some(0));
        check(&starts([0, -days, 0]), 3, Some(0));
        check(&starts([0, days]), 2, None);
        check(&starts([days, days, 0, 0]), 4, None);
        check(&starts([0, 0, days, 0]), 4, Some(0));
        check(&starts([0, 5_000, 10_000]), 3, None);
        // One server is silent: two of three agree.
        check(&starts([0, 300]), 3, Some(150));
    }

    #[test]
    fn what_cannot_be_a_time_does_no_harm() {
        let odd = [Start::of(i64::MAX, 0, 5), Start::of(i64::MIN, 5, 9)];
        check(&odd, 2, None);
        check(
            &[odd[0], odd[1], starts([0])[0], starts([0])[0]],
            3,
            Some(0),
        );
    }
}
