//! Groups and their members.

use std::collections::{HashMap, HashSet};

use crate::id::Id;
use crate::model::{Group, SourceId};

/// Groups, who is in them, and who is in which.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    slots: Vec<Option<Listed>>,
    free: Vec<u32>,
    known: HashMap<Id, u32>,
    /// By source and display name, in lower case.
    names: HashMap<(SourceId, Box<str>), Id>,
    /// The groups that something is in.
    of_member: HashMap<Id, Several>,
}

#[derive(Clone, Debug)]
struct Listed {
    id: Id,
    source: SourceId,
    name: Box<str>,
    version: u64,
    /// In order.
    members: Vec<Id>,
}

/// Slots, of which there is one for most.
#[derive(Clone, Debug)]
enum Several {
    One(u32),
    More(Box<[u32]>),
}

impl Several {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(slot) => std::slice::from_ref(slot),
            Self::More(slots) => slots,
        }
    }

    fn of(slots: Vec<u32>) -> Option<Self> {
        match slots.as_slice() {
            [] => None,
            [one] => Some(Self::One(*one)),
            _ => Some(Self::More(slots.into())),
        }
    }
}

impl Groups {
    /// A group is this now.
    pub(super) fn put(&mut self, group: &Group) {
        let old = self.slot(group.id).and_then(|slot| self.at(slot));
        if old.is_some_and(|old| old.version > group.life.version) {
            return;
        }
        if group.life.deleted.is_some() {
            self.remove(group.id);
            return;
        }
        self.forget_name(group.id);
        let folded = group.display_name.to_ascii_lowercase();
        self.names.insert((group.source, folded.into()), group.id);
        let slot = self.slot(group.id).or_else(|| self.new_slot(group.id));
        let place = slot.and_then(|slot| self.slots.get_mut(slot as usize));
        let Some(place) = place else { return };
        let members = place.take().map(|old| old.members);
        *place = Some(Listed {
            id: group.id,
            source: group.source,
            name: group.display_name.as_str().into(),
            version: group.life.version,
            members: members.unwrap_or_default(),
        });
    }

    fn slot(&self, id: Id) -> Option<u32> {
        self.known.get(&id).copied()
    }

    fn at(&self, slot: u32) -> Option<&Listed> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// A slot for a group; `None` only for the four thousand millionth.
    fn new_slot(&mut self, id: Id) -> Option<u32> {
        let slot = self.free.pop();
        let slot = slot.or_else(|| {
            let slot = u32::try_from(self.slots.len()).ok()?;
            self.slots.push(None);
            Some(slot)
        })?;
        self.known.insert(id, slot);
        Some(slot)
    }

    /// Forgets what a group is called.
    fn forget_name(&mut self, id: Id) {
        let Some(old) = self.slot(id).and_then(|slot| self.at(slot)) else {
            return;
        };
        let key = (old.source, old.name.to_ascii_lowercase().into());
        if self.names.get(&key) == Some(&id) {
            self.names.remove(&key);
        }
    }

    fn remove(&mut self, id: Id) {
        self.forget_name(id);
        let Some(slot) = self.known.remove(&id) else {
            return;
        };
        let old = self.slots.get_mut(slot as usize).and_then(Option::take);
        for member in old.into_iter().flat_map(|old| old.members) {
            self.leave(member, slot);
        }
        self.free.push(slot);
    }

    /// A group has other members now. One that is not known has none.
    pub(super) fn members(&mut self, group: Id, added: &[Id], removed: &[Id]) {
        let Some(slot) = self.slot(group) else { return };
        if let Some(Some(listed)) = self.slots.get_mut(slot as usize) {
            let gone: HashSet<_> = removed.iter().collect();
            listed.members.retain(|member| !gone.contains(member));
            listed.members.extend(added);
            listed.members.sort_unstable();
            listed.members.dedup();
        }
        for member in removed {
            self.leave(*member, slot);
        }
        for member in added {
            self.join(*member, slot);
        }
    }

    fn leave(&mut self, member: Id, group: u32) {
        let old = self.of_member.remove(&member);
        let old = old.iter().flat_map(Several::as_slice);
        let rest = old.copied().filter(|one| *one != group).collect();
        if let Some(rest) = Several::of(rest) {
            self.of_member.insert(member, rest);
        }
    }

    fn join(&mut self, member: Id, group: u32) {
        let old = self.of_member.get(&member).map(Several::as_slice);
        let old = old.unwrap_or_default();
        if !old.contains(&group) {
            let all = old.iter().copied().chain([group]).collect();
            if let Some(all) = Several::of(all) {
                self.of_member.insert(member, all);
            }
        }
    }

    /// The group of a source that is called so, in lower case.
    pub(super) fn named(&self, source: SourceId, name: &str) -> Option<Id> {
        self.names.get(&(source, name.into())).copied()
    }

    /// Everything in a group, and in the groups in it, each once.
    pub(super) fn all_members(&self, group: Id) -> Vec<Id> {
        let (mut seen, mut waiting) = (HashSet::from([group]), vec![group]);
        let mut members = Vec::new();
        while let Some(group) = waiting.pop() {
            let listed = self.slot(group).and_then(|slot| self.at(slot));
            for member in listed.iter().flat_map(|listed| &listed.members) {
                if !seen.insert(*member) {
                    continue;
                }
                if self.known.contains_key(member) {
                    waiting.push(*member);
                } else {
                    members.push(*member);
                }
            }
        }
        members
    }

    /// The names of all groups that something is in, itself or through another group, in order.
    pub(super) fn names_of(&self, member: Id) -> Vec<&str> {
        let direct = self.of_member.get(&member).map(Several::as_slice);
        let mut waiting = direct.unwrap_or_default().to_vec();
        let mut seen: HashSet<u32> = waiting.iter().copied().collect();
        let mut names = Vec::new();
        while let Some(slot) = waiting.pop() {
            names.extend(self.at(slot).map(|listed| &*listed.name));
            for outer in self.outer(slot) {
                if seen.insert(*outer) {
                    waiting.push(*outer);
                }
            }
        }
        names.sort_unstable();
        names
    }

    /// The groups that a group is in.
    fn outer(&self, slot: u32) -> &[u32] {
        let id = self.at(slot).map(|listed| listed.id);
        let outer = id.and_then(|id| self.of_member.get(&id));
        outer.map(Several::as_slice).unwrap_or_default()
    }
}
