//! Reading a set of members, a token's claims or an endpoint's answer: one walk, no copies, no judgement.

use crate::wire::json::{self, Object, Text, Value};

/// Most paths that a policy may ask for beside the registered members.
pub(crate) const MAX_PATHS: usize = 16;

/// Names the members that rules look at: a field of `Registered` for each.
macro_rules! registered_members {
    ($($(#[$doc:meta])* $field:ident = $name:literal,)*) => {
        /// The members that rules look at, as they stand in the object; one that is `null` is absent.
        #[derive(Default)]
        pub(crate) struct Registered<'m> {
            $($(#[$doc])* pub(crate) $field: Option<$crate::wire::json::Value<'m>>,)*
        }

        impl<'m> Registered<'m> {
            /// Where the member of that name belongs.
            pub(super) fn named(
                &mut self,
                name: &[u8],
            ) -> Option<&mut Option<$crate::wire::json::Value<'m>>> {
                Some(match name {
                    $($name => &mut self.$field,)*
                    _ => return None,
                })
            }
        }
    };
}
pub(super) use registered_members;

use super::rules::Registered;

/// Longest name of a registered member, in bytes.
const MAX_NAME: usize = 16;

/// What a token or an answer says, as far as a policy looks at it.
#[derive(Default)]
pub(crate) struct Members<'m, 'p> {
    registered: Registered<'m>,
    paths: heapless::Vec<Place<'m, 'p>, MAX_PATHS>,
}

/// A path that was asked for, and what stands there.
struct Place<'m, 'p> {
    path: &'p str,
    found: Option<Value<'m>>,
    /// What says whether an address that stands there is verified.
    beside: Option<Value<'m>>,
}

impl<'m> Place<'m, '_> {
    /// Takes what one member leads to: two ways to one place would be a duplicate.
    fn take(&mut self, LedTo { value, beside }: LedTo<'m>) -> Result<(), Error> {
        for (place, value) in [(&mut self.found, value), (&mut self.beside, beside)] {
            if value.is_some() && core::mem::replace(place, value).is_some() {
                return Err(Error::Duplicate);
            }
        }
        Ok(())
    }
}

/// What a member leads to.
#[derive(Default)]
struct LedTo<'m> {
    value: Option<Value<'m>>,
    beside: Option<Value<'m>>,
}

/// Why an object has no members to judge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Error {
    /// Not one JSON object, or against a bound of the reader.
    Malformed,
    /// A name occurs twice where it matters.
    Duplicate,
    /// More paths were asked for than [`MAX_PATHS`].
    TooManyPaths,
}

impl From<json::Error> for Error {
    fn from(error: json::Error) -> Self {
        match error {
            json::Error::DuplicateName => Self::Duplicate,
            _ => Self::Malformed,
        }
    }
}

impl<'m, 'p> Members<'m, 'p> {
    /// Asks for what stands at `path`: a member's whole name, or names of nested objects joined by dots.
    pub(crate) fn want(&mut self, path: &'p str) -> Result<(), Error> {
        if self.paths.iter().any(|place| place.path == path) {
            return Ok(());
        }
        let place = Place {
            path,
            found: None,
            beside: None,
        };
        self.paths.push(place).map_err(|_| Error::TooManyPaths)
    }

    /// Reads `object` into an empty set: in place, for a set is large.
    pub(crate) fn read(&mut self, object: Object<'m>) -> Result<(), Error> {
        // A bit for the first byte of each path, which few names share.
        let paths = self.paths.iter().map(|place| bit(place.path.as_bytes()));
        let first_bytes = paths.fold(0, |bits, bit| bits | bit);
        object.each_member(|name, value| {
            // One that is empty or escaped may begin with any.
            if name
                .as_bytes()
                .is_none_or(|name| bit(name) & !first_bytes == 0)
            {
                self.take_paths(name, value)?;
            }
            self.take(name, value);
            Ok(())
        })
    }

    #[inline]
    fn take(&mut self, name: Text<'m>, value: &Value<'m>) {
        if matches!(value, Value::Null) {
            return;
        }
        let place = match name.as_bytes() {
            Some(name) => self.registered.named(name),
            // Escapes hide no member: `\u0063nf` is `cnf` (RFC 8259 section 8.3).
            None => match name.to_string::<MAX_NAME>() {
                Some(name) => self.registered.named(name.as_bytes()),
                None => None,
            },
        };
        if let Some(place) = place {
            *place = Some(*value);
        }
    }

