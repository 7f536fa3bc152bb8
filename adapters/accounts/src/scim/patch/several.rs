//! Changes an attribute that has several values.

use std::collections::BTreeSet;

use serde_json::Value;

use super::attribute::{is_void, set_part};
use super::{Refusal, ScimType, Verb};
use crate::scim::attribute::Name;
use crate::scim::clean::{Object, elements, is_primary};
use crate::scim::filter::{Comparison, Expression, Operand, Operator};
use crate::scim::limits::MAX_ELEMENTS;
use crate::scim::schema::Attribute;

/// The elements of an attribute, and which of them an operation has touched.
struct Elements {
    all: Vec<Value>,
    touched: BTreeSet<usize>,
}

/// What becomes of the elements of the attribute that `name` says.
pub(super) fn change_elements(
    all: Vec<Value>,
    verb: Verb,
    name: &Name,
    selection: Option<&Expression>,
    value: Value,
) -> Result<Vec<Value>, Refusal> {
    let mut elements = Elements {
        all,
        touched: BTreeSet::new(),
    };
    match (selection, name.part) {
        (None, None) => elements.change_all(verb, name.attribute, value)?,
        (None, Some(part)) => elements.change_parts(verb, part, &value)?,
        (Some(selection), part) => {
            elements.change_selected(verb, name.attribute, selection, part, &value)?;
        }
    }
    elements.finish(name.attribute)
}

impl Elements {
    fn change_all(
        &mut self,
        verb: Verb,
        attribute: &Attribute,
        value: Value,
    ) -> Result<(), Refusal> {
        if verb == Verb::Remove && value.is_null() {
            self.all.clear();
            return Ok(());
        }
        let given = elements(attribute, value)?;
        match verb {
            // As with members, those that are named.
            Verb::Remove => self
                .all
                .retain(|old| !given.iter().any(|one| is_meant(attribute, one, old))),
            Verb::Replace => self.all = given,
            Verb::Add => given.into_iter().for_each(|one| self.add(one)),
        }
        Ok(())
    }

    /// Adds an element, unless there is one that says all that it says.
    fn add(&mut self, element: Value) {
        let is_there = self.all.iter().any(|old| is_part_of(&element, old));
        if !is_there {
            self.touched.insert(self.all.len());
            self.all.push(element);
        }
    }

    /// Sets a part of every element.
    fn change_parts(&mut self, verb: Verb, part: &Attribute, value: &Value) -> Result<(), Refusal> {
        if self.all.is_empty() && verb != Verb::Remove {
            self.all.push(Value::Object(Object::new()));
        }
        let every = 0..self.all.len();
        every
            .into_iter()
            .try_for_each(|at| self.set(at, verb, part, value.clone()))
    }

    fn set(
        &mut self,
        at: usize,
        verb: Verb,
        part: &Attribute,
        value: Value,
    ) -> Result<(), Refusal> {
        self.touched.insert(at);
        match self.all.get_mut(at) {
            Some(Value::Object(parts)) => set_part(parts, verb, part, value),
            _ => Ok(()),
        }
    }

    fn change_selected(
        &mut self,
        verb: Verb,
        attribute: &Attribute,
        selection: &Expression,
        part: Option<&'static Attribute>,
        value: &Value,
    ) -> Result<(), Refusal> {
        let is_selected = |element: &Value| {
            let parts = element.as_object();
            parts.is_some_and(|parts| selection.matches(parts))
        };
        if verb == Verb::Remove && part.is_none() {
            self.all.retain(|element| !is_selected(element));
            return Ok(());
        }
        let every = self.all.iter().enumerate();
        let mut selected: Vec<_> = every
            .filter(|(_, element)| is_selected(element))
            .map(|(at, _)| at)
            .collect();
        if selected.is_empty() && verb != Verb::Remove {
            selected.push(self.create(verb, selection)?);
        }
        for at in selected {
            match part {
                Some(part) => self.set(at, verb, part, value.clone())?,
                None => self.set_whole(at, verb, attribute, value.clone())?,
            }
        }
        Ok(())
    }

