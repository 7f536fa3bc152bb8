//! A store in memory, for tests and for trying things out: nothing is kept when it is dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use crate::id::Id;
use crate::model::{Change, Event, Kind, SourceId};
use crate::name::fold;
use crate::store::{Key, Member, Owner, Record, Transaction, Unavailable, Written};
use crate::time::Timestamp;

/// A store in memory, and all its changes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    records: HashMap<Id, Record>,
    /// By kind, source and position: those that are not deleted.
    order: BTreeMap<(Kind, SourceId, u64), Id>,
    /// By kind, source and what a record is found by: those that are not deleted.
    keys: BTreeSet<(Kind, SourceId, Found, Id)>,
    owners: BTreeMap<String, Owner>,
    former_owners: HashMap<String, Owner>,
    members: HashMap<Id, BTreeSet<Id>>,
    groups: HashMap<Id, BTreeSet<Id>>,
    changes: Vec<Change>,
}

/// A [`Key`] as it is kept.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Found {
    Name(String),
    ExternalId(String),
    Subject(String),
    Email(String),
}

/// Every key of a record but its id.
fn keys(record: &Record) -> Vec<(Kind, SourceId, Found, Id)> {
    let resource = &record.resource;
    let name = Found::Name(fold(resource.name()).into_owned());
    let external_id = resource.external_id().map(str::to_owned);
    let subject = resource.subject().map(str::to_owned);
    let emails = record.emails.iter().cloned().map(Found::Email);
    let all = std::iter::once(name)
        .chain(external_id.map(Found::ExternalId))
        .chain(subject.map(Found::Subject))
        .chain(emails);
    all.map(|found| (resource.kind(), resource.source(), found, resource.id()))
        .collect()
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every change so far, in order: what an index is filled by.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Every record, deleted or not.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    fn next_sequence(&self) -> u64 {
        self.changes.last().map_or(1, |last| last.sequence + 1)
    }

    fn log(&mut self, event: Event) -> u64 {
        let sequence = self.next_sequence();
        self.changes.push(Change { sequence, event });
        sequence
    }

    fn living(&self, kind: Kind, source: SourceId, id: Id) -> Option<&Record> {
        let record = self.records.get(&id)?;
        let resource = &record.resource;
        let is_it = resource.kind() == kind
            && resource.source() == source
            && resource.life().deleted.is_none();
        is_it.then_some(record)
    }

    /// Takes a record out of everything that it is found by.
    fn unlink(&mut self, id: Id) {
        let Some(record) = self.records.get(&id) else {
            return;
        };
        let resource = &record.resource;
        let (kind, source) = (resource.kind(), resource.source());
        self.order.remove(&(kind, source, resource.life().position));
        for key in keys(record) {
            self.keys.remove(&key);
        }
        for address in resource.addresses() {
            // What somebody had before they were deleted may be another's by now.
            let owner = self.owners.get(address.as_str()).copied();
            if let Some(owner) = owner.filter(|owner| owner.account == id) {
                self.owners.remove(address.as_str());
                self.former_owners.insert(address.to_string(), owner);
            }
        }
    }

    fn link(&mut self, record: Record) {
        let resource = &record.resource;
        let (id, kind, source) = (resource.id(), resource.kind(), resource.source());
        if resource.life().deleted.is_none() {
            self.order
                .insert((kind, source, resource.life().position), id);
            self.keys.extend(keys(&record));
            for address in resource.addresses() {
                let account = id;
                self.owners
                    .insert(address.to_string(), Owner { account, source });
            }
        }
        self.records.insert(id, record);
    }

    fn put(&mut self, mut record: Record, is_new: bool) -> Written {
        let version = self.next_sequence();
        let life = record.resource.life_mut();
        life.version = version;
        if is_new {
            life.position = version;
        }
        self.unlink(record.resource.id());
        self.log(Event::Put(record.resource.clone()));
        if record.resource.life().deleted.is_some() {
            let life = *record.resource.life();
            self.leave(record.resource.id(), life.modified);
        }
        self.link(record);
        Written { version }
    }

    /// Takes something out of all groups, and everything out of it.
    fn leave(&mut self, id: Id, now: Timestamp) {
        for group in self.groups.get(&id).cloned().unwrap_or_default() {
            self.change_members(group, &[], &[id]);
            if let Some(mut group) = self.records.get(&group).cloned() {
                group.resource.life_mut().modified = now;
                self.put(group, false);
            }
        }
        let members: Vec<_> = self
            .members
            .get(&id)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        self.change_members(id, &[], &members);
    }

    fn change_members(&mut self, group: Id, added: &[Id], removed: &[Id]) -> usize {
        let members = self.members.entry(group).or_default();
        let removed: Vec<_> = removed
            .iter()
            .copied()
            .filter(|id| members.remove(id))
            .collect();
        let added: Vec<_> = added
            .iter()
            .copied()
            .filter(|id| members.insert(*id))
            .collect();
        for id in &removed {
            if let Some(groups) = self.groups.get_mut(id) {
                groups.remove(&group);
            }
        }
        for id in &added {
            self.groups.entry(*id).or_default().insert(group);
        }
        let changed = added.len() + removed.len();
        if changed > 0 {
            self.log(Event::Members {
                group,
                added,
                removed,
            });
        }
        changed
    }
}

