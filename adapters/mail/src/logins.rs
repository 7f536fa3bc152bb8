//! A table of thousands of logins of one connection: Dovecot's login processes have one for all their clients.

use std::collections::{BTreeMap, BTreeSet};

use gatepost_core::dovecot::{LoginEntry, LoginKey, LoginTable};

/// The logins of one connection that are not over, found by their ids however many there are.
///
/// ```
/// use gatepost_core::dovecot::{Connection, Greeting};
/// use gatepost_core::sasl::Mechanism;
/// use gatepost_mail::logins::ManyLogins;
///
/// let mechanisms = &Mechanism::BEARER;
/// let greeting = Greeting { mechanisms, relayed: &[], pid: 7, connection: 1, cookie: [0; 16] };
/// let connection = Connection::<ManyLogins>::greet(&greeting, &mut String::new())?;
/// assert_eq!(connection.outstanding(), 0);
/// # Ok::<(), std::fmt::Error>(())
/// ```
#[derive(Default)]
pub struct ManyLogins {
    entries: BTreeMap<LoginKey, Numbered>,
    /// Those that may be dropped, by rank and then by their numbers.
    droppable: BTreeSet<(u8, u64, LoginKey)>,
    count: u64,
}

/// An entry, and its number, which tells its age.
struct Numbered {
    number: u64,
    entry: LoginEntry,
}

impl LoginTable for ManyLogins {
    /// More than any mail server has at once: Dovecot's login processes serve 1,000 clients by default.
    const CAPACITY: usize = 16_384;

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn get(&self, key: LoginKey) -> Option<&LoginEntry> {
        Some(&self.entries.get(&key)?.entry)
    }

    fn insert(&mut self, key: LoginKey, entry: LoginEntry) {
        self.count += 1;
        let number = self.count;
        if let Some(rank) = entry.rank() {
            self.droppable.insert((rank, number, key));
        }
        self.entries.insert(key, Numbered { number, entry });
    }

    fn remove(&mut self, key: LoginKey) -> Option<LoginEntry> {
        let Numbered { number, entry } = self.entries.remove(&key)?;
        if let Some(rank) = entry.rank() {
            self.droppable.remove(&(rank, number, key));
        }
        Some(entry)
    }

    fn first_to_drop(&self) -> Option<LoginKey> {
        self.droppable.first().map(|(_, _, key)| *key)
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::dovecot::{Connection, Event, Failure, Greeting, MAX_RESPONSE};
    use gatepost_core::sasl::Mechanism;

    use super::*;

    const GREETING: Greeting<'_> = Greeting {
        mechanisms: &Mechanism::BEARER,
        relayed: &[],
        pid: 1,
        connection: 1,
        cookie: [0; 16],
    };

    fn greeted() -> Connection<ManyLogins> {
        let out = &mut String::new();
        let mut connection = Connection::greet(&GREETING, out).unwrap();
        let (_, event) = connection.receive(b"VERSION\t1\t1\nCPID\t1\n", &mut [], out);
        assert!(matches!(event, Event::Incomplete), "{event:?}");
        connection
    }

    #[test]
    fn thousands_of_logins_of_one_connection_are_judged_at_once() {
        let (mut connection, mut out) = (greeted(), String::new());
        let mut buffer = [0; MAX_RESPONSE];
        let mut tickets = Vec::new();
        for id in 1..=ManyLogins::CAPACITY {
            let line = format!("AUTH\t{id}\tXOAUTH2\tservice=imap\tresp=AQ==\n");
            let (_, event) = connection.receive(line.as_bytes(), &mut buffer, &mut out);
            match event {
                Event::Response(login) => tickets.push(login.ticket),
                other => panic!("{other:?}"),
            }
        }
        let (_, event) = connection.receive(b"AUTH\t99999\t", &mut buffer, &mut out);
        assert!(matches!(event, Event::Busy), "{event:?}");
        for ticket in tickets {
            connection.accept(ticket, "a", &[], &mut out).unwrap();
        }
        assert_eq!(connection.outstanding(), 0);
    }

    #[test]
    fn of_too_many_that_wait_for_their_client_the_one_that_loses_least_is_dropped() {
        let (mut connection, mut out) = (greeted(), String::new());
        let begin = |connection: &mut Connection<ManyLogins>, id: usize, out: &mut String| {
            let line = format!("AUTH\t{id}\tXOAUTH2\tservice=imap\n");
            let (_, event) = connection.receive(line.as_bytes(), &mut [], out);
            assert!(
                matches!(event, Event::ResponseRequested { .. }),
                "{event:?}"
            );
        };
        begin(&mut connection, 1, &mut out);
        let reply = b"CONT\t1\tAQ==\n";
        let (_, event) = connection.receive(reply, &mut [0; MAX_RESPONSE], &mut out);
        let Event::Response(login) = event else {
            panic!("{event:?}")
        };
        for id in 2..=ManyLogins::CAPACITY {
            begin(&mut connection, id, &mut out);
        }
        let failure = Failure {
            user: None,
            code: None,
            reason: "",
        };
        // It has failed, and is dropped before those that have sent nothing yet; then the oldest of these.
        connection
            .challenge(login.ticket, b"{}", failure, &mut out)
            .unwrap();
        let first_free = ManyLogins::CAPACITY + 1;
        begin(&mut connection, first_free, &mut out);
        begin(&mut connection, first_free + 1, &mut out);
        assert_eq!(connection.outstanding(), ManyLogins::CAPACITY);
        out.clear();
        for id in [1, 2] {
            let line = format!("CONT\t{id}\tAQ==\n");
            let _ = connection.receive(line.as_bytes(), &mut [0; 99], &mut out);
        }
        assert_eq!(out.matches("FAIL").count(), 2, "{out}");
    }
}
