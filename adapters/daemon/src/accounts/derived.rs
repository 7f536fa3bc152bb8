//! Accounts whose source has other domains than at the last start: all of them get the addresses of those that it has now.

use std::collections::HashSet;
use std::sync::Arc;

use gatepost_accounts::id::Id;
use gatepost_accounts::model::{Source, SourceId};
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::{Context, Derived, Effect, Note, Step, derive, derived_by};
use gatepost_accounts::store::Unavailable;
use gatepost_store::{Session, Sqlite, run};

use super::{Kept, fresh, now, settle};
use crate::config::AccountSource;
use crate::log::audit;

/// What the lines of changes name as who made them.
const ACTOR: &str = "start";

/// What the accounts of all sources are derived by now.
struct Deriving<'d> {
    store: &'d Sqlite,
    sources: Arc<[Source]>,
    routes: Arc<Routes>,
}

/// The sources of these numbers with the domains that they are to have, and what of it is not configured.
pub(super) fn settled(
    store: &Sqlite,
    configured: &[AccountSource],
    numbers: Vec<SourceId>,
) -> Result<(Vec<Source>, Vec<Kept>), Unavailable> {
    let configured = configured.to_vec();
    let settled = run(store, move |session| {
        let all = configured.iter().zip(numbers);
        let settled = all.map(|(configured, id)| settle(session, configured, id));
        let settled: Result<Vec<_>, _> = settled.collect();
        (Effect::Nothing, settled)
    })??;
    let (sources, kept): (Vec<_>, Vec<_>) = settled.into_iter().unzip();
    Ok((sources, kept.into_iter().flatten().collect()))
}

/// Derives the accounts of those of `sources` that have changed, in transactions of some accounts each. A source of
/// which some account is left without an address that another has is done again at the next start.
pub(super) fn catch_up(
    store: &Sqlite,
    sources: &[Source],
    routes: &Routes,
) -> Result<(), Unavailable> {
    let deriving = Deriving {
        store,
        sources: sources.into(),
        routes: Arc::new(routes.clone()),
    };
    let all = Arc::clone(&deriving.sources);
    let stale = run(store, move |session| {
        let stale = forget_others(session, &all);
        let is_current = stale.as_ref().is_ok_and(Vec::is_empty);
        let effect = if is_current {
            Effect::Nothing
        } else {
            Effect::Commit
        };
        (effect, stale)
    })??;
    let mut stale: Vec<_> = stale
        .into_iter()
        .map(|place| (place, HashSet::new()))
        .collect();
    for step in [Step::GiveUp, Step::Take] {
        for (place, without) in &mut stale {
            deriving.all(*place, step, without)?;
        }
    }
    for (place, without) in stale {
        if !without.is_empty() {
            tracing::warn!(
                source = sources.get(place).map(|source| &*source.name),
                accounts = without.len(),
                "accounts have no address any more, for their source has other domains: mail for them is refused"
            );
        }
    }
    Ok(())
}

/// The places of the sources whose accounts were derived by something else, or may have been: that is noted.
pub(crate) fn forget_others(
    session: &mut dyn Session,
    sources: &[Source],
) -> Result<Vec<usize>, Unavailable> {
    let mut stale = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let known = session.source(&source.name)?;
        let derived = known.and_then(|known| known.derived);
        if derived.as_deref() == Some(&*derived_by(source)) {
            continue;
        }
        stale.push(place);
        if derived.is_some() {
            session.set_derived(source.id, None)?;
        }
    }
    Ok(stale)
}

impl Deriving<'_> {
    /// Does a step for all accounts of a source; notes which are left without any address.
    fn all(&self, place: usize, step: Step, without: &mut HashSet<Id>) -> Result<(), Unavailable> {
        let mut next = Some(0);
        let mut is_complete = true;
        while let Some(after) = next {
            let derived = self.some(place, step, after)?;
            next = derived.next;
            for note in &derived.notes {
                is_complete &= !matches!(note, Note::AddressTaken { .. });
                if let Note::Derived { id, after, .. } = note {
                    if after.is_empty() {
                        without.insert(*id);
                    } else {
                        without.remove(id);
                    }
                }
                self.tell(place, note);
            }
        }
        match self
            .sources
            .get(place)
            .filter(|_| is_complete && step == Step::Take)
        {
            None => Ok(()),
            Some(source) => {
                let (id, by) = (source.id, derived_by(source));
                run(self.store, move |session| {
                    (Effect::Commit, session.set_derived(id, Some(&by)))
                })?
            }
        }
    }

    /// Does a step for as many accounts as one transaction has room for.
    fn some(&self, place: usize, step: Step, after: u64) -> Result<Derived, Unavailable> {
        let (sources, routes) = (Arc::clone(&self.sources), Arc::clone(&self.routes));
        let fresh = fresh().map_err(|_| Unavailable)?;
        let work = move |session: &mut dyn Session| {
            let context = Context {
                source: sources.get(place).ok_or(Unavailable)?,
                base_url: "",
                routes: &routes,
                now: now(),
                fresh,
            };
            derive(context, step, after, session)
        };
        run(self.store, move |session| match work(session) {
            Ok(derived) => (derived.effect, Ok(derived)),
            Err(Unavailable) => (Effect::RollBack, Err(Unavailable)),
        })?
    }

    fn tell(&self, place: usize, note: &Note) {
        let source = self.sources.get(place).map(|source| &*source.name);
        let by = audit::By {
            source: source.unwrap_or_default(),
            actor: ACTOR,
            sources: &self.sources,
        };
        audit::note(&by, note);
    }
}
