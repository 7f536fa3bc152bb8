//! Providers that are read, for they push nothing. What a page means, and what follows, is in `gatepost-accounts`; it
//! happens on a thread of its own, on which no login waits.

mod provider;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatepost_accounts::id::Id;
use gatepost_accounts::model::{Kind, SourceId};
use gatepost_accounts::pull::{Answer, Done, Event, Fault, Fetch, Pull, Report, Step, Work};
use gatepost_accounts::scim::{Context, Effect};
use gatepost_accounts::store::Unavailable;
use gatepost_accounts::time::Timestamp;
use gatepost_store::{Session, job};
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Accounts, now};
use crate::config::PulledSource;
use crate::log::audit;
use crate::process::vital;
pub(crate) use provider::{Provider, Unanswered};

/// What the lines of changes name as who made them.
const ACTOR: &str = "pull";

/// How the pulls are: what whoever watches is told.
#[derive(Default)]
pub(super) struct Pulls(Mutex<Vec<Pulled>>);

/// How one is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulled {
    pub(crate) source: String,
    /// When everything was read last, or found unchanged.
    pub(crate) last: Option<Timestamp>,
    /// Why it could not be since, if so.
    pub(crate) why: Option<String>,
    /// How often everything was read, or found unchanged.
    pub(crate) successes: u64,
    /// How often it could not be.
    pub(crate) failures: u64,
}

impl Pulls {
    fn lock(&self) -> MutexGuard<'_, Vec<Pulled>> {
        // Nothing in there is ever half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub(super) fn get(&self) -> Vec<Pulled> {
        self.lock().clone()
    }
}

/// Begins to pull what the settings name, on a thread of its own.
pub(super) fn start(accounts: &Arc<Accounts>) -> io::Result<()> {
    if accounts.settings.pulls.is_empty() {
        return Ok(());
    }
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let accounts = Arc::clone(accounts);
    let pulls = async move {
        let mut pulls = JoinSet::new();
        for (place, settings) in accounts.settings.pulls.iter().enumerate() {
            accounts.pulls.lock().push(Pulled {
                source: settings.source.to_string(),
                ..Pulled::default()
            });
            let puller = Puller {
                accounts: Arc::clone(&accounts),
                settings: settings.clone(),
                place,
                why: String::new(),
                told: HashSet::new(),
            };
            pulls.spawn(puller.run());
        }
        pulls.join_all().await;
    };
    vital::spawn_strict("pull".to_owned(), move || runtime.block_on(pulls))
}

/// Pulls from one provider.
struct Puller {
    accounts: Arc<Accounts>,
    settings: PulledSource,
    /// Which of the pulls it is.
    place: usize,
    /// Why there was no answer.
    why: String,
    /// What was refused in the last reading: it is told once.
    told: HashSet<(Kind, String, String)>,
}

impl Puller {
    async fn run(mut self) {
        self.accounts.opened().await;
        let mut provider = self.provider().await;
        let mut pull = Pull::new(self.settings.settings());
        loop {
            match pull.step() {
                Step::Wait(pause) => {
                    sleep(pause).await;
                    pull.resume(now());
                }
                Step::Get(fetch) => self.get(&mut provider, &fetch, &mut pull).await,
                Step::Work(work) => {
                    let done = self.work(work).await;
                    pull.done(done);
                }
            }
            for event in pull.events() {
                self.tell(event);
            }
        }
    }

    /// The provider, once its authorities can be read.
    async fn provider(&mut self) -> Provider {
        loop {
            match Provider::new(&self.settings) {
                Ok(provider) => return provider,
                Err(error) => self.failed(error.to_string()),
            }
            sleep(self.settings.settings().every).await;
        }
    }

    async fn get(&mut self, provider: &mut Provider, fetch: &Fetch, pull: &mut Pull) {
        match provider.get(fetch).await {
            Ok(document) => pull.answered(&Answer {
                status: document.status,
                etag: document.etag.as_deref(),
                retry_after: document.retry_after,
                body: &document.body,
            }),
            Err(Unanswered::TooLong) => pull.too_long(),
            Err(Unanswered::Fault(why, _)) => {
                self.why = why;
                pull.failed();
            }
        }
    }

    /// Has the store do a piece of work; what it kept has its lines in the log.
    async fn work(&self, work: Work) -> Result<Done, Unavailable> {
        let ids = ids()?;
        let (accounts, source) = (Arc::clone(&self.accounts), self.settings.source.to_string());
        let run = move |session: &mut dyn Session| match run(
            &accounts,
            &source,
            (&work, &ids),
            session,
        ) {
            Ok(done) => (done.effect, Ok(done)),
            Err(Unavailable) => (Effect::RollBack, Err(Unavailable)),
        };
        let (accounts, source) = (Arc::clone(&self.accounts), self.settings.source.to_string());
        let (sender, done) = oneshot::channel();
        self.accounts.submit(job(run, move |result| {
            let done = result.flatten();
            if let Ok(done) = &done {
                note(&accounts, &source, &done.notes);
            }
            // Nobody waits any more if this fails.
            let _ = sender.send(done);
        }));
        done.await.unwrap_or(Err(Unavailable))
    }

