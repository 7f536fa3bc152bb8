//! Groups and their members.

use std::collections::{HashMap, HashSet};

use crate::id::Id;
use crate::model::{Group, SourceId};

/// Groups, who is in them, and who is in which.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    known: HashMap<Id, Listed>,
    /// By source and display name, in lower case.
    names: HashMap<(SourceId, Box<str>), Id>,
    /// The groups that something is in.
    of_member: HashMap<Id, Vec<Id>>,
}

#[derive(Clone, Debug)]
struct Listed {
    source: SourceId,
    name: Box<str>,
    version: u64,
    /// In order.
    members: Vec<Id>,
}

impl Groups {
    /// A group is this now.
    pub(super) fn put(&mut self, group: &Group) {
        let old = self.known.get(&group.id);
        if old.is_some_and(|old| old.version > group.life.version) {
            return;
        }
        let members = self.remove_name(group.id);
        if group.life.deleted.is_some() {
            self.members(group.id, &[], &members);
            self.known.remove(&group.id);
            return;
        }
        let key = (group.source, group.display_name.to_ascii_lowercase().into());
        self.names.insert(key, group.id);
        let listed = Listed {
            source: group.source,
            name: group.display_name.as_str().into(),
            version: group.life.version,
            members,
        };
        self.known.insert(group.id, listed);
    }

    /// Forgets what a group is called; gives its members.
    fn remove_name(&mut self, id: Id) -> Vec<Id> {
        let Some(old) = self.known.get(&id) else {
            return Vec::new();
        };
        let key = (old.source, old.name.to_ascii_lowercase().into());
        if self.names.get(&key) == Some(&id) {
            self.names.remove(&key);
        }
        old.members.clone()
    }

    /// A group has other members now. One that is not known has none.
    pub(super) fn members(&mut self, group: Id, added: &[Id], removed: &[Id]) {
        let Some(listed) = self.known.get_mut(&group) else {
            return;
        };
        let gone: HashSet<_> = removed.iter().collect();
        listed.members.retain(|member| !gone.contains(member));
        listed.members.extend(added);
        listed.members.sort_unstable();
        listed.members.dedup();
        for member in removed {
            if let Some(groups) = self.of_member.get_mut(member) {
                groups.retain(|one| *one != group);
                if groups.is_empty() {
                    self.of_member.remove(member);
                }
            }
        }
        for member in added {
            let groups = self.of_member.entry(*member).or_default();
            if !groups.contains(&group) {
                groups.push(group);
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
            let listed = self.known.get(&group);
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
        let (mut seen, mut waiting) = (HashSet::new(), vec![member]);
        let mut names = Vec::new();
        while let Some(one) = waiting.pop() {
            for group in self.of_member.get(&one).into_iter().flatten() {
                if seen.insert(*group) {
                    waiting.push(*group);
                    names.extend(self.known.get(group).map(|listed| &*listed.name));
                }
            }
        }
        names.sort_unstable();
        names
    }
}