    /// Adds an element that a filter describes: Entra's first `emails[type eq "work"].value` means one to be made.
    fn create(&mut self, verb: Verb, selection: &Expression) -> Result<usize, Refusal> {
        let mut parts = Object::new();
        if verb == Verb::Replace || !describe(selection, &mut parts) {
            let detail = "the path selects nothing that is there";
            return Err(Refusal::new(ScimType::NoTarget, detail));
        }
        self.all.push(Value::Object(parts));
        Ok(self.all.len() - 1)
    }

    fn set_whole(
        &mut self,
        at: usize,
        verb: Verb,
        attribute: &Attribute,
        value: Value,
    ) -> Result<(), Refusal> {
        self.touched.insert(at);
        let mut given = elements(attribute, value)?;
        let (Some(new), true) = (given.pop(), given.is_empty()) else {
            let detail = format!("one value of {} takes one value", attribute.name);
            return Err(Refusal::value(detail));
        };
        match (self.all.get_mut(at), new, verb) {
            (Some(Value::Object(old)), Value::Object(new), Verb::Add) => old.extend(new),
            (Some(old), new, _) => *old = new,
            (None, ..) => {}
        }
        Ok(())
    }

    /// One element at most is primary: the one that is so last.
    fn finish(mut self, attribute: &Attribute) -> Result<Vec<Value>, Refusal> {
        let touched = |at: &usize| self.touched.contains(at);
        let primary = self.all.iter().enumerate();
        let primary = primary.filter(|(_, one)| is_primary(one)).map(|(at, _)| at);
        let new = primary.clone().filter(touched).count();
        if new > 1 || new == 0 && primary.count() > 1 {
            let detail = format!("more than one of {} is primary", attribute.name);
            return Err(Refusal::value(detail));
        }
        if new == 1 {
            for (at, element) in self.all.iter_mut().enumerate() {
                if let (false, Value::Object(parts)) = (self.touched.contains(&at), element) {
                    parts.remove("primary");
                }
            }
        }
        self.all.retain(|element| match element {
            Value::Object(parts) => !is_void(parts),
            _ => true,
        });
        if self.all.len() > MAX_ELEMENTS {
            let detail = format!("{} has more than {MAX_ELEMENTS} values", attribute.name);
            return Err(Refusal::value(detail));
        }
        Ok(self.all)
    }
}

/// Whether everything that `one` says `other` says too.
fn is_part_of(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => one
            .iter()
            .all(|(name, value)| other.get(name) == Some(value)),
        _ => one == other,
    }
}

/// Whether `one`, which is to be removed, means `old`: by its value, if it has one.
fn is_meant(attribute: &Attribute, one: &Value, old: &Value) -> bool {
    let is_exact = attribute
        .part("value")
        .is_none_or(|part| part.is_case_exact);
    match (one.get("value"), old.get("value")) {
        (Some(Value::String(one)), Some(Value::String(old))) if is_exact => one == old,
        (Some(Value::String(one)), Some(Value::String(old))) => one.eq_ignore_ascii_case(old),
        _ => is_part_of(one, old),
    }
}

/// The parts that an element has which `selection` matches; `false` where it does not say.
fn describe(selection: &Expression, parts: &mut Object) -> bool {
    match selection {
        Expression::And(all) => all.iter().all(|one| describe(one, parts)),
        Expression::Compare(Comparison {
            name,
            operator: Operator::Equal,
            operand,
        }) => {
            let value = match operand {
                Operand::Text(text) => Value::String(text.clone()),
                Operand::Boolean(is_so) => Value::Bool(*is_so),
                Operand::Integer(_) | Operand::Time(_) | Operand::Null => return false,
            };
            parts.insert(name.attribute.name.to_owned(), value);
            true
        }
        _ => false,
    }
}
