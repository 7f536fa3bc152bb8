//! What a provider answers that is read: pages, whatever they hold.

use std::sync::LazyLock;
use std::time::Duration;

use gatepost_accounts::id::Id;
use gatepost_accounts::memory::Memory;
use gatepost_accounts::model::{Source, SourceId};
use gatepost_accounts::pull::{Answer, Event, Identity, Pull, Settings, Step, Work};
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::Context;
use gatepost_accounts::time::Timestamp;

/// Two users, who are there before; the pages of a fuzzer come after that.
const BEFORE: &[u8] = br#"{"totalResults":2,"Resources":[{"id":"a","userName":"a@example.org"},
{"id":"b","userName":"b@example.org"}]}"#;

/// Pages, separated by zero bytes; the first byte of each says whether it is good, busy or a failure.
///
/// # Panics
/// Where a reading that fails has written something, or everybody is deleted.
pub fn scim_pull(data: &[u8]) {
    static STORE: LazyLock<Memory> = LazyLock::new(|| {
        let mut pulling = Pulling::of(Memory::new());
        pulling.turn(&mut [(200, BEFORE)].into_iter());
        pulling.store
    });
    let mut pulling = Pulling::of(STORE.clone());
    let mut pages = data.split(|byte| *byte == 0).map(|page| match page {
        [b'5', rest @ ..] => (503, rest),
        [b'4', rest @ ..] => (404, rest),
        page => (200, page),
    });
    while pages.clone().next().is_some() {
        let before = pulling.store.changes().len();
        if let Event::Failed(_) = pulling.turn(&mut pages) {
            assert_eq!(before, pulling.store.changes().len(), "a failure wrote");
        }
        let mut records = pulling.store.records();
        assert!(records.any(|record| record.resource.life().deleted.is_none()));
    }
}

struct Pulling {
    pull: Pull,
    store: Memory,
    drawn: u128,
    now: i64,
}

impl Pulling {
    /// Begins with what was read before a restart.
    fn of(store: Memory) -> Self {
        let settings = Settings {
            identity: Identity::ExternalId,
            every: Duration::from_mins(5),
            max_deleted_percent: 50,
        };
        Self {
            pull: Pull::new(settings),
            drawn: (store.changes().len() as u128) << 64,
            store,
            now: 1_796_000_000_000,
        }
    }

    /// Reads until something is told. What is behind the last page is empty.
    fn turn<'p>(&mut self, pages: &mut impl Iterator<Item = (u16, &'p [u8])>) -> Event {
        loop {
            match self.pull.step() {
                Step::Wait(pause) => {
                    self.now += 1 + i64::try_from(pause.as_millis()).unwrap_or(0);
                    self.pull.resume(Timestamp::from_millis(self.now));
                }
                Step::Get(_) => {
                    let (status, body) = pages.next().unwrap_or((200, br#"{"totalResults":0}"#));
                    self.pull.answered(&Answer {
                        status,
                        body,
                        ..Answer::default()
                    });
                }
                Step::Work(work) => self.work(&work),
            }
            if let Some(event) = self.pull.events().pop() {
                return event;
            }
        }
    }

    fn work(&mut self, work: &Work) {
        let ids = std::array::from_fn(|_| {
            self.drawn += 1;
            Id::from_bytes(self.drawn.to_be_bytes())
        });
        let context = Context {
            source: &Source {
                id: SourceId(1),
                name: "idp".to_owned(),
                domains: ["example.org"].into_iter().collect(),
            },
            base_url: "",
            routes: &Routes::new(),
            now: Timestamp::from_millis(self.now),
            fresh: Id::from_bytes([0; 16]),
        };
        let done = work.run(context, &ids, &mut self.store);
        self.pull.done(done);
    }
}
