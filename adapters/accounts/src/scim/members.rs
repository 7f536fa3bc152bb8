//! What a request makes of the members of a group: an edit of a table, however large the group is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::filter::{Comparison, Expression, Operator};
use super::refusal::{Refusal, ScimType, quoted};
use crate::id::Id;
use crate::model::SourceId;
use crate::store::{Transaction, Unavailable};

/// Who comes and who goes, once all operations of a request are read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct MemberEdits {
    /// Whether all who were there before go.
    is_replaced: bool,
    /// Whether each comes, or goes.
    changes: BTreeMap<Id, bool>,
}

impl MemberEdits {
    /// Adds members, as `[{"value": "ID"}]`.
    pub(crate) fn add(&mut self, value: &Value) -> Result<(), Refusal> {
        for id in ids(value)? {
            let id = id.ok_or_else(|| unknown(value))?;
            self.changes.insert(id, true);
        }
        Ok(())
    }

    /// Takes members away, as `[{"value": "ID"}]`. An id that is none of ours is nobody's.
    pub(crate) fn remove(&mut self, value: &Value) -> Result<(), Refusal> {
        for id in ids(value)?.into_iter().flatten() {
            self.changes.insert(id, false);
        }
        Ok(())
    }

    /// Takes those away that a filter names.
    pub(crate) fn remove_matching(&mut self, filter: &Expression) -> Result<(), Refusal> {
        match filter {
            Expression::Or(any) => any.iter().try_for_each(|one| self.remove_matching(one)),
            Expression::Compare(Comparison {
                operator: Operator::Equal,
                operand,
                ..
            }) => {
                if let Some(id) = operand.as_text().and_then(Id::parse) {
                    self.changes.insert(id, false);
                }
                Ok(())
            }
            _ => Err(Refusal::new(
                ScimType::InvalidFilter,
                "members are chosen by value eq and an id only",
            )),
        }
    }

    /// Takes everybody away who has been there so far.
    pub(crate) fn clear(&mut self) {
        self.is_replaced = true;
        self.changes.clear();
    }

    fn those(&self, comes: bool) -> Vec<Id> {
        let changes = self.changes.iter();
        changes
            .filter(|(_, change)| **change == comes)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Refuses members that the source does not have.
    pub(crate) fn check(
        &self,
        group: Option<Id>,
        source: SourceId,
        store: &mut dyn Transaction,
    ) -> Result<(), Refusal> {
        let added = self.those(true);
        if group.is_some_and(|group| added.contains(&group)) {
            return Err(Refusal::value(
                "members: a group cannot be a member of itself",
            ));
        }
        if added.is_empty() {
            return Ok(());
        }
        match store.unknown(source, &added)?.first() {
            Some(id) => Err(nobody(&id.to_string())),
            None => Ok(()),
        }
    }

    /// Does it. Gives how many members came or went.
    pub(crate) fn apply(
        &self,
        group: Id,
        store: &mut dyn Transaction,
    ) -> Result<usize, Unavailable> {
        let added = self.those(true);
        if self.is_replaced {
            return store.replace_members(group, &added);
        }
        let removed = self.those(false);
        if added.is_empty() && removed.is_empty() {
            return Ok(0);
        }
        store.edit_members(group, &added, &removed)
    }
}

fn nobody(id: &str) -> Refusal {
    Refusal::value(format!("members: there is no user or group {}", quoted(id)))
}

/// A refusal of the first value that is no id.
fn unknown(value: &Value) -> Refusal {
    let of_one = |one: &Value| written_id(one).map(str::to_owned);
    let written: Vec<_> = match value {
        Value::Array(several) => several.iter().filter_map(of_one).collect(),
        one => of_one(one).into_iter().collect(),
    };
    let odd = written.iter().find(|text| Id::parse(text).is_none());
    nobody(odd.map_or("", String::as_str))
}

/// The ids of members; `None` for what is not written as an id of ours is. A member may be a text alone.
fn ids(value: &Value) -> Result<Vec<Option<Id>>, Refusal> {
    let one = |value: &Value| match written_id(value) {
        Some(text) => Ok(Id::parse(text)),
        None => Err(Refusal::value("members: a member without value")),
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(several) => several.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn written_id(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Object(parts) => {
            let mut parts = parts.iter();
            let (_, value) = parts.find(|(name, _)| name.eq_ignore_ascii_case("value"))?;
            value.as_str()
        }
        _ => None,
    }
}
