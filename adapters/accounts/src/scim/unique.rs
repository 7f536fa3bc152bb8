//! What only one may have: names, external ids, and addresses over all sources.

use super::refusal::{Refusal, ScimType, quoted};
use super::{Call, Note};
use crate::id::Id;
use crate::model::{Kind, Resource};
use crate::name::{Address, fold};
use crate::store::{Key, Owner, Unavailable};

impl Call<'_> {
    /// Refuses what only one may have, and another has.
    pub(super) fn check_unique(
        &mut self,
        new: &Resource,
        old: Option<&Resource>,
    ) -> Result<(), Refusal> {
        let (kind, source) = (new.kind(), self.context.source.id);
        let name = fold(new.name());
        let (attribute, what) = match kind {
            Kind::Account => ("userName", "a user"),
            Kind::Group => ("displayName", "a group"),
        };
        let keys = [
            Some((attribute, Key::Name(&name))),
            new.external_id()
                .map(|id| ("externalId", Key::ExternalId(id))),
        ];
        for (attribute, key) in keys.into_iter().flatten() {
            let found = self.store.find(kind, source, key, 2)?;
            if found.iter().any(|record| record.resource.id() != new.id()) {
                let detail = format!("there is {what} of this {attribute} already");
                return Err(Refusal::new(ScimType::Uniqueness, detail));
            }
        }
        let had =
            |address: &&Address| old.is_none_or(|old| !old.addresses().any(|one| one == *address));
        for address in new.addresses().filter(had) {
            self.check_address(address, new.id())?;
        }
        Ok(())
    }

    fn check_address(&mut self, address: &Address, id: Id) -> Result<(), Refusal> {
        address.check_new().map_err(|why| {
            let address = quoted(address.as_str());
            Refusal::value(format!("\"{address}\" cannot be an address here: {why}"))
        })?;
        let Some(taken) = self.taken(address, id)? else {
            return Ok(());
        };
        let detail = match &taken {
            // What extensions others have is not told.
            Note::AddressTaken { held, .. } if held.len() > address.as_str().len() => {
                let address = quoted(address.as_str());
                format!("another has an extension of the address {address} already")
            }
            Note::AddressTaken { held, .. } if *held != address.as_str() => {
                let (address, held) = (quoted(address.as_str()), quoted(held));
                format!(
                    "the address {address} is an extension of {held}, which is another's already"
                )
            }
            _ => {
                let address = quoted(address.as_str());
                format!("the address {address} is another's already")
            }
        };
        self.notes.push(taken);
        Err(Refusal::new(ScimType::Uniqueness, detail))
    }

    /// A note of who has an address, what it is an extension of, or an extension of it, if that is not the account `id`.
    fn taken(&mut self, address: &Address, id: Id) -> Result<Option<Note>, Unavailable> {
        let (routes, text) = (self.context.routes, address.as_str());
        let taken = |held: String, owner| Note::AddressTaken {
            address: address.clone(),
            held,
            owner,
        };
        for held in routes.with_base(text) {
            let owner = self.store.owner(&held)?;
            let owner = owner.filter(|owner| owner.account != id);
            if owner.is_some() || routes.has(&held) {
                return Ok(Some(taken(held.into_owned(), owner)));
            }
        }
        let mut is_anothers = |one: &str, owner: Owner| {
            let base = routes.delimiters.without_extension(one);
            owner.account != id && base.as_deref() == Some(text)
        };
        for prefix in routes.delimiters.prefixes(text) {
            let found = self.store.prefixed(&prefix, &mut is_anothers)?;
            if let Some((held, owner)) = found {
                return Ok(Some(taken(held, Some(owner))));
            }
        }
        Ok(None)
    }

    /// Leaves an account without the addresses that it had not and another has; notes of those.
    pub(super) fn leave_taken(
        &mut self,
        new: &mut Resource,
        old: &Resource,
    ) -> Result<Vec<Note>, Unavailable> {
        let Resource::Account(account) = new else {
            return Ok(Vec::new());
        };
        let (mut notes, mut left) = (Vec::new(), Vec::new());
        for address in account.addresses() {
            let is_known = old.addresses().any(|one| one == address);
            if !is_known && address.check_new().is_err() {
                continue;
            }
            let taken = if is_known {
                None
            } else {
                self.taken(address, account.id)?
            };
            match taken {
                Some(taken) => notes.push(taken),
                None => left.push(address.clone()),
            }
        }
        account.set_addresses(left);
        Ok(notes)
    }

    /// Notes of addresses that come from somebody else.
    pub(super) fn reused(
        &mut self,
        new: &Resource,
        old: Option<&Resource>,
    ) -> Result<Vec<Note>, Unavailable> {
        let mut notes = Vec::new();
        for address in new.addresses() {
            if old.is_some_and(|old| old.addresses().any(|one| one == address)) {
                continue;
            }
            let before: Option<Owner> = self.store.former_owner(address.as_str())?;
            if let Some(before) = before.filter(|before| before.account != new.id()) {
                notes.push(Note::AddressReused {
                    address: address.clone(),
                    before,
                    now: new.id(),
                });
            }
        }
        Ok(notes)
    }
}
