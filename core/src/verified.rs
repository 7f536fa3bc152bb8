//! A token in, an identity and verified claims out: the core in one call, for libraries.

use core::fmt;

use crate::{
    claims::numeric_date,
    crypto::Backend,
    exchange::{Exchange, Input, LoginSettings, Output, Provider},
    jose::UnverifiedJwt,
    key_set::KeySet,
    policy::{self, Identity, Policy},
    rejection::Rejection,
    time::UnixTime,
    wire::json::{Object, Text, Value},
};

/// Verifies `token`, a JWT, with one of `keys`, and judges its claims by `policy`.
///
/// `scratch` holds the decoded payload, which the result borrows: three bytes for every four of the longest
/// token to be taken; [`MAX_PAYLOAD`](crate::exchange::MAX_PAYLOAD) bytes hold any. The token is judged as an
/// [`Exchange`] without endpoints judges it.
///
/// # Errors
/// The first rule that the token breaks. Where [`Rejection::status`] is `None`, the token is not to blame:
/// there are no keys, or `scratch` is too short.
pub fn verify<'s, const N: usize, B: Backend>(
    token: &str,
    keys: &KeySet<N, B>,
    policy: &Policy<'_>,
    now: UnixTime,
    scratch: &'s mut [u8],
) -> Result<Verified<'s>, Rejection> {
    let providers = [Provider::new(policy)];
    let settings = LoginSettings::new(&providers);
    let trusted = keys.trusted();
    let keys = [&*trusted];
    let mut exchange = Exchange::of_token(settings, token.as_bytes());
    let mut input = Input::Start;
    let identity = loop {
        input = match exchange.step(now, input) {
            Output::FindKeys(_) => Input::Keys {
                keys: &keys,
                scratch: &mut *scratch,
            },
            Output::FindNewerKeys(_) => Input::NoNewerKeys,
            Output::Accept(identity) => break identity.clone(),
            Output::Reject(why) => return Err(why),
            // There are no endpoints to ask, and no client to challenge.
            Output::Fetch(_) | Output::Again | Output::Challenge(_) => {
                return Err(Rejection::OutOfOrder);
            }
        };
    };
    let payload = UnverifiedJwt::parse(token)?.decode_payload(scratch)?;
    let claims = Object::parse(payload).map_err(|_| policy::Violation::Malformed)?;
    Ok(Verified {
        identity,
        payload,
        claims,
    })
}

/// What a token says whose signature has verified, and whose claims are good. Only [`verify`] makes one.
///
/// Claims are found by path: a claim's whole name, or names of nested objects joined by dots, such as
/// `realm_access.roles`. What is absent, `null`, of another type than is asked for, or stands there twice is
/// `None`.
///
/// ```compile_fail,E0451
/// # fn forge(good: gatepost_core::Verified<'static>) -> gatepost_core::Verified<'static> {
/// gatepost_core::Verified { payload: b"{}", ..good }
/// # }
/// ```
#[derive(Clone)]
pub struct Verified<'s> {
    identity: Identity,
    payload: &'s [u8],
    claims: Object<'s>,
}

impl<'s> Verified<'s> {
    /// Whose the token is, and how long it is good.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The user's name, normalised.
    #[must_use]
    pub fn user(&self) -> &str {
        self.identity.user()
    }

    /// The string at `path`: `iss`, `sub`.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<ClaimText<'s>> {
        match self.at(path)? {
            Value::String(text) => Some(ClaimText(text)),
            _ => None,
        }
    }

    /// The integer at `path`, where it is written as one.
    #[must_use]
    pub fn integer(&self, path: &str) -> Option<i64> {
        match self.at(path)? {
            Value::Number(number) => number.as_str().parse().ok(),
            _ => None,
        }
    }

    /// The boolean at `path`: `email_verified`.
    #[must_use]
    pub fn boolean(&self, path: &str) -> Option<bool> {
        match self.at(path)? {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// The date at `path`: `iat`, `auth_time` (RFC 7519 section 2, `NumericDate`). Fractions of a second are
    /// dropped.
    #[must_use]
    pub fn date(&self, path: &str) -> Option<UnixTime> {
        self.at(path).and_then(numeric_date)
    }

    /// The strings at `path`: an array of nothing else, or one string, as `aud` may be (RFC 7519 section
    /// 4.1.3).
    pub fn strings(&self, path: &str) -> impl Iterator<Item = ClaimText<'s>> + use<'s> {
        let value = self.at(path);
        let value = value.filter(|value| value.strings().all(|one| one.is_ok()));
        let strings = value.into_iter().flat_map(Value::strings);
        strings.flatten().map(ClaimText)
    }

    /// The scopes: the words of `scope` (RFC 8693 section 4.2), or of `scp`, as Microsoft and Okta call it.
    pub fn scopes(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        policy::scopes(self.claims)
    }

    /// The payload as the issuer signed it, a JSON object, for whatever has no method here.
    #[must_use]
    pub fn json(&self) -> &'s [u8] {
        self.payload
    }

    fn at(&self, path: &str) -> Option<Value<'s>> {
        policy::find(self.claims, path).ok().flatten()
    }
}

