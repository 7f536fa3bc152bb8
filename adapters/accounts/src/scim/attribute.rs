//! Names of attributes as filters, paths and queries write them (RFC 7644 section 3.10), and what they name.

use super::schema::{Attribute, ResourceType, Schema, find};

/// What a name such as `urn:ietf:params:scim:schemas:core:2.0:User:name.givenName` names.
#[derive(Clone, Copy, Debug)]
pub enum Named {
    /// An attribute, or a part of one.
    Attribute(Name),
    /// A whole extension.
    Extension(&'static Schema),
    /// Nothing of ours, in a schema that is not ours either: clients send such schemas, and they are passed over.
    Foreign,
    /// Nothing that a schema of ours has.
    Unknown,
}

/// An attribute, or a part of one.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// The extension that it is in, if it is not of the core schema.
    pub extension: Option<&'static Schema>,
    /// The attribute.
    pub attribute: &'static Attribute,
    /// Its part, if that is meant.
    pub part: Option<&'static Attribute>,
}

impl Name {
    /// The attribute or part that is named in the end.
    #[must_use]
    pub fn last(&self) -> &'static Attribute {
        self.part.unwrap_or(self.attribute)
    }
}

/// Whether `c` may be in a name. Slashes are in the URIs of other people's schemas.
pub(crate) fn is_in_name(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'$' | b':' | b'.' | b'/')
}

/// What `name` names of a resource of that type.
#[must_use]
pub fn resolve(resource_type: &'static ResourceType, name: &str) -> Named {
    if !name.contains(':') {
        return local(None, name, |name| resource_type.attribute(name));
    }
    if let Some(rest) = behind(name, resource_type.schema.urn) {
        return local(None, rest, |name| {
            find(resource_type.schema.attributes, name)
        });
    }
    for schema in resource_type.extensions.iter().copied() {
        if name.eq_ignore_ascii_case(schema.urn) {
            return Named::Extension(schema);
        }
        if let Some(rest) = behind(name, schema.urn) {
            return local(Some(schema), rest, |name| find(schema.attributes, name));
        }
    }
    Named::Foreign
}

/// What follows `urn` and a colon in `name`.
fn behind<'n>(name: &'n str, urn: &str) -> Option<&'n str> {
    let (start, rest) = name.split_at_checked(urn.len())?;
    start
        .eq_ignore_ascii_case(urn)
        .then_some(rest)?
        .strip_prefix(':')
}

fn local(
    extension: Option<&'static Schema>,
    name: &str,
    find: impl Fn(&str) -> Option<&'static Attribute>,
) -> Named {
    let (name, part) = match name.split_once('.') {
        Some((name, part)) => (name, Some(part)),
        None => (name, None),
    };
    let Some(attribute) = find(name) else {
        return Named::Unknown;
    };
    let part = match part.map(|part| attribute.part(part)) {
        Some(None) => return Named::Unknown,
        Some(part) => part,
        None => None,
    };
    Named::Attribute(Name {
        extension,
        attribute,
        part,
    })
}

#[cfg(test)]
mod tests {
    use super::super::schema::USERS;
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        let shown = match resolve(&USERS, name) {
            Named::Attribute(name) => {
                let extension = name.extension.map_or("", |schema| schema.name);
                let part = name.part.map_or("", |part| part.name);
                format!("{extension}/{}/{part}", name.attribute.name)
            }
            Named::Extension(schema) => schema.name.to_owned(),
            Named::Foreign => "foreign".to_owned(),
            Named::Unknown => "unknown".to_owned(),
        };
        assert_eq!(shown, expected, "{name}");
    }

    #[test]
    fn names_have_no_case_and_may_have_a_schema() {
        check("USERNAME", "/userName/");
        check("name.GivenName", "/name/givenName");
        check("meta.lastmodified", "/meta/lastModified");
        check(
            "URN:ietf:params:scim:schemas:core:2.0:user:emails.value",
            "/emails/value",
        );
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        check(enterprise, "EnterpriseUser");
        check(
            &format!("{enterprise}:manager.value"),
            "EnterpriseUser/manager/value",
        );
        check(&format!("{enterprise}:boss"), "unknown");
        check(&format!("{enterprise}:"), "unknown");
        check("urn:example:User:x", "foreign");
        check("http://schemas.microsoft.com/2006/11/x", "foreign");
        for unknown in ["", ".", "name.", "name.x.y", "userName.x", "boss", "\u{e9}"] {
            check(unknown, "unknown");
        }
    }
}
