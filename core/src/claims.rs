//! Reading the claims of a token (RFC 7519 section 4): one walk, no copies, no judgement.

use crate::{
    time::UnixTime,
    wire::json::{self, Object, Text, Value},
};

/// Most paths that a policy may ask for beside the registered claims.
pub(crate) const MAX_PATHS: usize = 16;

/// Longest name of a registered claim that is looked at, in bytes: `token_type`.
const MAX_NAME: usize = 10;

/// Who a token without `azp` belongs to in Dovecot's layout of keys.
pub(crate) const DEFAULT_OWNER: &str = "default";

/// What `typ` says of a token (RFC 7515 section 4.1.9, RFC 8725 section 3.11).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenType {
    /// `at+jwt`: an access token (RFC 9068 section 2.1).
    AccessToken,
    /// `JWT`, or nothing: the claims have to tell.
    Unspecified,
    /// `token-introspection+jwt`: no token, but what a provider says of one (RFC 9701 section 5).
    IntrospectionAnswer,
    /// Anything else, such as `logout+jwt`: not for us.
    Other,
}

/// A payload that something has vouched for: its signature has verified. Cannot be made outside the core.
///
/// That is the third invariant:
/// ```compile_fail,E0624
/// # use gatepost_core::{TokenType, VerifiedPayload};
/// let payload = VerifiedPayload::new(b"{}", TokenType::AccessToken);
/// ```
/// ```compile_fail,E0451
/// # use gatepost_core::{TokenType, VerifiedPayload};
/// let payload = VerifiedPayload { bytes: b"{}", token_type: TokenType::AccessToken };
/// ```
#[derive(Clone, Copy)]
pub struct VerifiedPayload<'s> {
    bytes: &'s [u8],
    token_type: TokenType,
}

impl<'s> VerifiedPayload<'s> {
    pub(crate) fn new(bytes: &'s [u8], token_type: TokenType) -> Self {
        Self { bytes, token_type }
    }

    /// The bytes that were signed; not yet known to be JSON.
    #[must_use]
    pub fn bytes(&self) -> &'s [u8] {
        self.bytes
    }

    /// What the header's `typ` says of the token.
    #[must_use]
    pub fn token_type(&self) -> TokenType {
        self.token_type
    }
}

impl core::fmt::Debug for VerifiedPayload<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("VerifiedPayload(..)")
    }
}

/// The claims of a token that something has vouched for.
pub(crate) struct Claims<'c> {
    registered: Registered<'c>,
    wanted: heapless::Vec<Option<Value<'c>>, MAX_PATHS>,
}

/// The claims that every judgement looks at, as they stand in the payload.
#[derive(Default)]
pub(crate) struct Registered<'c> {
    pub(crate) exp: Option<Value<'c>>,
    pub(crate) nbf: Option<Value<'c>>,
    pub(crate) iat: Option<Value<'c>>,
    pub(crate) iss: Option<Value<'c>>,
    pub(crate) sub: Option<Value<'c>>,
    pub(crate) aud: Option<Value<'c>>,
    pub(crate) azp: Option<Value<'c>>,
    pub(crate) scope: Option<Value<'c>>,
    /// What Microsoft and Okta write instead of `scope`.
    pub(crate) scp: Option<Value<'c>>,
    pub(crate) cnf: Option<Value<'c>>,
    pub(crate) typ: Option<Value<'c>>,
    pub(crate) token_use: Option<Value<'c>>,
    /// Only answers of endpoints have it (RFC 7662 section 2.2).
    pub(crate) token_type: Option<Value<'c>>,
    pub(crate) nonce: Option<Value<'c>>,
    pub(crate) at_hash: Option<Value<'c>>,
    /// What makes a token a security event (RFC 8417 section 2.2), such as a logout.
    pub(crate) events: Option<Value<'c>>,
}

impl<'c> Registered<'c> {
    fn place(&mut self, name: Text<'_>) -> Option<&mut Option<Value<'c>>> {
        match name.as_str() {
            Some(name) => self.named(name),
            // Escapes hide no claim: `\u0063nf` is `cnf` (RFC 8259 section 8.3).
            None => self.named(&name.to_string::<MAX_NAME>()?),
        }
    }

    fn named(&mut self, name: &str) -> Option<&mut Option<Value<'c>>> {
        Some(match name {
            "exp" => &mut self.exp,
            "nbf" => &mut self.nbf,
            "iat" => &mut self.iat,
            "iss" => &mut self.iss,
            "sub" => &mut self.sub,
            "aud" => &mut self.aud,
            "azp" => &mut self.azp,
            "scope" => &mut self.scope,
            "scp" => &mut self.scp,
            "cnf" => &mut self.cnf,
            "typ" => &mut self.typ,
            "token_use" => &mut self.token_use,
            "token_type" => &mut self.token_type,
            "nonce" => &mut self.nonce,
            "at_hash" => &mut self.at_hash,
            "events" => &mut self.events,
            _ => return None,
        })
    }
}

