//! Paths of PATCH operations (RFC 7644 section 3.5.2).
//!
//! ```text
//! displayName   name.familyName   members[value eq "ID"]   emails[type eq "work"].value   URN:manager   URN
//! ```

use super::attribute::{Name, Named};
use super::filter::{Expression, Parser};
use super::refusal::{Refusal, ScimType, quoted};
use super::schema::{ResourceType, Schema};

/// What an operation is about.
#[derive(Clone, Debug)]
pub struct Path(pub(crate) Target);

/// What a path names.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// An attribute, or a part of one; of the elements that `selection` matches, if there is one.
    Attribute {
        /// The attribute and its part.
        name: Name,
        /// Which elements of it.
        selection: Option<Expression>,
    },
    /// A whole extension.
    Extension(&'static Schema),
    /// Something in a schema that is not ours.
    Foreign,
}

impl Path {
    /// Reads a path into a resource of that type.
    ///
    /// # Errors
    /// `invalidPath`, or `invalidFilter` for what is in brackets.
    pub fn parse(resource_type: &'static ResourceType, text: &str) -> Result<Self, Refusal> {
        let unknown = || {
            let detail = format!("{} names no attribute", quoted(text));
            Refusal::new(ScimType::InvalidPath, detail)
        };
        let mut parser = Parser::new(resource_type, text)?;
        let named = parser.name().map_err(|_| unknown())?;
        let has_selection = parser.rest().starts_with('[');
        let selection = has_selection.then(|| parser.elements(&named)).transpose()?;
        let mut part = None;
        if selection.is_some() && parser.rest().starts_with('.') {
            if let Named::Attribute(name) = &named {
                part = Some(parser.part(name)?.ok_or_else(unknown)?);
            } else {
                // A part of what is not known.
                return Self::of_named(named, None).ok_or_else(unknown);
            }
        }
        parser.end().map_err(|_| unknown())?;
        let mut path = Self::of_named(named, selection).ok_or_else(unknown)?;
        if let (Target::Attribute { name, .. }, Some(part)) = (&mut path.0, part) {
            name.part = Some(part);
        }
        Ok(path)
    }

    /// The path that is no more than a name; `None` where that names nothing of a schema of ours.
    pub(crate) fn of_named(named: Named, selection: Option<Expression>) -> Option<Self> {
        Some(Self(match named {
            Named::Attribute(name) => {
                if selection.is_some() && !name.attribute.is_multi {
                    return None;
                }
                Target::Attribute { name, selection }
            }
            Named::Extension(schema) => Target::Extension(schema),
            Named::Foreign => Target::Foreign,
            Named::Unknown => return None,
        }))
    }
}