    /// Takes what paths find in the member `name: value`.
    #[inline(never)]
    fn take_paths(&mut self, name: Text<'m>, value: &Value<'m>) -> Result<(), Error> {
        for place in &mut self.paths {
            if let Some(rest) = after_name(place.path, name) {
                // `a.b` and `a` holding `b` would both be the path "a.b".
                place.take(follow(rest, *value)?)?;
            } else if is_beside(place.path, name) {
                place.take(LedTo {
                    value: None,
                    beside: Some(*value),
                })?;
            }
        }
        Ok(())
    }

    pub(crate) fn registered(&self) -> &Registered<'m> {
        &self.registered
    }

    /// What stands at one of the paths that were asked for, unless it is `null`.
    pub(crate) fn at(&self, path: &str) -> Option<Value<'m>> {
        self.place(path)?.found.filter(is_there)
    }

    /// What says whether the address at a path is verified, unless it is `null`: a member of the same object, which is
    /// called `email_verified` as the address is called `email`.
    pub(crate) fn beside(&self, path: &str) -> Option<Value<'m>> {
        let place = self.place(path)?;
        place.found.filter(is_there)?;
        place.beside.filter(is_there)
    }

    fn place(&self, path: &str) -> Option<&Place<'m, 'p>> {
        self.paths.iter().find(|place| place.path == path)
    }
}

fn is_there(value: &Value<'_>) -> bool {
    !matches!(value, Value::Null)
}

/// What stands before `email` or `emails` in the name of an address; `None` where a path leads to none.
pub(super) fn before_email(path: &str) -> Option<&str> {
    let before = path.strip_suffix("emails").or(path.strip_suffix("email"))?;
    // Auth0 names claims by URLs.
    matches!(before.as_bytes(), [] | [.., b'.' | b'/' | b':']).then_some(before)
}

/// Whether `name` says of the address at `path`, a name in the same object, that it is verified.
fn is_beside(path: &str, name: Text<'_>) -> bool {
    const VERIFIED: &str = "email_verified";
    let before = before_email(path).unwrap_or_default();
    match name.as_bytes() {
        Some(name) => name.strip_prefix(before.as_bytes()) == Some(VERIFIED.as_bytes()),
        None => name.chars().eq(before.chars().chain(VERIFIED.chars())),
    }
}

/// One of 64 bits for the first byte of `name`; none where it is empty.
#[inline]
fn bit(name: &[u8]) -> u64 {
    name.first().map_or(0, |first| 1 << (first & 63))
}

/// What stands at one path of `object`, unless it is `null`.
pub(crate) fn find<'m>(object: Object<'m>, path: &str) -> Result<Option<Value<'m>>, Error> {
    let mut members = Members::default();
    members.want(path)?;
    members.read(object)?;
    Ok(members.at(path))
}

impl core::fmt::Debug for Members<'_, '_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Members(..)")
    }
}

/// What the path `rest` finds in `value`.
#[inline(never)]
fn follow<'m>(mut rest: &str, mut value: Value<'m>) -> Result<LedTo<'m>, Error> {
    let mut beside = None;
    while !rest.is_empty() {
        let Value::Object(object) = value else {
            return Ok(LedTo::default());
        };
        let mut next = None;
        beside = None;
        // Walks the whole object, so that a duplicate behind the wanted member is seen too.
        for member in object.members() {
            let (name, inner) = member?;
            let after = after_name(rest, name);
            let leads_on = |after: &&str| after.is_empty() || matches!(inner, Value::Object(_));
            if let Some(after) = after.filter(leads_on) {
                // `a.b` and `a` holding `b` would both be the path "a.b".
                if next.replace((inner, after)).is_some() {
                    return Err(Error::Duplicate);
                }
            }
            if is_beside(rest, name) {
                beside = Some(inner);
            }
        }
        let Some((inner, after)) = next else {
            return Ok(LedTo::default());
        };
        (value, rest) = (inner, after);
    }
    Ok(LedTo {
        value: Some(value),
        beside,
    })
}

/// The part of `path` after `name` and a dot; empty where `name` is all of it.
fn after_name<'p>(path: &'p str, name: Text<'_>) -> Option<&'p str> {
    let rest = match name.as_bytes() {
        Some(name) => {
            path.as_bytes().strip_prefix(name)?;
            path.get(name.len()..)?
        }
        None => after_escaped(path, name)?,
    };
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix('.').filter(|rest| !rest.is_empty())
    }
}

