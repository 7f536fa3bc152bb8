//! Requests that are refused, and how SCIM says so (RFC 7644 section 3.12).

use std::borrow::Cow;
use std::fmt;

use crate::store::Unavailable;

/// The kinds of faults that SCIM has words for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ScimType {
    /// The filter cannot be read, or not answered.
    InvalidFilter,
    /// A filter would have too much looked at.
    TooMany,
    /// Another has what only one may have.
    Uniqueness,
    /// Something would change that does not change.
    Mutability,
    /// The body is not what it should be.
    InvalidSyntax,
    /// A path of a PATCH names nothing.
    InvalidPath,
    /// A path of a PATCH selects nothing.
    NoTarget,
    /// A value is missing or cannot be used.
    InvalidValue,
}

impl ScimType {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
        }
    }

    const fn status(self) -> u16 {
        match self {
            Self::Uniqueness => 409,
            _ => 400,
        }
    }
}

/// A request that is refused. Its text is for the client's log, and never holds what a `password` did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The word for it, if SCIM has one.
    pub scim_type: Option<ScimType>,
    /// What is wrong.
    pub detail: Cow<'static, str>,
}

/// Most characters of a client's own text in what it is told.
const MAX_QUOTED: usize = 80;

impl Refusal {
    /// A refusal of that type.
    pub(crate) fn new(scim_type: ScimType, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: scim_type.status(),
            scim_type: Some(scim_type),
            detail: detail.into(),
        }
    }

    /// A refusal for which SCIM has no word.
    pub(crate) fn of_status(status: u16, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            scim_type: None,
            detail: detail.into(),
        }
    }

    /// A value that cannot be used.
    pub(crate) fn value(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ScimType::InvalidValue, detail)
    }

    /// The same, with the name of what it is about in front.
    pub(crate) fn about(self, key: &str) -> Self {
        let detail = format!("{}: {}", quoted(key), self.detail).into();
        Self { detail, ..self }
    }

    /// No such resource.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::of_status(404, format!("there is no {}", quoted(what)))
    }
}

/// The beginning of a client's text, as it can be shown.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted: String = text
        .chars()
        .take(MAX_QUOTED)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        quoted.push_str("..");
    }
    quoted
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        Self::of_status(503, unavailable.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Refusal {}
