//! What attributes are compared with.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::{Operator, invalid};
use crate::name::fold;
use crate::scim::refusal::{Refusal, quoted};
use crate::scim::schema::{Attribute, Type};
use crate::time::Timestamp;

/// What an attribute is compared with, of the attribute's own type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    /// Text: in lower case, unless case counts.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A point in time.
    Time(Timestamp),
    /// Nothing: to have no value.
    Null,
}

impl Operand {
    /// What `text` means for `attribute`; `is_quoted` if it was written in quotes, which some clients put around
    /// everything and others around nothing.
    pub(crate) fn new(attribute: &Attribute, text: &str, is_quoted: bool) -> Result<Self, Refusal> {
        if !is_quoted && text == "null" {
            return Ok(Self::Null);
        }
        let read = match attribute.value {
            Type::Boolean if text.eq_ignore_ascii_case("true") => Some(Self::Boolean(true)),
            Type::Boolean if text.eq_ignore_ascii_case("false") => Some(Self::Boolean(false)),
            Type::Boolean => None,
            Type::Integer => text.parse().ok().map(Self::Integer),
            Type::DateTime => Timestamp::parse(text).map(Self::Time),
            Type::Text | Type::Binary | Type::Reference | Type::Complex => {
                let text = if attribute.is_case_exact {
                    Cow::Borrowed(text)
                } else {
                    fold(text)
                };
                Some(Self::Text(text.into_owned()))
            }
        };
        read.ok_or_else(|| {
            let (text, name) = (quoted(text), attribute.name);
            invalid(format!("{name} cannot be compared with {text}"))
        })
    }

    /// Whether things of this type can be compared so.
    pub(crate) fn can(&self, operator: Operator) -> bool {
        match operator {
            Operator::Equal | Operator::NotEqual => true,
            Operator::Contains | Operator::StartsWith | Operator::EndsWith => {
                matches!(self, Self::Text(_))
            }
            Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::Less
            | Operator::LessOrEqual => !matches!(self, Self::Boolean(_) | Self::Null),
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether `value` compares so with this.
    pub(crate) fn is_met(&self, operator: Operator, value: &Value, is_exact: bool) -> bool {
        if let (Self::Text(wanted), Value::String(found)) = (self, value) {
            let found = if is_exact {
                Cow::Borrowed(found.as_str())
            } else {
                fold(found)
            };
            match operator {
                Operator::Contains => return found.contains(wanted.as_str()),
                Operator::StartsWith => return found.starts_with(wanted.as_str()),
                Operator::EndsWith => return found.ends_with(wanted.as_str()),
                _ => return is_so(operator, Some((*found).cmp(wanted.as_str()))),
            }
        }
        let ordering = match (self, value) {
            (Self::Boolean(wanted), Value::Bool(found)) => Some(found.cmp(wanted)),
            (Self::Integer(wanted), Value::Number(found)) => {
                found.as_i64().map(|found| found.cmp(wanted))
            }
            (Self::Time(wanted), Value::String(found)) => {
                Timestamp::parse(found).map(|found| found.cmp(wanted))
            }
            _ => None,
        };
        is_so(operator, ordering)
    }
}

/// Whether what is ordered so compares so; what cannot be ordered only differs.
fn is_so(operator: Operator, ordering: Option<Ordering>) -> bool {
    let Some(ordering) = ordering else {
        return operator == Operator::NotEqual;
    };
    match operator {
        Operator::Equal => ordering.is_eq(),
        Operator::NotEqual => ordering.is_ne(),
        Operator::Greater => ordering.is_gt(),
        Operator::GreaterOrEqual => ordering.is_ge(),
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Contains | Operator::StartsWith | Operator::EndsWith => false,
    }
}
