//! A provider with users and groups, a store in memory, and what takes the one to the other.

use std::time::Duration;

use gatepost_accounts::id::Id;
use gatepost_accounts::memory::Memory;
use gatepost_accounts::model::{Account, Kind, Resource, Source, SourceId};
use gatepost_accounts::pull::{
    Answer, Event, Fault, Fetch, Identity, Pull, Report, Settings, Step, Work,
};
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::{self, Context, Effect, Request};
use gatepost_accounts::store::{Transaction as _, Unavailable};
use gatepost_accounts::time::Timestamp;
use serde_json::{Value, json};

pub(crate) const PULLED: SourceId = SourceId(1);
pub(crate) const OTHER: SourceId = SourceId(2);
pub(crate) const EVERY: Duration = Duration::from_mins(5);

/// A provider that answers as SCIM wants it, but for what a test has changed.
pub(crate) struct Provider {
    pub(crate) users: Vec<Value>,
    /// `None`: there is no such endpoint.
    pub(crate) groups: Option<Vec<Value>>,
    /// Most resources of a page.
    pub(crate) cap: usize,
    pub(crate) heeds_start: bool,
    pub(crate) has_tags: bool,
    /// The promise that it makes of that many.
    pub(crate) promise: fn(usize) -> Value,
    /// Answers in its place, where there is something.
    pub(crate) instead: Option<Instead>,
    /// What happens there between two pages.
    pub(crate) between: Option<Between>,
    /// Everything that was asked for.
    pub(crate) asked: Vec<Fetch>,
}

/// What happens to the users of a provider.
pub(crate) type Between = Box<dyn FnMut(&mut Vec<Value>)>;

pub(crate) type Instead = Box<dyn FnMut(&Fetch) -> Option<Page>>;

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: String,
}

impl Page {
    pub(crate) fn of(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.to_owned(),
            ..Self::default()
        }
    }
}

impl Provider {
    fn new() -> Self {
        Self {
            users: Vec::new(),
            groups: Some(Vec::new()),
            cap: 3,
            heeds_start: true,
            has_tags: false,
            promise: |number| json!(number),
            instead: None,
            between: None,
            asked: Vec::new(),
        }
    }

    fn answer(&mut self, fetch: &Fetch) -> Page {
        self.asked.push(fetch.clone());
        if let Some(between) = &mut self.between {
            between(&mut self.users);
        }
        if let Some(page) = self.instead.as_mut().and_then(|instead| instead(fetch)) {
            return page;
        }
        let all = match fetch.kind {
            Kind::Account => &self.users,
            Kind::Group => match &self.groups {
                Some(groups) => groups,
                None => return Page::of(404, "{}"),
            },
        };
        let count = fetch.count.min(self.cap);
        let start = usize::try_from(fetch.start_index).unwrap() - 1;
        let start = if self.heeds_start { start } else { 0 };
        let resources: Vec<_> = all.iter().skip(start).take(count).collect();
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": (self.promise)(all.len()),
            "startIndex": fetch.start_index,
            "itemsPerPage": resources.len(),
            "Resources": resources,
        });
        let body = body.to_string();
        let etag = self.has_tags.then(|| format!("W/\"{}\"", hash(&body)));
        if etag.is_some() && etag == fetch.if_none_match {
            return Page::of(304, "");
        }
        Page {
            etag,
            ..Page::of(200, &body)
        }
    }

    pub(crate) fn user(&mut self, id: &str) -> &mut Value {
        let mut users = self.users.iter_mut();
        users.find(|user| user["id"] == id).unwrap()
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.users.retain(|user| user["id"] != id);
    }
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// A user with that id and address.
pub(crate) fn user(id: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": id, "active": true,
        "userName": format!("{id}@example.org"), "password": "a hash",
        "meta": {"resourceType": "User", "version": "W/\"1\""}, "groups": [{"value": "g"}],
    })
}

/// A group with these members.
pub(crate) fn group(id: &str, members: &[&str]) -> Value {
    let members: Vec<_> = members
        .iter()
        .map(|id| json!({"value": id, "display": id}))
        .collect();
    json!({"id": id, "displayName": id, "members": members})
}

