//! Writes of a transaction: a resource with everything that it is found by, and members of groups.

use std::collections::BTreeSet;

use gatepost_accounts::id::Id;
use gatepost_accounts::model::{Account, Event, Resource};
use gatepost_accounts::name::{Address, fold};
use gatepost_accounts::store::{Record, Written};
use gatepost_accounts::time::Timestamp;
use rusqlite::{Result, Row, params};

use super::row::{emails, id, joined, kind_number, number, packed, record, unsigned};
use super::session::{Open, refused};
use super::statement;

/// What a resource was found by before it is written.
#[derive(Default)]
struct Before {
    position: u64,
    addresses: Vec<String>,
    emails: Vec<String>,
}

impl Before {
    fn read(row: &Row<'_>) -> Result<Self> {
        let position = unsigned(row, 0)?;
        if row.get::<_, Option<i64>>(1)?.is_some() {
            return Ok(Self {
                position,
                ..Self::default()
            });
        }
        let mailbox: Option<String> = row.get(2)?;
        let aliases: String = row.get(3)?;
        let aliases = aliases.split(' ').filter(|alias| !alias.is_empty());
        Ok(Self {
            position,
            addresses: mailbox
                .into_iter()
                .chain(aliases.map(str::to_owned))
                .collect(),
            emails: emails(row, 4)?,
        })
    }
}

impl Open<'_> {
    pub(super) fn put(&mut self, record: &Record, is_new: bool) -> Result<Written> {
        let id = record.resource.id();
        let before = self.one(statement::BEFORE, [id.as_bytes()], Before::read)?;
        let version = self.next();
        let mut resource = record.resource.clone();
        let life = resource.life_mut();
        life.version = version;
        life.position = match &before {
            _ if is_new => version,
            Some(before) => before.position,
            None => return Err(refused()),
        };
        let deleted = life.deleted.map(|_| life.modified);
        self.write(&resource, record)?;
        self.find_by(&resource, record, &before.unwrap_or_default())?;
        self.log(Event::Put(resource));
        if let Some(now) = deleted {
            self.leave(id, now)?;
            self.revoke_all(id, now)?;
        }
        Ok(Written { version })
    }

    /// Writes the row.
    fn write(&self, resource: &Resource, record: &Record) -> Result<()> {
        let account = match resource {
            Resource::Account(account) => Some(account),
            Resource::Group(_) => None,
        };
        let (id, life) = (resource.id(), resource.life());
        let emails = serde_json::to_string(&record.emails).map_err(|_| refused())?;
        let params = params![
            number(life.position),
            id.as_bytes(),
            kind_number(resource.kind()),
            resource.source().0,
            number(life.version),
            life.created.millis(),
            life.modified.millis(),
            life.deleted.map(Timestamp::millis),
            resource.external_id(),
            resource.name(),
            fold(resource.name()),
            account.and_then(|account| account.display_name.as_deref()),
            account.and_then(|account| Some(account.mailbox.as_ref()?.as_str())),
            account.map_or_else(String::new, |account| joined(&account.aliases)),
            account.map_or_else(String::new, |account| joined(&account.forwarding)),
            account.is_none_or(|account| account.active),
            account.and_then(quota),
            emails,
            record.document,
            resource.subject(),
        ];
        self.execute(statement::PUT, params)?;
        Ok(())
    }

    /// Writes what of its addresses changed.
    fn find_by(&self, resource: &Resource, record: &Record, before: &Before) -> Result<()> {
        let id = resource.id();
        let id = id.as_bytes();
        let is_living = resource.life().deleted.is_none();
        let addresses = resource.addresses().filter(|_| is_living);
        let now: BTreeSet<&str> = addresses.map(Address::as_str).collect();
        let had: BTreeSet<&str> = before.addresses.iter().map(String::as_str).collect();
        for lost in had.difference(&now) {
            self.execute(statement::LOSE_ADDRESS, params![lost, id])?;
            self.execute(statement::WAS_OWNED, params![lost, id])?;
        }
        for gained in now.difference(&had) {
            self.execute(statement::GAIN_ADDRESS, params![gained, id])?;
        }
        let emails = record.emails.iter().filter(|_| is_living);
        let now: BTreeSet<&str> = emails.map(String::as_str).collect();
        let had: BTreeSet<&str> = before.emails.iter().map(String::as_str).collect();
        for lost in had.difference(&now) {
            self.execute(statement::LOSE_EMAIL, params![lost, id])?;
        }
        for gained in now.difference(&had) {
            self.execute(statement::GAIN_EMAIL, params![gained, id])?;
        }
        Ok(())
    }

    /// Takes something out of all groups, and everything out of it.
    fn leave(&mut self, member: Id, now: Timestamp) -> Result<()> {
        let groups = self.several(statement::GROUPS, [member.as_bytes()], |row| id(row, 0))?;
        for group in groups {
            self.change_members(group, &[], &[member])?;
            let found = self.one(statement::ANY_BY_ID, [group.as_bytes()], record)?;
            if let Some(mut group) = found {
                group.resource.life_mut().modified = now;
                self.put(&group, false)?;
            }
        }
        self.set_members(member, &[])?;
        Ok(())
    }

    pub(super) fn set_members(&mut self, group: Id, members: &[Id]) -> Result<usize> {
        let old = self.several(statement::ALL_MEMBERS, [group.as_bytes()], |row| id(row, 0))?;
        let old: BTreeSet<_> = old.into_iter().collect();
        let wanted: BTreeSet<_> = members.iter().copied().collect();
        let added: Vec<_> = wanted.difference(&old).copied().collect();
        let removed: Vec<_> = old.difference(&wanted).copied().collect();
        self.change_members(group, &added, &removed)
    }

    pub(super) fn change_members(
        &mut self,
        group: Id,
        added: &[Id],
        removed: &[Id],
    ) -> Result<usize> {
        let removed = self.edited(statement::LEAVE, group, removed)?;
        let added = self.edited(statement::JOIN, group, added)?;
        let changed = added.len().saturating_add(removed.len());
        if changed == 0 {
            return Ok(0);
        }
        let sequence = number(self.next());
        let (came, went) = (packed(&added), packed(&removed));
        let params = params![sequence, group.as_bytes(), came, went];
        self.execute(statement::LOG_MEMBERS, params)?;
        let logged = came.len().saturating_add(went.len()) as u64;
        self.logged = self.logged.saturating_add(logged);
        self.log(Event::Members {
            group,
            added,
            removed,
        });
        Ok(changed)
    }

    /// Edits the table of members; gives those for whom that changed anything.
    fn edited(&self, statement: &str, group: Id, members: &[Id]) -> Result<Vec<Id>> {
        let mut statement = self.connection.prepare_cached(statement)?;
        let mut changed = Vec::new();
        for member in members {
            if statement.execute([group.as_bytes(), member.as_bytes()])? > 0 {
                changed.push(*member);
            }
        }
        Ok(changed)
    }
}

/// A quota as it is kept: as bits, since a database has signed numbers only.
fn quota(account: &Account) -> Option<i64> {
    account.quota.map(u64::cast_signed)
}