    fn tell(&mut self, event: Event) {
        let source = &*self.settings.source;
        match event {
            Event::Unchanged => {
                tracing::debug!(source, "accounts pulled: nothing has changed");
                self.note_read();
                self.succeeded();
            }
            Event::Pulled(report) => {
                let is_whole = report.is_whole;
                self.tell_report(report);
                if is_whole {
                    self.note_read();
                } else {
                    self.tell_unread();
                }
                self.succeeded();
            }
            Event::Failed(fault) => {
                let why = match fault {
                    Fault::NotReached => std::mem::take(&mut self.why),
                    fault => fault.to_string(),
                };
                self.failed(why);
            }
            _ => {}
        }
    }

    fn tell_report(&mut self, report: Report) {
        let source = &*self.settings.source;
        let before = std::mem::take(&mut self.told);
        let refused = report.refused.len();
        for one in report.refused {
            let what = (one.kind, one.external_id, one.why);
            if !before.contains(&what) {
                let (kind, external_id, error) = (audit::kind_name(what.0), &what.1, &what.2);
                tracing::warn!(
                    source,
                    kind,
                    external_id,
                    error,
                    "not taken from the provider"
                );
                note(&self.accounts, source, &one.notes);
            }
            self.told.insert(what);
        }
        if let Some(doubt) = report.doubt {
            let error = doubt.to_string();
            tracing::warn!(
                source,
                error,
                "nobody is deleted who is missing at the provider"
            );
        }
        let counts = report.counts;
        tracing::info!(
            source,
            users = report.users,
            groups = report.groups,
            created = counts.created,
            changed = counts.changed,
            deleted = counts.deleted,
            refused,
            unknown_members = counts.strangers,
            "accounts pulled"
        );
    }

    fn succeeded(&self) {
        if let Some(pulled) = self.accounts.pulls.lock().get_mut(self.place) {
            (pulled.last, pulled.why) = (Some(now()), None);
            pulled.successes += 1;
        }
    }

    /// The source, as long as not everybody of it is known.
    fn unread(&self) -> Option<SourceId> {
        let served = self.accounts.served()?;
        let mut sources = served.sources.iter();
        let id = sources
            .find(|source| source.name == *self.settings.source)?
            .id;
        let awaits = self.accounts.held().awaits(|source| source.id == id);
        awaits.then_some(id)
    }

    /// Tells that mail for whoever is unknown waits.
    fn tell_unread(&self) {
        if self.unread().is_some() {
            let source = &*self.settings.source;
            tracing::warn!(
                source,
                "not everybody of the provider is known: mail in its domains for whoever is not waits"
            );
        }
    }

    /// Notes that everybody of the provider is known, the first time.
    fn note_read(&self) {
        let Some(id) = self.unread() else { return };
        let held = self.accounts.held();
        let note = move |session: &mut dyn Session| (Effect::Commit, session.set_read(id));
        self.accounts.submit(job(note, move |noted| {
            if noted.flatten().is_ok() {
                held.has_read(id);
            }
        }));
    }

    fn failed(&self, why: String) {
        let source = &*self.settings.source;
        tracing::warn!(
            source,
            error = why,
            "accounts not pulled: they stay as they are"
        );
        if let Some(pulled) = self.accounts.pulls.lock().get_mut(self.place) {
            pulled.why = Some(why);
            pulled.failures += 1;
        }
    }
}

fn run(
    accounts: &Accounts,
    source: &str,
    (work, ids): (&Work, &[Id; Work::IDS]),
    session: &mut dyn Session,
) -> Result<Done, Unavailable> {
    let served = accounts.served().ok_or(Unavailable)?;
    let source = served.sources.iter().find(|one| one.name == source);
    let context = Context {
        source: source.ok_or(Unavailable)?,
        base_url: "",
        routes: &served.routes,
        now: now(),
        fresh: Id::from_bytes([0; 16]),
    };
    work.run(context, ids, session)
}

/// Ids that nothing has had yet.
fn ids() -> Result<[Id; Work::IDS], Unavailable> {
    let mut ids = [Id::from_bytes([0; 16]); Work::IDS];
    for id in &mut ids {
        *id = super::fresh().map_err(|_| Unavailable)?;
    }
    Ok(ids)
}

fn note(accounts: &Accounts, source: &str, notes: &[gatepost_accounts::scim::Note]) {
    let by = audit::By {
        source,
        actor: ACTOR,
        sources: accounts.served().map_or(&[], |served| &served.sources),
    };
    for note in notes {
        audit::note(&by, note);
    }
}