#[cold]
#[inline(never)]
fn after_escaped<'p>(path: &'p str, name: Text<'_>) -> Option<&'p str> {
    let mut rest = path.chars();
    name.chars()
        .all(|c| rest.next() == Some(c))
        .then_some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::numeric_date;

    impl<'m, 'p> Members<'m, 'p> {
        fn of(object: Object<'m>, paths: impl Iterator<Item = &'p str>) -> Result<Self, Error> {
            let mut members = Self::default();
            for path in paths {
                members.want(path)?;
            }
            members.read(object).map(|()| members)
        }
    }

    fn read<'m>(payload: &'m str, path: &'static str) -> Result<Members<'m, 'static>, Error> {
        let object = Object::parse(payload.as_bytes())?;
        Members::of(object, core::iter::once(path))
    }

    fn find<'m>(payload: &'m str, path: &'static str) -> Result<Option<Value<'m>>, Error> {
        read(payload, path).map(|members| members.at(path))
    }

    #[track_caller]
    fn check(payload: &str, path: &'static str, expected: Option<&str>) {
        let found = find(payload, path).unwrap();
        let text = found.map(|value| value.string().unwrap().to_string::<32>().unwrap());
        assert_eq!(text.as_deref(), expected, "{path} in {payload}");
    }

    #[test]
    fn a_path_is_a_name_or_nested_names() {
        check(r#"{"email":"x"}"#, "email", Some("x"));
        check(
            r#"{"realm_access":{"user":"x"}}"#,
            "realm_access.user",
            Some("x"),
        );
        check(r#"{"a":{"b":{"c":"x"}}}"#, "a.b.c", Some("x"));
        check(
            r#"{"https://example.com/email":"x"}"#,
            "https://example.com/email",
            Some("x"),
        );
        check(r#"{"a":{"b.c":"x"}}"#, "a.b.c", Some("x"));
        check(r#"{"\u0061":{"\u0062":"x"}}"#, "a.b", Some("x"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in [
            "emai", "email.", "emails", "email.x", ".email", "", "a", "a.", "a.c", "n", "o.n",
        ] {
            let payload = r#"{"email":"x","b":{"email":"y"},"a.b":"z","n":null,"o":{"n":null}}"#;
            check(payload, path, None);
        }
    }

    #[test]
    fn two_ways_to_one_path_are_a_duplicate() {
        for (payload, path) in [
            (r#"{"a.b":"x","a":{"b":"y"}}"#, "a.b"),
            (r#"{"a":{"b":"x","b":"y"}}"#, "a.b"),
            (r#"{"a.b":null,"a":{"b":"y"}}"#, "a.b"),
            (r#"{"exp":1,"exp":2}"#, "a"),
            (r#"{"exp":1,"exp":null}"#, "a"),
            (r#"{"exp":1,"\u0065xp":2}"#, "a"),
        ] {
            assert_eq!(
                find(payload, path).err(),
                Some(Error::Duplicate),
                "{payload}"
            );
        }
    }

    #[test]
    fn unwanted_objects_may_be_odd() {
        check(r#"{"x":{"a":1,"a":2},"email":"x"}"#, "email", Some("x"));
    }

    #[test]
    fn what_is_read_is_never_printed() {
        let members = read(r#"{"iss":"secret"}"#, "iss").unwrap();
        assert_eq!(std::format!("{members:?}"), "Members(..)");
    }

    #[test]
    fn paths_are_bounded_and_each_counts_once() {
        let names: std::vec::Vec<_> = (0..=MAX_PATHS).map(|i| std::format!("p{i}")).collect();
        let object = || Object::parse(b"{}").unwrap();
        let paths = || names.iter().map(std::string::String::as_str);
        assert!(Members::of(object(), paths().take(MAX_PATHS)).is_ok());
        let twice = paths().take(MAX_PATHS).chain(["p0"]);
        assert!(Members::of(object(), twice).is_ok());
        assert_eq!(
            Members::of(object(), paths()).err(),
            Some(Error::TooManyPaths)
        );
    }

    #[test]
    fn registered_members_are_found_in_the_same_walk() {
        let members = read(r#"{"exp":1.5,"sub":"s","iss":null}"#, "x").unwrap();
        let registered = members.registered();
        let exp = registered.exp.and_then(numeric_date);
        assert_eq!(exp.map(crate::time::UnixTime::seconds), Some(1));
        assert!(registered.sub.is_some() && registered.iss.is_none());
    }
}
