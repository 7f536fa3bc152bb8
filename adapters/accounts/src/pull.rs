//! Accounts that are pulled: a provider that serves SCIM and pushes nothing is read as a whole, again and again.
//!
//! [`Pull`] says what is to be done next, and is told what came of it: a page to get, a piece of [`Work`] in the store,
//! or a pause. What is read is written by the very requests that a source would push, so that the same rules hold.
//! Nothing is written before everything has been read. Pages shift while they are read, so each begins with the last
//! resource of the one before; where it does not, and whenever somebody is missing, everything is read again. Whoever
//! is missing then, too, is deleted: they may have moved to a page that had been read, but hardly twice.

pub mod limits;
mod page;
mod reading;
mod stages;
mod work;

use std::time::Duration;

use crate::model::Kind;
use crate::time::Timestamp;
use reading::{Known, Reading, Tagged};
use stages::Applying;

pub use work::{Counts, Done, Refused, Work};

/// How a provider is pulled from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// What its users and groups are known by.
    pub identity: Identity,
    /// From the end of a reading to the next.
    pub every: Duration,
    /// How many per cent of the accounts, or groups, one reading may delete.
    pub max_deleted_percent: u8,
}

/// What becomes the `externalId` of an account, by which the provider's tokens find it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Identity {
    /// `externalId`, or `id` where there is none.
    #[default]
    ExternalId,
    /// `id`.
    Id,
}

/// What is to be done next.
#[derive(Debug)]
pub enum Step {
    /// Get a page, and tell [`Pull::answered`], or [`Pull::failed`].
    Get(Fetch),
    /// Do this in a transaction, and tell [`Pull::done`].
    Work(Work),
    /// Wait for so long, and tell [`Pull::resume`].
    Wait(Duration),
}

/// A page that is to be got.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fetch {
    /// Of users or of groups.
    pub kind: Kind,
    /// The number of the first resource; the first of all has 1.
    pub start_index: u64,
    /// How many resources.
    pub count: usize,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
}

impl Fetch {
    /// What follows the URL of the provider's endpoint.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        let (start_index, count) = (self.start_index, self.count);
        format!(
            "{}?startIndex={start_index}&count={count}",
            endpoint(self.kind)
        )
    }
}

fn endpoint(kind: Kind) -> &'static str {
    match kind {
        Kind::Account => "/Users",
        Kind::Group => "/Groups",
    }
}

/// What of an answer matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// `ETag`.
    pub etag: Option<&'a str>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: &'a [u8],
}

/// Why a reading came to nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is no answer.
    #[error("no answer")]
    NotReached,
    /// The answer has another status than 200.
    #[error("the answer's status is {0}")]
    Status(u16),
    /// The answer is no list of resources.
    #[error("the answer is no list of SCIM's")]
    NoList,
    /// A resource has no `id`.
    #[error("a resource has no id")]
    NoId,
    /// A single resource is too long.
    #[error("a resource is too long: an answer has 4 MiB and 160,000 values at most")]
    TooLong,
    /// There is more than is taken.
    #[error("there is too much: 200,000 users and groups, 10,000 pages and 128 MiB at most")]
    TooMuch,
    /// The same came again and again.
    #[error("the same page comes again and again: startIndex is not heeded")]
    Repeated,
    /// The store cannot be asked, or written.
    #[error("the database is not available")]
    Store,
    /// More would be deleted than may be.
    #[error("{gone} of {of} would be deleted, more than max_deleted_percent")]
    TooManyGone {
        /// Accounts or groups.
        kind: Kind,
        /// How many would be.
        gone: usize,
        /// Of how many.
        of: usize,
    },
}

/// What an operator is told.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// All pages are what they were.
    Unchanged,
    /// Everything was read and written.
    Pulled(Report),
    /// Nothing was written, or not all of it.
    Failed(Fault),
}

/// What a reading brought.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// How many users the provider has.
    pub users: usize,
    /// How many groups; `None` where it has none to be asked for.
    pub groups: Option<usize>,
    /// What was done.
    pub counts: Counts,
    /// What was not taken.
    pub refused: Vec<Refused>,
    /// Why nobody who was missing was deleted, if so.
    pub doubt: Option<Doubt>,
    /// Whether everybody of the provider was read: there is somebody, and no doubt. Whether all were taken is another
    /// question.
    pub is_whole: bool,
}

/// Why whoever is missing in a reading is not known to be gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// Fewer came than the provider promised.
    #[error("fewer came than totalResults promises")]
    Short,
    /// Pages shifted while they were read, each time.
    #[error(
        "pages do not follow each other: resources come and go, or the order is another each time"
    )]
    Shifted,
}

/// What is being done.
#[derive(Debug)]
enum Phase {
    Waiting(Duration),
    /// Whether any page has changed.
    Asking {
        pages: Vec<Tagged>,
        next: usize,
    },
    Reading {
        reading: Box<Reading>,
        pause: Option<Duration>,
        pauses: usize,
    },
    Applying,
}

/// Pulls from one provider.
#[derive(Debug)]
pub struct Pull {
    settings: Settings,
    phase: Phase,
    /// When the reading began.
    began: Timestamp,
    applying: Option<Applying>,
    /// The tags of what has been written without exception.
    tags: Option<Vec<Tagged>>,
    unchanged: u32,
    failures: u32,
    events: Vec<Event>,
}

