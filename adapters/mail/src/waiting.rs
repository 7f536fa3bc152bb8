//! Logins that have succeeded and wait until a mail process asks for them over the master protocol.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq as _;

/// Logins that may wait; of more, the oldest is dropped. Between a login and its request lie milliseconds.
const MAX_WAITING: usize = 4096;

/// How long a login may wait: Dovecot's `AUTH_REQUEST_TIMEOUT_SECS`.
const PATIENCE: Duration = Duration::from_secs(150);

/// What a request has to name to be given a login: all of it is the connection's over which it was made.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Claim {
    /// The process id that the mail server's login process gave (`CPID`).
    pub(crate) client_pid: u32,
    /// The login's id there.
    pub(crate) id: u32,
    /// The cookie that Gatepost gave.
    pub(crate) cookie: Vec<u8>,
}

/// A login that has succeeded.
#[derive(Clone, Eq, PartialEq)]
pub struct Login {
    pub(crate) claim: Claim,
    pub(crate) by: By,
}

/// By whom it was judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum By {
    Gatepost(Judged),
    /// By the upstream Dovecot, who knows it by the same id, but by these names of the connection.
    Dovecot {
        client_pid: u32,
        cookie: Vec<u8>,
    },
}

/// What is kept of a login of our own. Everything is kept as it is written on the wire, escaped.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Judged {
    pub(crate) user: Vec<u8>,
    pub(crate) mechanism: Vec<u8>,
    /// Where it came from: the fields that a lookup of the user may be given.
    pub(crate) origin: Vec<Vec<u8>>,
    /// Fields of the user's that the verdict brought (`userdb_` there).
    pub(crate) userdb: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(..)")
    }
}

/// The logins that wait.
#[derive(Default)]
pub struct Waiting {
    /// The oldest first.
    logins: VecDeque<(Instant, Login)>,
}

impl Waiting {
    /// Keeps `login` until it is asked for, for 150 seconds at most.
    pub fn keep(&mut self, login: Login, now: Instant) {
        self.forget_old(now);
        if self.logins.len() == MAX_WAITING {
            self.logins.pop_front();
        }
        self.logins.push_back((now, login));
    }

    /// Gives out the login that `claim` names, once.
    pub(crate) fn take(&mut self, claim: &Claim, now: Instant) -> Option<By> {
        self.forget_old(now);
        // The newest first: an id may be used again.
        let at = self.logins.iter().rposition(|(_, login)| {
            let known = &login.claim;
            known.client_pid == claim.client_pid
                && known.id == claim.id
                && bool::from(known.cookie.ct_eq(&claim.cookie))
        })?;
        self.logins.remove(at).map(|(_, login)| login.by)
    }

    fn forget_old(&mut self, now: Instant) {
        let is_old = |since: Instant| now.saturating_duration_since(since) >= PATIENCE;
        while self.logins.front().is_some_and(|(since, _)| is_old(*since)) {
            self.logins.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(id: u32) -> Login {
        Login {
            claim: claim(id),
            by: By::Gatepost(Judged::default()),
        }
    }

    fn claim(id: u32) -> Claim {
        Claim {
            client_pid: 7,
            id,
            cookie: b"aabb".to_vec(),
        }
    }

    #[test]
    fn a_login_is_given_out_once() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.keep(login(1), now);
        assert!(waiting.take(&claim(1), now).is_some());
        assert_eq!(waiting.take(&claim(1), now), None);
    }

    #[test]
    fn who_does_not_name_all_of_it_gets_nothing_and_takes_nothing_away() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.keep(login(1), now);
        for wrong in [
            claim(2),
            Claim {
                client_pid: 8,
                ..claim(1)
            },
            Claim {
                cookie: b"aabc".to_vec(),
                ..claim(1)
            },
            Claim {
                cookie: b"aab".to_vec(),
                ..claim(1)
            },
            Claim {
                cookie: Vec::new(),
                ..claim(1)
            },
        ] {
            assert_eq!(waiting.take(&wrong, now), None);
        }
        assert!(waiting.take(&claim(1), now).is_some());
    }

    #[test]
    fn nobody_waits_longer_than_dovecot_lets_them() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.keep(login(1), now);
        waiting.keep(login(2), now + Duration::from_secs(1));
        assert_eq!(waiting.take(&claim(1), now + PATIENCE), None);
        assert!(waiting.take(&claim(2), now + PATIENCE).is_some());
    }

    #[test]
    fn of_too_many_the_oldest_is_dropped() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        for id in 0..=u32::try_from(MAX_WAITING).unwrap() {
            waiting.keep(login(id), now);
        }
        assert_eq!(waiting.logins.len(), MAX_WAITING);
        assert_eq!(waiting.take(&claim(0), now), None);
        assert!(waiting.take(&claim(1), now).is_some());
    }
}
