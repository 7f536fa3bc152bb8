//! Filters (RFC 7644 section 3.4.2.2), with what clients write beside its grammar: values without quotes.
//!
//! ```text
//! userName eq "alice"            userName eq alice            emails[type eq "work"].value eq "a@b"
//! ```

mod operand;
mod parser;

use serde_json::{Map, Value};

use super::attribute::Name;
use super::refusal::{Refusal, ScimType};
use super::schema::{Attribute, ResourceType, Type};
use crate::id::Id;
use crate::store::Key;

pub(crate) use operand::Operand;
pub(crate) use parser::Parser;

/// What resources are looked for.
#[derive(Clone, Debug)]
pub struct Filter(pub(crate) Expression);

/// A part of a filter.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    /// All of them.
    And(Vec<Expression>),
    /// Any of them.
    Or(Vec<Expression>),
    /// Not that.
    Not(Box<Expression>),
    /// An attribute that is compared.
    Compare(Comparison),
    /// An attribute that has a value.
    Present(Name),
    /// An element of a multi-valued attribute; of whose part, if any, something is asked elsewhere.
    Element(Name, Box<Expression>),
    /// About something that nothing has.
    Nothing,
}

/// An attribute, compared.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    /// What is compared.
    pub(crate) name: Name,
    /// How.
    pub(crate) operator: Operator,
    /// With what.
    pub(crate) operand: Operand,
}

/// How something is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// How a store finds what a filter asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lookup<'f> {
    /// By an index; the rest of the filter is judged on what it gives.
    Key(Key<'f>),
    /// Nothing can match.
    Nothing,
    /// By looking at each.
    Scan,
}

impl Filter {
    /// Reads a filter about resources of that type.
    ///
    /// # Errors
    /// `invalidFilter`.
    pub fn parse(resource_type: &'static ResourceType, text: &str) -> Result<Self, Refusal> {
        let mut parser = Parser::new(resource_type, text)?;
        let expression = parser.expression()?;
        parser.end()?;
        Ok(Self(expression))
    }

    /// Whether a resource, as it is shown, matches.
    #[must_use]
    pub fn matches(&self, resource: &Map<String, Value>) -> bool {
        self.0.matches(resource)
    }

    /// How many comparisons it has.
    pub(crate) fn terms(&self) -> usize {
        self.0.terms()
    }

    /// How a store finds what matches.
    pub(crate) fn lookup(&self) -> Lookup<'_> {
        self.0.lookup()
    }

    /// Calls `f` with every attribute of a resource that the filter asks about.
    pub(crate) fn each_name(&self, f: &mut dyn FnMut(&Name)) {
        self.0.each_name(f);
    }

    /// Calls `f` with every id of a member that is asked for.
    pub(crate) fn each_member(&self, f: &mut dyn FnMut(Id)) {
        self.0.each_member(false, f);
    }
}

impl Expression {
    /// Whether `object`, a resource or an element of an attribute, matches.
    pub(crate) fn matches(&self, object: &Map<String, Value>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|one| one.matches(object)),
            Self::Or(any) => any.iter().any(|one| one.matches(object)),
            Self::Not(one) => !one.matches(object),
            Self::Compare(comparison) => comparison.matches(object),
            Self::Present(name) => values(object, name).any(is_present),
            Self::Element(name, expression) => {
                let mut elements = values(object, name).filter_map(Value::as_object);
                elements.any(|element| expression.matches(element))
            }
            Self::Nothing => false,
        }
    }

    /// How many comparisons it has.
    pub(crate) fn terms(&self) -> usize {
        match self {
            Self::And(several) | Self::Or(several) => several.iter().map(Self::terms).sum(),
            Self::Not(one) | Self::Element(_, one) => one.terms(),
            Self::Compare(_) | Self::Present(_) | Self::Nothing => 1,
        }
    }

    fn lookup(&self) -> Lookup<'_> {
        match self {
            Self::And(all) => {
                let found = all.iter().map(Self::lookup);
                let mut found = found.filter(|lookup| *lookup != Lookup::Scan);
                found.next().unwrap_or(Lookup::Scan)
            }
            Self::Compare(comparison) => comparison.lookup(comparison.name.attribute.name),
            Self::Element(name, inner) => inner.lookup_inside(name.attribute.name),
            Self::Nothing => Lookup::Nothing,
            Self::Or(_) | Self::Not(_) | Self::Present(_) => Lookup::Scan,
        }
    }

    /// How what has an element of that attribute that matches is found.
    fn lookup_inside(&self, attribute: &str) -> Lookup<'_> {
        match self {
            Self::And(all) => {
                let found = all.iter().map(|one| one.lookup_inside(attribute));
                let mut found = found.filter(|lookup| *lookup != Lookup::Scan);
                found.next().unwrap_or(Lookup::Scan)
            }
            Self::Compare(comparison) if comparison.name.attribute.name == "value" => {
                comparison.lookup(attribute)
            }
            _ => Lookup::Scan,
        }
    }

    fn each_name(&self, f: &mut dyn FnMut(&Name)) {
        match self {
            Self::And(several) | Self::Or(several) => {
                for one in several {
                    one.each_name(f);
                }
            }
            Self::Not(one) => one.each_name(f),
            Self::Compare(comparison) => f(&comparison.name),
            Self::Present(name) | Self::Element(name, _) => f(name),
            Self::Nothing => {}
        }
    }

    /// Calls `f` with every id that a member, or an element of the members, is compared with.
    fn each_member(&self, is_inside: bool, f: &mut dyn FnMut(Id)) {
        match self {
            Self::And(several) | Self::Or(several) => {
                for one in several {
                    one.each_member(is_inside, f);
                }
            }
            Self::Not(one) => one.each_member(is_inside, f),
            Self::Compare(Comparison { name, operand, .. }) => {
                if is_inside || is_members(name.attribute) {
                    operand
                        .as_text()
                        .and_then(Id::parse)
                        .into_iter()
                        .for_each(f);
                }
            }
            Self::Element(name, inner) if is_members(name.attribute) => inner.each_member(true, f),
            Self::Element(..) | Self::Present(_) | Self::Nothing => {}
        }
    }
}