pub(crate) struct Lab {
    pub(crate) provider: Provider,
    pub(crate) store: Memory,
    pub(crate) settings: Settings,
    pub(crate) store_fails: bool,
    /// A user that comes otherwise, once the first page has been read.
    pub(crate) pushed: Option<Value>,
    pull: Pull,
    now: i64,
    drawn: u128,
    /// The pause that it is in.
    pub(crate) pause: Duration,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(Settings {
            identity: Identity::ExternalId,
            every: EVERY,
            max_deleted_percent: 50,
        })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self {
            provider: Provider::new(),
            store: Memory::new(),
            settings,
            store_fails: false,
            pushed: None,
            pull: Pull::new(settings),
            now: 1_796_000_000_000,
            drawn: 0,
            pause: Duration::ZERO,
        }
    }

    /// With users of these ids, who have been read.
    pub(crate) fn of(ids: &[&str]) -> Self {
        let mut lab = Self::new();
        lab.provider.users = ids.iter().map(|id| user(id)).collect();
        lab.pulled();
        lab
    }

    /// Begins anew, as after a restart.
    pub(crate) fn restart(&mut self) {
        self.pull = Pull::new(self.settings);
    }

    /// Waits, and reads until the next pause that is not one in the midst of a reading; gives what is told then.
    pub(crate) fn turn(&mut self) -> Event {
        let mut steps = 0;
        loop {
            steps += 1;
            assert!(steps < 100_000, "it does not end");
            match self.pull.step() {
                Step::Wait(pause) => {
                    self.now += i64::try_from(pause.as_millis()).unwrap() + 1;
                    self.pull.resume(Timestamp::from_millis(self.now));
                }
                Step::Get(fetch) => {
                    let page = self.provider.answer(&fetch);
                    self.pull.answered(&Answer {
                        status: page.status,
                        etag: page.etag.as_deref(),
                        retry_after: page.retry_after,
                        body: page.body.as_bytes(),
                    });
                }
                Step::Work(work) => self.work(&work),
            }
            if self
                .provider
                .asked
                .last()
                .is_some_and(|last| last.start_index > 1)
                && let Some(pushed) = self.pushed.take()
            {
                assert_eq!(self.push(PULLED, "POST", "/Users", &pushed), 201);
            }
            if let Some(event) = self.pull.events().pop() {
                let Step::Wait(pause) = self.pull.step() else {
                    panic!("it goes on after {event:?}");
                };
                self.pause = pause;
                return event;
            }
        }
    }

    fn work(&mut self, work: &Work) {
        self.now += 10;
        if self.store_fails {
            return self.pull.done(Err(Unavailable));
        }
        let ids = std::array::from_fn(|_| {
            self.drawn += 1;
            Id::from_bytes((self.drawn << 64 | 0xabcd).to_be_bytes())
        });
        let routes = Routes::new();
        let source = source(PULLED);
        let context = Context {
            source: &source,
            base_url: "",
            routes: &routes,
            now: Timestamp::from_millis(self.now),
            fresh: Id::from_bytes([0; 16]),
        };
        let before = self.store.changes().len();
        let done = work.run(context, &ids, &mut self.store);
        if let Ok(done) = &done
            && done.effect == Effect::Nothing
        {
            assert_eq!(before, self.store.changes().len());
        }
        for record in self.store.records() {
            assert!(!record.document.contains("password"), "{}", record.document);
        }
        self.pull.done(done);
    }

    #[track_caller]
    pub(crate) fn pulled(&mut self) -> Report {
        match self.turn() {
            Event::Pulled(report) => report,
            event => panic!("{event:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn fails(&mut self) -> Fault {
        let before = self.store.changes().len();
        match self.turn() {
            Event::Failed(fault) => {
                let after = self.store.changes().len();
                assert_eq!(before, after, "something was written before {fault}");
                fault
            }
            event => panic!("{event:?}"),
        }
    }

    /// Sends a request as another source would.
    pub(crate) fn push(&mut self, id: SourceId, method: &str, path: &str, body: &Value) -> u16 {
        self.drawn += 1;
        self.now += 10;
        let source = source(id);
        let text = body.to_string();
        let request = Request {
            method,
            path,
            body: text.as_bytes(),
            ..Request::default()
        };
        let context = Context {
            source: &source,
            base_url: "",
            routes: &Routes::new(),
            now: Timestamp::from_millis(self.now),
            fresh: Id::from_bytes((self.drawn << 64 | 0xabcd).to_be_bytes()),
        };
        scim::answer(request, context, &mut self.store)
            .response
            .status
    }

    /// The accounts of the source that are not deleted.
    pub(crate) fn accounts(&mut self) -> Vec<Account> {
        let records = self
            .store
            .after(Kind::Account, PULLED, 0, 1_000_000)
            .unwrap();
        let accounts = records
            .into_iter()
            .filter_map(|record| match record.resource {
                Resource::Account(account) => Some(account),
                Resource::Group(_) => None,
            });
        accounts.collect()
    }

    /// Their external ids, in order.
    pub(crate) fn ids(&mut self) -> Vec<String> {
        let accounts = self.accounts().into_iter();
        let mut ids: Vec<_> = accounts.filter_map(|account| account.external_id).collect();
        ids.sort();
        ids
    }

    pub(crate) fn account(&mut self, external_id: &str) -> Account {
        let mut accounts = self.accounts().into_iter();
        let is_it = |one: &Account| one.external_id.as_deref() == Some(external_id);
        accounts.find(is_it).unwrap()
    }

    /// Who is in the group of that name, by their external ids; `None` where there is no such group.
    pub(crate) fn members(&mut self, name: &str) -> Option<Vec<String>> {
        let groups = self.store.after(Kind::Group, PULLED, 0, 1_000).unwrap();
        let group = groups.iter().find(|group| group.resource.name() == name)?;
        let members = self
            .store
            .members(group.resource.id(), None, 1_000)
            .unwrap();
        let ids = members.iter().map(|member| {
            let mut records = self.store.records();
            let record = records
                .find(|record| record.resource.id() == member.id)
                .unwrap();
            record.resource.external_id().unwrap().to_owned()
        });
        let mut ids: Vec<_> = ids.collect();
        ids.sort();
        Some(ids)
    }
}

fn source(id: SourceId) -> Source {
    Source {
        id,
        name: format!("source {}", id.0),
        domains: ["example.org", "example.net"].into_iter().collect(),
    }
}
