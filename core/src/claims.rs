//! Payloads of tokens: those that something has vouched for, and what the others may hint at.

use core::cell::OnceCell;

use crate::{
    time::UnixTime,
    wire::json::{self, Object, Value},
};

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

/// What an unverified payload says of itself: it chooses among what is trusted already, nothing else.
///
/// Nothing is read before somebody asks, and all of it at once, so that however often is asked, a payload that
/// nobody has vouched for is walked once. The walk ends where all is found: the payload deserves no more work.
pub(crate) struct Hints<'c> {
    payload: &'c [u8],
    told: OnceCell<Told<'c>>,
}

/// The first of each name; `None` where it is absent or `null`.
struct Told<'c> {
    issuer: Result<Option<Value<'c>>, json::Error>,
    authorized_party: Option<Value<'c>>,
    issued_at: Option<Value<'c>>,
}

impl<'c> Hints<'c> {
    pub(crate) fn of(payload: &'c [u8]) -> Self {
        Self {
            payload,
            told: OnceCell::new(),
        }
    }

    pub(crate) fn payload(&self) -> &'c [u8] {
        self.payload
    }

    fn told(&self) -> &Told<'c> {
        self.told.get_or_init(|| Told::read(self.payload))
    }

    /// Who it says has issued it, of whatever type that is.
    ///
    /// # Errors
    /// Where the payload is not an object, or ends or breaks before it says so.
    pub(crate) fn issuer(&self) -> Result<Option<Value<'c>>, json::Error> {
        self.told().issuer
    }

    /// When it says that it was issued.
    pub(crate) fn issued_at(&self) -> Option<UnixTime> {
        self.told().issued_at.and_then(numeric_date)
    }

    /// Whether it says that it was minted for `owner`; one without `azp` belongs to [`DEFAULT_OWNER`].
    pub(crate) fn is_minted_for(&self, owner: &str) -> bool {
        match self.told().authorized_party {
            Some(Value::String(party)) => party == *owner,
            _ => owner == DEFAULT_OWNER,
        }
    }
}

impl<'c> Told<'c> {
    fn read(payload: &'c [u8]) -> Self {
        let mut found = [None; 3];
        let broken = Self::find(payload, &mut found).err();
        let [issuer, authorized_party, issued_at] = found.map(|value| {
            let value = value?;
            (!matches!(value, Value::Null)).then_some(value)
        });
        let issuer = match (found, broken) {
            ([None, ..], Some(error)) => Err(error),
            _ => Ok(issuer),
        };
        Self {
            issuer,
            authorized_party,
            issued_at,
        }
    }

    fn find(payload: &'c [u8], found: &mut [Option<Value<'c>>; 3]) -> Result<(), json::Error> {
        for member in Object::parse(payload)?.members_unchecked() {
            let (name, value) = member?;
            for (wanted, place) in ["iss", "azp", "iat"].into_iter().zip(&mut *found) {
                if place.is_none() && name == *wanted {
                    *place = Some(value);
                }
            }
            if found.iter().all(Option::is_some) {
                break;
            }
        }
        Ok(())
    }
}

/// What an unverified token says is nobody's business.
impl core::fmt::Debug for Hints<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Hints(..)")
    }
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

    #[test]
    fn hints_tell_who_issued_a_token_for_whom_and_when() {
        let issuer = |payload| Hints::of(payload).issuer();
        let hints = Hints::of(br#"{"iss":"i","azp":"a","iat":7.5,"nbf":9}"#);
        assert!(hints.issuer().unwrap().unwrap().string().unwrap() == *"i");
        assert!(hints.is_minted_for("a") && !hints.is_minted_for(DEFAULT_OWNER));
        assert_eq!(hints.issued_at(), Some(UnixTime::from_seconds(7)));
        for nobody in [br#"{"iss":null}"#.as_slice(), b"{}"] {
            assert!(issuer(nobody).unwrap().is_none());
        }
        // What follows is not looked at.
        assert!(issuer(br#"{"iss":"i",x"#).unwrap().is_some());
        for broken in [b"[]".as_slice(), b"{x", b"", br#"{"a":1,x"iss":"i"}"#] {
            assert!(issuer(broken).is_err());
        }
        let none = Hints::of(br#"{"exp":1}"#);
        assert!(none.is_minted_for(DEFAULT_OWNER));
        assert_eq!(none.issued_at(), None);
    }

    #[test]
    fn what_is_read_is_never_printed() {
        let payload = VerifiedPayload::new(br#"{"iss":"secret"}"#, TokenType::Unspecified);
        let hints = Hints::of(payload.bytes());
        let printed = std::format!("{hints:?} {payload:?}");
        assert_eq!(printed, "Hints(..) VerifiedPayload(..)");
    }
}