impl fmt::Debug for Verified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Claims may be personal.
        f.debug_struct("Verified")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// A string of a verified token: compared with `==`, printed with `{}`, and never copied.
#[derive(Clone, Copy)]
pub struct ClaimText<'s>(Text<'s>);

impl<'s> ClaimText<'s> {
    /// The text as one slice; `None` where the token writes it with escapes, such as `https:\/\/`.
    #[must_use]
    pub fn as_str(&self) -> Option<&'s str> {
        self.0.as_str()
    }

    /// Its characters, escapes decoded.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'s> {
        self.0.chars()
    }
}

impl PartialEq for ClaimText<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for ClaimText<'_> {}

impl PartialEq<str> for ClaimText<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<&str> for ClaimText<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == **other
    }
}

impl fmt::Display for ClaimText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        match self.as_str() {
            Some(text) => f.pad(text),
            None => self.chars().try_for_each(|c| f.write_char(c)),
        }
    }
}

/// A claim may be personal: its text is printed only where that is asked for.
impl fmt::Debug for ClaimText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimText(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Audience, TokenType, VerifiedPayload};
    use std::{format, string::ToString as _, vec::Vec};

    const PAYLOAD: &str = r#"{"sub":"1","exp":2000,"iss":"https:\/\/id.example.com","aud":["a","b"],
        "scope":"openid  mail https:\/\/x","email_verified":true,"n":-7,"f":1.5,"e":1e3,"null":null,
        "auth_time":1000.75,"realm_access":{"roles":["r1","r2"],"a.b":"deep"},"mixed":["a",1],
        "x":{"y":1},"x.y":2,"empty":[],"object":{"k":"v"}}"#;

    fn verified() -> Verified<'static> {
        let policy = Policy::new("test", Audience::OneOf(&["a"]));
        let payload = VerifiedPayload::new(PAYLOAD.as_bytes(), TokenType::Unspecified);
        let now = UnixTime::from_seconds(1000);
        Verified {
            identity: policy.check(now, &payload, None).unwrap(),
            payload: payload.bytes(),
            claims: Object::parse(payload.bytes()).unwrap(),
        }
    }

    #[test]
    fn a_claim_has_the_type_that_it_is_asked_for() {
        let verified = verified();
        assert_eq!(verified.user(), "1");
        let text = |path| verified.text(path).map(|text| text.to_string());
        assert_eq!(text("sub").as_deref(), Some("1"));
        assert_eq!(text("realm_access.a.b").as_deref(), Some("deep"));
        assert_eq!(verified.integer("n"), Some(-7));
        assert_eq!(verified.integer("exp"), Some(2000));
        assert_eq!(verified.boolean("email_verified"), Some(true));
        let date = verified.date("auth_time").map(UnixTime::seconds);
        assert_eq!(date, Some(1000));
    }

    #[test]
    fn strings_are_one_or_many() {
        let verified = verified();
        let strings = |path| {
            let strings = verified.strings(path).map(|text| text.to_string());
            strings.collect::<Vec<_>>()
        };
        assert_eq!(strings("aud"), ["a", "b"]);
        assert_eq!(strings("realm_access.roles"), ["r1", "r2"]);
        assert_eq!(strings("sub"), ["1"]);
        for none in ["mixed", "empty", "object", "n", "null", "absent"] {
            assert!(strings(none).is_empty(), "{none}");
        }
        // As the policy's own rule, it reads no scope that is written with escapes.
        let scopes: Vec<_> = verified.scopes().collect();
        assert_eq!(scopes, ["openid", "mail"]);
    }

    #[test]
    fn what_is_absent_of_another_type_or_ambiguous_is_none() {
        let verified = verified();
        for path in ["absent", "null", "", "x.y", "object", "realm_access.roles"] {
            assert!(verified.text(path).is_none(), "{path}");
            assert_eq!(verified.integer(path), None, "{path}");
            assert_eq!(verified.boolean(path), None, "{path}");
            assert_eq!(verified.date(path), None, "{path}");
        }
        for path in ["f", "e", "sub"] {
            assert_eq!(verified.integer(path), None, "{path}");
        }
        assert_eq!(verified.date("n"), None, "no date lies before 1970");
    }

    #[test]
    fn escapes_are_decoded_in_comparing_and_printing_only() {
        let iss = verified().text("iss").unwrap();
        assert!(iss == "https://id.example.com" && iss == *"https://id.example.com");
        assert!(iss == iss && iss != "https:\\/\\/id.example.com");
        assert_eq!(iss.to_string(), "https://id.example.com");
        assert!(iss.chars().eq("https://id.example.com".chars()));
        assert_eq!(iss.as_str(), None);
        let sub = verified().text("sub").unwrap();
        assert_eq!((sub.as_str(), &*format!("{sub:>3}")), (Some("1"), "  1"));
    }

    #[test]
    fn claims_are_not_printed() {
        let shown = format!("{:?} {:?}", verified(), verified().text("iss"));
        assert!(
            !shown.contains("example") && shown.contains("ClaimText(..)"),
            "{shown}"
        );
        assert_eq!(verified().json(), PAYLOAD.as_bytes());
    }
}