impl Pull {
    /// Begins with a reading at once.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            phase: Phase::Waiting(Duration::ZERO),
            began: Timestamp::from_millis(0),
            applying: None,
            tags: None,
            unchanged: 0,
            failures: 0,
            events: Vec::new(),
        }
    }

    /// What is to be done now.
    pub fn step(&mut self) -> Step {
        match &self.phase {
            Phase::Waiting(pause)
            | Phase::Reading {
                pause: Some(pause), ..
            } => Step::Wait(*pause),
            Phase::Reading { reading, .. } => Step::Get(reading.wanted()),
            Phase::Asking { pages, next } => match pages.get(*next) {
                Some(page) => Step::Get(Fetch {
                    if_none_match: Some(page.etag.clone()),
                    ..page.fetch.clone()
                }),
                None => Step::Wait(Duration::ZERO),
            },
            Phase::Applying => match self.applying.as_mut().map(Applying::next) {
                Some(work) => Step::Work(work),
                None => Step::Wait(Duration::ZERO),
            },
        }
    }

    /// What an operator is to be told by now.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The pause is over; it is `now`.
    pub fn resume(&mut self, now: Timestamp) {
        if let Phase::Reading { pause, .. } = &mut self.phase {
            *pause = None;
            return;
        }
        self.began = now;
        self.applying = None;
        match self
            .tags
            .clone()
            .filter(|_| self.unchanged < limits::UNCHANGED)
        {
            Some(pages) => self.phase = Phase::Asking { pages, next: 0 },
            None => self.read(),
        }
    }

    fn read(&mut self) {
        self.unchanged = 0;
        self.tags = None;
        self.phase = Phase::Reading {
            reading: Box::new(Reading::new(self.settings.identity)),
            pause: None,
            pauses: 0,
        };
    }

    /// Takes the answer to [`Step::Get`].
    pub fn answered(&mut self, answer: &Answer<'_>) {
        match &mut self.phase {
            Phase::Asking { next, pages } if answer.status == 304 => {
                *next += 1;
                if *next == pages.len() {
                    self.unchanged += 1;
                    self.failures = 0;
                    self.events.push(Event::Unchanged);
                    self.phase = Phase::Waiting(self.settings.every);
                }
            }
            Phase::Asking { .. } if answer.status == 200 => self.read(),
            Phase::Reading {
                reading,
                pause,
                pauses,
            } => {
                let short = answer
                    .retry_after
                    .filter(|pause| *pause <= limits::SHORT_PAUSE);
                let is_busy = matches!(answer.status, 429 | 503) && *pauses < limits::PAUSES;
                if let Some(short) = short.filter(|_| is_busy) {
                    *pause = Some(short);
                    *pauses += 1;
                    return;
                }
                match reading.take(answer) {
                    Ok(Some(known)) => self.apply(known),
                    Ok(None) => {}
                    Err(Fault::TooLong) if reading.shrink() => {}
                    Err(fault) => self.fail(fault, answer.retry_after),
                }
            }
            Phase::Asking { .. } => {
                self.fail(Fault::Status(answer.status), answer.retry_after);
            }
            Phase::Waiting(_) | Phase::Applying => {}
        }
    }

    /// There is no answer to [`Step::Get`].
    pub fn failed(&mut self) {
        self.fail(Fault::NotReached, None);
    }

    /// The answer to [`Step::Get`] is longer than a page may be.
    pub fn too_long(&mut self) {
        let is_shrunk = match &mut self.phase {
            Phase::Reading { reading, .. } => reading.shrink(),
            _ => false,
        };
        if !is_shrunk {
            self.fail(Fault::TooLong, None);
        }
    }

    fn fail(&mut self, fault: Fault, retry_after: Option<Duration>) {
        let doubled = 2_u32.saturating_pow(self.failures.min(16));
        let pause = limits::FIRST_PAUSE
            .saturating_mul(doubled)
            .min(self.settings.every);
        let pause = pause.max(retry_after.unwrap_or_default().min(limits::LONGEST_PAUSE));
        self.failures = self.failures.saturating_add(1);
        self.tags = None;
        self.applying = None;
        self.events.push(Event::Failed(fault));
        self.phase = Phase::Waiting(pause);
    }

    fn apply(&mut self, known: Known) {
        match &mut self.applying {
            Some(applying) => applying.confirm(known),
            None => self.applying = Some(Applying::new(known, self.began)),
        }
        self.phase = Phase::Applying;
    }

    /// Takes what came of [`Step::Work`]: it is kept, or the store failed.
    pub fn done(&mut self, done: Result<Done, crate::store::Unavailable>) {
        let Some(applying) = &mut self.applying else {
            return;
        };
        let Ok(done) = done else {
            return self.fail(Fault::Store, None);
        };
        match applying.take(done.outcome, self.settings.max_deleted_percent) {
            Ok(stages::Next::More) => {}
            Ok(stages::Next::ReadAgain) => self.read(),
            Ok(stages::Next::End(report, tags)) => {
                self.tags = tags;
                self.applying = None;
                self.failures = 0;
                self.events.push(Event::Pulled(report));
                self.phase = Phase::Waiting(self.settings.every);
            }
            Err(fault) => self.fail(fault, None),
        }
    }
}