impl Transaction for Memory {
    fn find(
        &mut self,
        kind: Kind,
        source: SourceId,
        key: Key<'_>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        let by = |found: Found| {
            let first = (kind, source, found.clone(), Id::from_bytes([0; 16]));
            let last = (kind, source, found, Id::from_bytes([0xff; 16]));
            self.keys.range(first..=last).map(|(.., id)| *id).collect()
        };
        let ids: Vec<Id> = match key {
            Key::Id(id) => vec![id],
            Key::Name(name) => by(Found::Name(name.to_owned())),
            Key::ExternalId(external_id) => by(Found::ExternalId(external_id.to_owned())),
            Key::Subject(subject) => by(Found::Subject(subject.to_owned())),
            Key::Email(email) => by(Found::Email(email.to_owned())),
            Key::Member(id) => self
                .groups
                .get(&id)
                .into_iter()
                .flatten()
                .copied()
                .collect(),
        };
        let found = ids
            .into_iter()
            .filter_map(|id| self.living(kind, source, id));
        let mut found: Vec<_> = found.cloned().collect();
        found.sort_by_key(|record| record.resource.life().position);
        found.truncate(limit);
        Ok(found)
    }

    fn positions(
        &mut self,
        kind: Kind,
        source: SourceId,
        key: Key<'_>,
        limit: usize,
    ) -> Result<Vec<u64>, Unavailable> {
        let found = self.find(kind, source, key, limit)?;
        Ok(found
            .iter()
            .map(|record| record.resource.life().position)
            .collect())
    }

    fn after(
        &mut self,
        kind: Kind,
        source: SourceId,
        position: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        let first = (kind, source, position.saturating_add(1));
        let range = self.order.range(first..=(kind, source, u64::MAX));
        let ids = range.map(|(_, id)| id).take(limit);
        Ok(ids.filter_map(|id| self.records.get(id)).cloned().collect())
    }

    fn page(
        &mut self,
        kind: Kind,
        source: SourceId,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let range = self
            .order
            .range((kind, source, 0)..=(kind, source, u64::MAX));
        let ids = range.map(|(_, id)| id).skip(offset).take(limit);
        Ok(ids.filter_map(|id| self.records.get(id)).cloned().collect())
    }

    fn count(&mut self, kind: Kind, source: SourceId) -> Result<u64, Unavailable> {
        let range = self
            .order
            .range((kind, source, 0)..=(kind, source, u64::MAX));
        Ok(range.count() as u64)
    }

    fn returned(
        &mut self,
        kind: Kind,
        source: SourceId,
        external_id: &str,
    ) -> Result<Option<Record>, Unavailable> {
        let deleted = self.records.values().filter(|record| {
            let resource = &record.resource;
            resource.life().deleted.is_some()
                && resource.kind() == kind
                && resource.source() == source
                && resource.external_id() == Some(external_id)
        });
        let last = deleted.max_by_key(|record| record.resource.life().version);
        Ok(last.cloned())
    }

    fn owner(&mut self, address: &str) -> Result<Option<Owner>, Unavailable> {
        Ok(self.owners.get(address).copied())
    }

    fn prefixed(
        &mut self,
        prefix: &str,
        is_wanted: &mut dyn FnMut(&str, Owner) -> bool,
    ) -> Result<Option<(String, Owner)>, Unavailable> {
        let all = self.owners.range(prefix.to_owned()..);
        let mut all = all.take_while(|(address, _)| address.starts_with(prefix));
        let found = all.find(|(address, owner)| is_wanted(address, **owner));
        Ok(found.map(|(address, owner)| (address.clone(), *owner)))
    }

    fn former_owner(&mut self, address: &str) -> Result<Option<Owner>, Unavailable> {
        Ok(self.former_owners.get(address).copied())
    }

    fn insert(&mut self, record: &Record) -> Result<Written, Unavailable> {
        Ok(self.put(record.clone(), true))
    }

    fn update(&mut self, record: &Record) -> Result<Written, Unavailable> {
        Ok(self.put(record.clone(), false))
    }

    fn members(
        &mut self,
        group: Id,
        after: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Member>, Unavailable> {
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let members = self.members.get(&group).into_iter();
        let rest = members.flat_map(|members| members.range((first, Bound::Unbounded)));
        let known = rest.filter_map(|id| {
            let kind = self.records.get(id)?.resource.kind();
            Some(Member { id: *id, kind })
        });
        Ok(known.take(limit).collect())
    }

    fn groups_of(&mut self, member: Id, limit: usize) -> Result<Vec<(Id, String)>, Unavailable> {
        let groups = self.groups.get(&member).into_iter().flatten();
        let named = groups.filter_map(|id| {
            let record = self.records.get(id)?;
            Some((*id, record.resource.name().to_owned()))
        });
        Ok(named.take(limit).collect())
    }

    fn unknown(&mut self, source: SourceId, ids: &[Id]) -> Result<Vec<Id>, Unavailable> {
        let is_known = |id: Id| {
            let kinds = [Kind::Account, Kind::Group];
            kinds
                .into_iter()
                .any(|kind| self.living(kind, source, id).is_some())
        };
        Ok(ids.iter().copied().filter(|id| !is_known(*id)).collect())
    }

    fn edit_members(
        &mut self,
        group: Id,
        added: &[Id],
        removed: &[Id],
    ) -> Result<usize, Unavailable> {
        Ok(self.change_members(group, added, removed))
    }

    fn replace_members(&mut self, group: Id, members: &[Id]) -> Result<usize, Unavailable> {
        let wanted: BTreeSet<_> = members.iter().copied().collect();
        let old = self.members.get(&group).cloned().unwrap_or_default();
        let added: Vec<_> = wanted.difference(&old).copied().collect();
        let removed: Vec<_> = old.difference(&wanted).copied().collect();
        Ok(self.change_members(group, &added, &removed))
    }
}
