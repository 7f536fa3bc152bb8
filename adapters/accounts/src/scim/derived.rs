//! What an account has by its content and by the domains of its source: its addresses. Where the domains are others than
//! those by which the accounts of a source have their addresses, all of them are derived anew.

use super::resource::{addresses, content};
use super::{Call, Context, Effect, Note, Request};
use crate::model::{Kind, Resource, Source};
use crate::name::{Address, Domains};
use crate::store::{Record, Transaction, Unavailable};

/// Counts the rules that make addresses of a content: they have changed where this has.
const RULES: u32 = 1;

/// Accounts that are looked at in one transaction.
const AT_ONCE: usize = 500;

/// What the addresses of a source's accounts are derived by, as a text to be compared.
#[must_use]
pub fn derived_by(source: &Source) -> String {
    let domains: Vec<_> = source.domains.iter().collect();
    format!("{RULES} {}", domains.join(" "))
}

/// The addresses that an account would have in these domains, were they nobody else's; the mailbox comes first.
#[must_use]
pub fn addresses_in(record: &Record, domains: &Domains) -> Vec<Address> {
    addresses(&content(record), domains)
}

/// A part of deriving anew. All sources do the first before any does the second: so a domain can move from one to
/// another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Addresses are given up that are in none of the domains any more.
    GiveUp,
    /// Addresses are taken that nobody has.
    Take,
}

/// What came of some accounts.
#[derive(Clone, Debug)]
pub struct Derived {
    /// Behind which position the next ones are, if there may be any.
    pub next: Option<u64>,
    /// What becomes of the transaction.
    pub effect: Effect,
    /// What the operator is told; [`Note::AddressTaken`] of each address that an account is left without.
    pub notes: Vec<Note>,
}

/// Derives the addresses of a source's accounts behind the position `after`, of as many as one transaction has room for.
///
/// # Errors
/// [`Unavailable`]: the store cannot be asked, or does not keep it. What was written has to be undone.
pub fn derive(
    context: Context<'_>,
    step: Step,
    after: u64,
    store: &mut dyn Transaction,
) -> Result<Derived, Unavailable> {
    let records = store.after(Kind::Account, context.source.id, after, AT_ONCE)?;
    let next = records.last().map(|last| last.resource.life().position);
    let mut call = Call::new(Request::default(), context, store);
    for old in &records {
        call.derive(old, step)?;
    }
    Ok(Derived {
        next,
        effect: if call.has_written {
            Effect::Commit
        } else {
            Effect::Nothing
        },
        notes: call.notes,
    })
}

impl Call<'_> {
    fn derive(&mut self, old: &Record, step: Step) -> Result<(), Unavailable> {
        let mut record = old.clone();
        let Resource::Account(account) = &mut record.resource else {
            return Ok(());
        };
        let before: Vec<Address> = account.addresses().cloned().collect();
        let mut derived = addresses(&content(old), &self.context.source.domains);
        if step == Step::GiveUp {
            derived.retain(|address| before.contains(address));
        }
        account.set_addresses(derived);
        account.life.modified = self.context.now;
        let id = account.id;
        let taken = self.leave_taken(&mut record.resource, &old.resource)?;
        self.notes.extend(taken);
        let after: Vec<Address> = record.resource.addresses().cloned().collect();
        if after == before {
            return Ok(());
        }
        let reused = self.reused(&record.resource, Some(&old.resource))?;
        self.has_written = true;
        self.store.update(&record)?;
        self.notes.push(Note::Derived { id, before, after });
        self.notes.extend(reused);
        Ok(())
    }
}