/// Who an unverified payload says it comes from: good for choosing among what is trusted already.
#[derive(Clone, Copy)]
pub struct Hints<'c> {
    issuer: Option<Text<'c>>,
    authorized_party: Option<Text<'c>>,
    issued_at: Option<UnixTime>,
}

impl<'c> Hints<'c> {
    pub(crate) fn read(payload: &'c [u8]) -> Result<Self, Error> {
        let mut hints = Self {
            issuer: None,
            authorized_party: None,
            issued_at: None,
        };
        // Of a name that occurs twice the last one hints; the claims are refused when they are judged.
        for member in Object::parse(payload)?.members_unchecked() {
            let (name, value) = member?;
            if name == *"iss" {
                hints.issuer = value.string().ok();
            } else if name == *"azp" {
                hints.authorized_party = value.string().ok();
            } else if name == *"iat" {
                hints.issued_at = numeric_date(value);
            }
        }
        Ok(hints)
    }

    /// Whether the token says that it comes from `issuer`.
    #[must_use]
    pub fn is_issued_by(&self, issuer: &str) -> bool {
        self.issuer.is_some_and(|hint| hint == *issuer)
    }

    /// When the token says that it was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.issued_at
    }

    /// Whether it names an issuer at all.
    pub(crate) fn names_issuer(&self) -> bool {
        self.issuer.is_some()
    }

    /// A token without `azp` belongs to [`DEFAULT_OWNER`].
    pub(crate) fn is_minted_for(&self, owner: &str) -> bool {
        match self.authorized_party {
            Some(hint) => hint == *owner,
            None => owner == DEFAULT_OWNER,
        }
    }
}

/// What an unverified token says is nobody's business.
impl core::fmt::Debug for Hints<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Hints(..)")
    }
}

/// Why a payload has no claims to judge.
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

impl<'c> Claims<'c> {
    /// Reads `payload`, which something has vouched for, and finds `paths` in it.
    ///
    /// A path is a claim's whole name, or names of nested objects joined by dots.
    pub(crate) fn read<'p>(
        payload: &VerifiedPayload<'c>,
        paths: &(impl Iterator<Item = &'p str> + Clone),
    ) -> Result<Self, Error> {
        Self::of(Object::parse(payload.bytes)?, paths)
    }

    /// As [`read`](Self::read), of an object that an endpoint answered.
    pub(crate) fn of<'p>(
        object: Object<'c>,
        paths: &(impl Iterator<Item = &'p str> + Clone),
    ) -> Result<Self, Error> {
        let mut claims = Self {
            registered: Registered::default(),
            wanted: heapless::Vec::new(),
        };
        claims
            .wanted
            .resize_default(paths.clone().count())
            .map_err(|_| Error::TooManyPaths)?;
        for member in object.members() {
            let (name, value) = member?;
            if let Some(place) = claims.registered.place(name) {
                *place = Some(value);
            }
            for (path, found) in paths.clone().zip(claims.wanted.iter_mut()) {
                if let Some(value) = follow(path, name, value)? {
                    // `a.b` and `a` holding `b` would both be the path "a.b".
                    if found.replace(value).is_some() {
                        return Err(Error::Duplicate);
                    }
                }
            }
        }
        Ok(claims)
    }

    pub(crate) fn registered(&self) -> &Registered<'c> {
        &self.registered
    }

    /// What stands at the `index`th of the paths asked for.
    pub(crate) fn wanted(&self, index: usize) -> Option<Value<'c>> {
        self.wanted.get(index).copied().flatten()
    }
}

impl core::fmt::Debug for Claims<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Claims(..)")
    }
}

/// What `path` finds in the member `name: value`.
fn follow<'c>(path: &str, name: Text<'c>, value: Value<'c>) -> Result<Option<Value<'c>>, Error> {
    let Some(mut rest) = behind(path, name) else {
        return Ok(None);
    };
    let mut value = value;
    while !rest.is_empty() {
        let Value::Object(object) = value else {
            return Ok(None);
        };
        let mut next = None;
        // Walks the whole object, so that a duplicate behind the wanted member is seen too.
        for member in object.members() {
            let (name, inner) = member?;
            if let Some(behind) = behind(rest, name) {
                next = Some((inner, behind));
            }
        }
        let Some((inner, behind)) = next else {
            return Ok(None);
        };
        (value, rest) = (inner, behind);
    }
    Ok(Some(value))
}

