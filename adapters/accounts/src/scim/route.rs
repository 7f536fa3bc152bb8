//! What a path means.

use super::refusal::Refusal;
use crate::model::Kind;

/// What a request is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Route {
    /// What describes the service.
    Discovery(Document),
    /// All resources of a kind.
    Resources(Kind),
    /// A question that is too long for a URL.
    Search(Kind),
    /// The same about all kinds.
    SearchAll,
    /// The resource of that id, which need not be one.
    Resource(Kind, String),
}

/// What describes the service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Document {
    ServiceProviderConfig,
    ResourceTypes,
    ResourceType(String),
    Schemas,
    Schema(String),
}

/// Longest part of a path: a schema's URN, percent-encoded, is far shorter.
const MAX_PART: usize = 512;

impl Route {
    /// Reads a path behind a base URL. Slashes may be doubled, as some clients join them.
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let nothing = || Refusal::of_status(404, "there is nothing of that path");
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let (first, second) = (parts.next().ok_or_else(nothing)?, parts.next());
        if parts.next().is_some() {
            return Err(nothing());
        }
        let second = second
            .map(|part| decoded(part).ok_or_else(nothing))
            .transpose()?;
        let of_kind = |kind, second: Option<String>| match second {
            None => Self::Resources(kind),
            Some(word) if word == ".search" => Self::Search(kind),
            Some(id) => Self::Resource(kind, id),
        };
        Ok(match (first, second) {
            ("Users", second) => of_kind(Kind::Account, second),
            ("Groups", second) => of_kind(Kind::Group, second),
            ("ServiceProviderConfig", None) => Self::Discovery(Document::ServiceProviderConfig),
            ("ResourceTypes", None) => Self::Discovery(Document::ResourceTypes),
            ("ResourceTypes", Some(name)) => Self::Discovery(Document::ResourceType(name)),
            ("Schemas", None) => Self::Discovery(Document::Schemas),
            ("Schemas", Some(urn)) => Self::Discovery(Document::Schema(urn)),
            (".search", None) => Self::SearchAll,
            ("Bulk" | "Me", None) => {
                return Err(Refusal::of_status(501, "Bulk and Me are not implemented"));
            }
            _ => return Err(nothing()),
        })
    }
}

/// A part of a path without percent-encoding; `+` is itself there.
fn decoded(part: &str) -> Option<String> {
    if part.len() > MAX_PART {
        return None;
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high << 4 | low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_may_be_doubled_and_parts_encoded() {
        let user = |id: &str| Route::Resource(Kind::Account, id.to_owned());
        for (path, expected) in [
            ("/Users", Some(Route::Resources(Kind::Account))),
            ("//Users/", Some(Route::Resources(Kind::Account))),
            ("Groups", Some(Route::Resources(Kind::Group))),
            ("/Users/a%20b+c", Some(user("a b+c"))),
            ("/Users/%2e%2e%2fx", Some(user("../x"))),
            ("/Groups/.search", Some(Route::Search(Kind::Group))),
            (
                "/Schemas/urn%3Aa",
                Some(Route::Discovery(Document::Schema("urn:a".to_owned()))),
            ),
            ("/Users/%zz", None),
            ("/Users/%ff", None),
            ("/Users/%", None),
            ("/Users/a/b", None),
            ("/users", None),
            ("/Bulk", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(Route::parse(path).ok(), expected, "{path}");
        }
    }
}
