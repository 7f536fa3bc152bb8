//! What other domains of a source would take from its accounts, and what of it is not let happen: a mistyped word is not
//! to leave most of them without an address.

use std::collections::BTreeSet;

use gatepost_accounts::model::{Kind, Resource, Source, SourceId};
use gatepost_accounts::name::{Address, Domains};
use gatepost_accounts::scim::{addresses_in, derived_by};
use gatepost_accounts::store::{Record, Unavailable};
use gatepost_store::{Session, Trouble, accounts_derived_otherwise};

use crate::config::{AccountSettings, AccountSource};

/// Accounts that are read at once.
const AT_ONCE: usize = 500;

/// Domains of a source that are kept though they are not configured any more.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The source.
    pub(crate) source: String,
    /// The domains.
    pub(crate) domains: Vec<String>,
    /// How many accounts would have no address without them.
    pub(crate) accounts: usize,
}

/// What becomes of a source's accounts in other domains.
#[derive(Default)]
struct Outcome {
    /// Accounts that have an address now.
    all: usize,
    /// Those that will have none.
    without: usize,
    /// Those whose mailbox will be another.
    moved: usize,
    /// In what domains they have addresses now.
    domains: BTreeSet<String>,
}

impl Outcome {
    fn add(&mut self, record: &Record, domains: &Domains) {
        let Resource::Account(account) = &record.resource else {
            return;
        };
        let Some(mailbox) = &account.mailbox else {
            return;
        };
        self.all += 1;
        match addresses_in(record, domains).first() {
            None => self.without += 1,
            Some(other) => self.moved += usize::from(other != mailbox),
        }
        for domain in account.addresses().map(Address::domain) {
            if !self.domains.contains(domain) {
                self.domains.insert(domain.to_owned());
            }
        }
    }

    fn is_too_much(&self, settings: &AccountSource) -> bool {
        let most = self
            .all
            .saturating_mul(settings.max_without_address_percent());
        self.without.saturating_mul(100) > most
    }
}

/// The source of `settings` with the domains that it is to have: those of the configuration, unless its accounts had
/// others and too many would have no address any more; these are kept as well then, which the log says.
///
/// # Errors
/// [`Unavailable`]: what accounts there are cannot be told.
pub(crate) fn settle(
    session: &mut dyn Session,
    settings: &AccountSource,
    id: SourceId,
) -> Result<(Source, Option<Kept>), Unavailable> {
    let mut source = settings.with_number(id);
    let known = session.source(&source.name)?;
    let derived = known.and_then(|known| known.derived);
    if derived.as_deref() == Some(&*derived_by(&source)) {
        return Ok((source, None));
    }
    let (mut outcome, mut position) = (Outcome::default(), 0);
    loop {
        let records = session.after(Kind::Account, id, position, AT_ONCE)?;
        let Some(last) = records.last() else { break };
        position = last.resource.life().position;
        for record in &records {
            outcome.add(record, &source.domains);
        }
    }
    if !outcome.is_too_much(settings) {
        return Ok((source, None));
    }
    let mut domains: Vec<String> = outcome.domains.into_iter().collect();
    domains.retain(|domain| !source.domains.contains(domain));
    tracing::error!(
        source = source.name,
        domains = domains.join(" "),
        accounts = outcome.without,
        of = outcome.all,
        "domains kept that are not configured any more: without them too many accounts would have no address; correct \
         domains, or say that it is meant by max_without_address_percent = 100"
    );
    let all = source
        .domains
        .iter()
        .chain(domains.iter().map(String::as_str));
    source.domains = all.collect();
    let kept = Kept {
        source: source.name.clone(),
        domains,
        accounts: outcome.without,
    };
    Ok((source, Some(kept)))
}

/// What the next start does to the accounts of a source whose domains have changed.
pub(crate) struct Foreseen {
    /// It, in words.
    pub(crate) text: String,
    /// What to do, where the start does not do it.
    pub(crate) advice: Option<&'static str>,
}

/// What the next start does to accounts of sources whose domains have changed; nothing is changed by looking.
///
/// # Errors
/// [`Trouble`]: the database cannot be read.
pub(crate) fn foresee(settings: &AccountSettings) -> Result<Vec<Foreseen>, Trouble> {
    let mut all = Vec::new();
    for configured in &settings.sources {
        // Its number is not looked at.
        let source = configured.with_number(SourceId(0));
        let mut outcome = Outcome::default();
        let asked = (&*source.name, &*derived_by(&source));
        accounts_derived_otherwise(settings.database(), asked, &mut |record| {
            outcome.add(record, &source.domains);
        })?;
        let Outcome {
            all: of,
            without,
            moved,
            ..
        } = outcome;
        if without + moved == 0 {
            continue;
        }
        let is_kept = outcome.is_too_much(configured);
        let would = if is_kept { "would" } else { "will" };
        all.push(Foreseen {
            text: format!(
                "domains of the source {:?}: {without} of its {of} accounts {would} have no address, and {moved} another \
                 mailbox, at the next start",
                source.name
            ),
            advice: is_kept.then_some(
                "that is not done, and the domains of before are kept: correct domains, or say that it is meant by \
                 max_without_address_percent = 100",
            ),
        });
    }
    Ok(all)
}