/// The part of `path` behind `name` and a dot; empty where `name` is all of it.
fn behind<'p>(path: &'p str, name: Text<'_>) -> Option<&'p str> {
    let rest = match name.as_str() {
        Some(name) => path.strip_prefix(name)?,
        None => behind_escaped(path, name)?,
    };
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix('.').filter(|rest| !rest.is_empty())
    }
}

fn behind_escaped<'p>(path: &'p str, name: Text<'_>) -> Option<&'p str> {
    let mut rest = path.chars();
    name.chars()
        .all(|c| rest.next() == Some(c))
        .then_some(rest.as_str())
}

/// A `NumericDate` (RFC 7519 section 2); negative ones are no dates of a token.
pub(crate) fn numeric_date(value: Value<'_>) -> Option<UnixTime> {
    match value {
        Value::Number(number) => number.floor().map(UnixTime::from_seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vouched(payload: &str) -> VerifiedPayload<'_> {
        VerifiedPayload::new(payload.as_bytes(), TokenType::Unspecified)
    }

    fn find<'c>(payload: &'c str, path: &str) -> Result<Option<Value<'c>>, Error> {
        Claims::read(&vouched(payload), &core::iter::once(path)).map(|claims| claims.wanted(0))
    }

    #[track_caller]
    fn check(payload: &str, path: &str, expected: Option<&str>) {
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
            "emai", "email.", "emails", "email.x", ".email", "", "a", "a.", "a.c",
        ] {
            let payload = r#"{"email":"x","b":{"email":"y"},"a.b":"z"}"#;
            check(payload, path, None);
        }
    }

    #[test]
    fn two_ways_to_one_path_are_a_duplicate() {
        assert_eq!(
            find(r#"{"a.b":"x","a":{"b":"y"}}"#, "a.b").err(),
            Some(Error::Duplicate)
        );
        assert_eq!(
            find(r#"{"a":{"b":"x","b":"y"}}"#, "a.b").err(),
            Some(Error::Duplicate)
        );
        assert_eq!(
            find(r#"{"exp":1,"exp":2}"#, "a").err(),
            Some(Error::Duplicate)
        );
        assert_eq!(
            find(r#"{"exp":1,"\u0065xp":2}"#, "a").err(),
            Some(Error::Duplicate)
        );
    }

    #[test]
    fn unwanted_objects_may_be_odd() {
        check(r#"{"x":{"a":1,"a":2},"email":"x"}"#, "email", Some("x"));
    }

    #[test]
    fn hints_tell_who_issued_a_token_for_whom_and_when() {
        let hints = Hints::read(br#"{"iss":"i","azp":"a","iat":7.5,"nbf":9}"#).unwrap();
        assert!(hints.is_issued_by("i") && !hints.is_issued_by("a") && hints.names_issuer());
        assert!(hints.is_minted_for("a") && !hints.is_minted_for(DEFAULT_OWNER));
        assert_eq!(hints.issued_at(), Some(UnixTime::from_seconds(7)));
        let none = Hints::read(br#"{"iss":7,"exp":1}"#).unwrap();
        assert!(!none.names_issuer() && !none.is_issued_by("i"));
        assert!(none.is_minted_for(DEFAULT_OWNER));
        assert_eq!(none.issued_at(), None);
    }

    #[test]
    fn what_is_read_is_never_printed() {
        let payload = vouched(r#"{"iss":"secret"}"#);
        let claims = Claims::read(&payload, &core::iter::empty()).unwrap();
        let hints = Hints::read(payload.bytes()).unwrap();
        let printed = std::format!("{claims:?} {hints:?} {payload:?}");
        assert_eq!(printed, "Claims(..) Hints(..) VerifiedPayload(..)");
    }

    #[test]
    fn paths_are_bounded() {
        let paths = core::iter::repeat_n("a", MAX_PATHS);
        assert!(Claims::read(&vouched("{}"), &paths.clone()).is_ok());
        assert_eq!(
            Claims::read(&vouched("{}"), &paths.chain(["a"])).err(),
            Some(Error::TooManyPaths)
        );
    }

    #[test]
    fn registered_claims_are_found_in_the_same_walk() {
        let claims =
            Claims::read(&vouched(r#"{"exp":1.5,"sub":"s"}"#), &core::iter::empty()).unwrap();
        let exp = claims.registered().exp.and_then(numeric_date);
        assert_eq!(exp, Some(UnixTime::from_seconds(1)));
        assert!(claims.registered().sub.is_some() && claims.registered().iss.is_none());
    }
}