/// Whether it is the attribute with a group's members.
pub(crate) fn is_members(attribute: &Attribute) -> bool {
    attribute.name == "members"
}

impl Comparison {
    fn matches(&self, object: &Map<String, Value>) -> bool {
        let found = values(object, &self.name);
        if self.operand == Operand::Null {
            let is_there = found.into_iter().any(is_present);
            return is_there == (self.operator == Operator::NotEqual);
        }
        let is_exact = self.compared().is_case_exact;
        let mut compared = found
            .map(|value| match value {
                Value::Object(parts) => parts.get("value").unwrap_or(&Value::Null),
                value => value,
            })
            .peekable();
        // What is not there differs.
        let is_absent = compared.peek().is_none();
        is_absent && self.operator == Operator::NotEqual
            || compared.any(|value| self.operand.is_met(self.operator, value, is_exact))
    }

    /// The attribute whose type and case count: of a complex one without a part, its value.
    fn compared(&self) -> &'static Attribute {
        let last = self.name.last();
        match last.value {
            Type::Complex => last.part("value").unwrap_or(last),
            _ => last,
        }
    }

    fn lookup(&self, attribute: &str) -> Lookup<'_> {
        let is_value = self.name.part.is_none_or(|part| part.name == "value");
        let Operand::Text(text) = &self.operand else {
            return Lookup::Scan;
        };
        if self.operator != Operator::Equal || !is_value || self.name.extension.is_some() {
            return Lookup::Scan;
        }
        let of_id = |key: fn(Id) -> Key<'static>| {
            Id::parse(text).map_or(Lookup::Nothing, |id| Lookup::Key(key(id)))
        };
        match attribute {
            "id" => of_id(Key::Id),
            "members" => of_id(Key::Member),
            "userName" => Lookup::Key(Key::Name(text)),
            "externalId" => Lookup::Key(Key::ExternalId(text)),
            "emails" => Lookup::Key(Key::Email(text)),
            // A user's display name is no key.
            "displayName" if self.name.attribute.is_required => Lookup::Key(Key::Name(text)),
            _ => Lookup::Scan,
        }
    }
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(parts) => !parts.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// The values that a resource, or an element, has of that name; each element of several by itself.
fn values<'v>(object: &'v Map<String, Value>, name: &Name) -> impl Iterator<Item = &'v Value> {
    let (attribute, part) = (name.attribute, name.part);
    let home = match name.extension {
        Some(schema) => object.get(schema.urn).and_then(Value::as_object),
        None => Some(object),
    };
    let found = home.and_then(|home| home.get(attribute.name));
    let found = found.into_iter().flat_map(elements);
    found.filter_map(move |value| match part {
        Some(part) => value.get(part.name),
        None => Some(value),
    })
}

/// The elements of an array, or the value itself.
fn elements(value: &Value) -> std::slice::Iter<'_, Value> {
    match value {
        Value::Array(elements) => elements.iter(),
        value => std::slice::from_ref(value).iter(),
    }
}

/// A filter that cannot be read.
pub(crate) fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ScimType::InvalidFilter, detail)
}
