//! Whose account a good token opens: told from memory. The store is asked only where an account is to be created, or
//! given to a token's subject once, and only that login waits for it.

use std::sync::Arc;
use std::time::Duration;

use gatepost_accounts::index::Entry;
use gatepost_accounts::login::{self, Binding, Join, Strangers, User};
use gatepost_accounts::model::Source;
use gatepost_accounts::scim::{Answer, Context, Effect};
use gatepost_accounts::store::Unavailable;
use gatepost_core::dovecot::Origin;
use gatepost_core::exchange::{AccountQuery, PasswordQuery};
use gatepost_store::{Session, job};
use gatepost_tokio::{Account, Found, FoundPassword};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Accounts, fresh, now};
use crate::log::audit;

/// How long a login waits for its account to be created or bound.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the lines of changes name as who made them.
const ACTOR: &str = "login";

/// Finds the accounts of logins.
pub(crate) struct Logins(Arc<Accounts>);

/// What the index says of a login.
enum Look {
    Settled(Found),
    /// A write settles it.
    Unsettled(Write),
}

/// What a login has the store do.
enum Write {
    Bind(Binding),
    /// An account of the source at this place.
    Create(usize),
}

impl Logins {
    pub(crate) fn of(accounts: &Arc<Accounts>) -> Self {
        Self(Arc::clone(accounts))
    }
}

impl gatepost_tokio::Accounts for Logins {
    async fn find(&self, provider: &str, query: AccountQuery<'_>) -> Found {
        let user = User {
            subject: query.subject,
            name: query.name,
            address: query.address,
        };
        let written = match self.look(provider, &user) {
            Look::Settled(found) => return found,
            Look::Unsettled(Write::Bind(binding)) => self.bind(binding).await,
            Look::Unsettled(Write::Create(place)) => self.create(place, &user).await,
        };
        match (written, self.look(provider, &user)) {
            (Err(Unavailable), _) => Found::Unavailable,
            (Ok(()), Look::Settled(found)) => found,
            // It may not be created.
            (Ok(()), Look::Unsettled(_)) => Found::Unknown,
        }
    }

    fn keeps_passwords(&self) -> bool {
        self.0.app_passwords.are_kept()
    }

    fn find_password(&self, query: PasswordQuery<'_>, origin: Option<&Origin>) -> FoundPassword {
        self.0.find_password(query, origin)
    }
}

impl Logins {
    fn look(&self, provider: &str, user: &User<'_>) -> Look {
        let accounts = &self.0;
        let Some(served) = accounts.served() else {
            return Look::Settled(Found::Unavailable);
        };
        let joined: Vec<_> = accounts.joined(provider).collect();
        let sources: Vec<(&Source, Join)> = joined.iter().map(|(_, one)| *one).collect();
        let strangers = accounts.settings.strangers();
        let aliases_log_in = accounts.settings.aliases_log_in();
        let may_come = accounts.held.awaits(|unread| {
            let mut sources = sources.iter();
            sources.any(|(source, _)| source.id == unread.id)
        });
        let looked = accounts.held.loaded(|index| {
            let found = login::find((index, &served.routes), &sources, strangers, user);
            // A database in which nobody ever was may be a new one in the place of one that was lost.
            let is_anything_known = index.sequence() > 0 || strangers != Strangers::Refuse;
            Look::Settled(match found {
                login::Found::Known(entry) => Found::Known(account(entry, aliases_log_in)),
                login::Found::Unbound(entry) => {
                    return Look::Unsettled(Write::Bind(Binding {
                        source: entry.source(),
                        account: entry.id(),
                        subject: user.subject.unwrap_or_default().to_owned(),
                        address: user.address.unwrap_or_default().to_owned(),
                    }));
                }
                login::Found::Missing(nth) => {
                    let place = joined.get(nth).map_or(0, |(place, _)| *place);
                    return Look::Unsettled(Write::Create(place));
                }
                _ if !is_anything_known => Found::Unavailable,
                login::Found::Stranger => Found::Stranger,
                login::Found::Unknown if may_come => Found::Unavailable,
                login::Found::Unknown => Found::Unknown,
                login::Found::AddressTaken => Found::AddressTaken,
            })
        });
        looked.unwrap_or(Look::Settled(Found::Unavailable))
    }

    /// Gives an account to a subject, once.
    async fn bind(&self, binding: Binding) -> Result<(), Unavailable> {
        let accounts = Arc::clone(&self.0);
        let told = binding.clone();
        self.write(
            move |session| match login::bind(session, &binding) {
                Ok(effect) => (effect, Ok(effect)),
                Err(Unavailable) => (Effect::RollBack, Err(Unavailable)),
            },
            move |effect| {
                if effect == Effect::Commit {
                    let sources = accounts.served().map(|served| &*served.sources);
                    audit::bound(sources.unwrap_or_default(), &told);
                }
            },
        )
        .await
    }

    /// Makes an account, as though its source had pushed it.
    async fn create(&self, place: usize, user: &User<'_>) -> Result<(), Unavailable> {
        let fresh = fresh().map_err(|_| Unavailable)?;
        let accounts = Arc::clone(&self.0);
        let subject = user.subject.map(str::to_owned);
        let name = user.name.to_owned();
        let work = move |session: &mut dyn Session| {
            let served = accounts.served().ok_or(Unavailable)?;
            let source = served.sources.get(place).ok_or(Unavailable)?;
            let context = Context {
                source,
                base_url: "",
                routes: &served.routes,
                now: now(),
                fresh,
            };
            let user = User {
                subject: subject.as_deref(),
                name: &name,
                address: None,
            };
            login::create(session, context, &user)
        };
        let accounts = Arc::clone(&self.0);
        self.write(
            move |session| match work(session) {
                Ok(made) => (made.as_ref().map_or(Effect::Nothing, effect), Ok(made)),
                Err(Unavailable) => (Effect::RollBack, Err(Unavailable)),
            },
            move |made| {
                if let (Some(answer), Some(served)) = (made, accounts.served()) {
                    let source = served.sources.get(place);
                    let by = audit::By {
                        source: source.map_or("", |source| &source.name),
                        actor: ACTOR,
                        sources: &served.sources,
                    };
                    answer.notes.iter().for_each(|note| audit::note(&by, note));
                }
            },
        )
        .await
    }

    /// Has the store do `work`, and waits for it; what it kept is `told`, whoever is left to hear of it.
    async fn write<V: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Session) -> (Effect, Result<V, Unavailable>) + Send + 'static,
        told: impl FnOnce(V) + Send + 'static,
    ) -> Result<(), Unavailable> {
        let (sender, done) = oneshot::channel();
        self.0.submit(job(work, move |result| {
            // Nobody waits any more if this fails.
            let _ = sender.send(result.flatten().map(told));
        }));
        let done = timeout(PATIENCE, done).await.ok();
        done.and_then(Result::ok).unwrap_or(Err(Unavailable))
    }
}

fn effect(answer: &Answer) -> Effect {
    answer.effect
}

pub(super) fn account(entry: &Entry, aliases_log_in: bool) -> Account {
    Account {
        id: entry.id().to_string(),
        is_active: entry.is_active(),
        mailbox: entry.mailbox().map(str::to_owned),
        aliases: entry.aliases().map(str::to_owned).collect(),
        aliases_log_in,
    }
}
