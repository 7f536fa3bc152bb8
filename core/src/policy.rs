//! Judging claims: is this token good here and now, and whose is it? The only source of an [`Identity`].

mod answer;
mod identity;

pub(crate) use answer::Findings;
pub use identity::{Identity, UserCase};

use crate::{
    claims::{self, Claims, DEFAULT_OWNER, TokenType, VerifiedPayload, numeric_date},
    sasl::SaslName,
    time::UnixTime,
    wire::json::{Text, Value},
};
use identity::UserName;

/// Clock skew allowed between the provider and us, in seconds (RFC 7519 section 4.1.4: "a few minutes" at
/// most).
pub const DEFAULT_SKEW: u32 = 60;

/// What a provider's tokens have to say to be good here.
///
/// ```
/// use gatepost_core::{Audience, Policy};
///
/// let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
/// policy.issuer = Some("https://id.example.com");
/// policy.username_claims = &["email"];
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Policy<'p> {
    /// What the operator calls the provider; for the log.
    pub provider: &'p str,
    /// The only `iss` taken, byte for byte (RFC 7519 section 4.1.1); `None` leaves it unjudged.
    pub issuer: Option<&'p str>,
    /// Whom a token must be minted for.
    pub audience: Audience<'p>,
    /// The `azp` values taken; empty leaves it unjudged.
    pub authorized_parties: &'p [&'p str],
    /// Scopes of which a token must hold every one.
    pub scopes: &'p [&'p str],
    /// Paths of the claims that may hold the user's name; the first that the token has counts.
    pub username_claims: &'p [&'p str],
    /// How names are compared and handed on.
    pub user_case: UserCase,
    /// Domains that the provider may name users of, without case; empty for any.
    pub domains: &'p [&'p str],
    /// Claims that a token must have, and what each must hold.
    pub required: &'p [Requirement<'p>],
    /// A claim that must be there, and what it must be.
    pub active: Option<Active<'p>>,
    /// Whether ID tokens are taken as well: they are no access tokens, but some clients send them.
    pub id_tokens: bool,
    /// Clock skew allowed, in seconds.
    pub skew: u32,
}

/// Whom a token must be minted for (RFC 7519 section 4.1.3).
#[derive(Clone, Copy, Debug)]
pub enum Audience<'p> {
    /// One of these must be in `aud`.
    OneOf(&'p [&'p str]),
    /// Any audience will do, even none: a token for another application opens the mailbox.
    Any,
}

/// A claim that says whether an account is active.
#[derive(Clone, Copy, Debug)]
pub struct Active<'p> {
    /// Path of the claim.
    pub claim: &'p str,
    /// Its value as text (`true`, `1`, `"yes"`); `None` where it only has to be there.
    pub value: Option<&'p str>,
}

/// A claim that a token must have: a group, a role, or whatever else says that its user may use mail.
#[derive(Clone, Copy, Debug)]
pub struct Requirement<'p> {
    /// Path of the claim: `groups`, or `realm_access.roles`.
    pub claim: &'p str,
    /// Its value as text, or one element of it where it is an array.
    pub value: &'p str,
}

/// Why claims were judged no good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// The payload is not one JSON object, or two readers could read it differently.
    Malformed,
    /// A claim has another type than the standard gives it.
    MalformedClaim(Claim),
    /// A claim that must be there is not.
    Missing(Claim),
    /// `cnf` binds the token to a key, which SASL has no way to prove (RFC 7800, RFC 9449, RFC 8705).
    KeyBound,
    /// An ID token, a refresh token, or something else that gives no access.
    NotAccessToken,
    /// `exp` has passed.
    Expired {
        /// When the token was judged.
        now: UnixTime,
        /// Until when it was good.
        expires_at: UnixTime,
    },
    /// `nbf` is still to come.
    NotYetValid {
        /// From when it will be good.
        not_before: UnixTime,
    },
    /// `iat` is still to come: one of the two clocks is wrong.
    IssuedInFuture,
    /// `exp` lies before `iat` or `nbf`: the token was never good.
    ConflictingDates,
    /// `iss` is not the issuer.
    WrongIssuer,
    /// `aud` does not name us.
    WrongAudience,
    /// `azp` is none of the clients that may ask for tokens.
    WrongAuthorizedParty,
    /// A required scope is missing.
    InsufficientScope,
    /// A required claim is missing, or does not hold what it must.
    UnmetRequirement,
    /// The user's domain is none of the provider's.
    WrongDomain,
    /// The account is not active.
    Inactive,
    /// The name is empty, too long, or holds characters that no user name may have.
    UnusableUserName,
    /// The client claims to be somebody else than the token says.
    WrongUser,
}

/// A claim, as [`Violation`] names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the claim's name")]
pub enum Claim {
    Exp,
    Nbf,
    Iat,
    Iss,
    Sub,
    Aud,
    Azp,
    Scope,
    Active,
    User,
}

impl<'p> Policy<'p> {
    /// The strictest policy that can be met without knowing more of the provider.
    ///
    /// The user's name is taken from `sub`.
    #[must_use]
    pub const fn new(provider: &'p str, audience: Audience<'p>) -> Self {
        Self {
            provider,
            issuer: None,
            audience,
            authorized_parties: &[],
            scopes: &[],
            username_claims: &["sub"],
            user_case: UserCase::LowerDomain,
            domains: &[],
            required: &[],
            active: None,
            id_tokens: false,
            skew: DEFAULT_SKEW,
        }
    }

    /// Judges a payload whose signature has verified; `claimed` is who the client asks to act as.
    ///
    /// # Errors
    /// The first rule that the claims break.
    pub fn check(
        &self,
        now: UnixTime,
        payload: &VerifiedPayload<'_>,
        claimed: Option<SaslName<'_>>,
    ) -> Result<Identity, Violation> {
        self.check_signed_for(now, payload, claimed, None)
    }

    /// As [`check`](Self::check), where the key that verified belongs to one client.
    #[inline(never)]
    pub(crate) fn check_signed_for(
        &self,
        now: UnixTime,
        payload: &VerifiedPayload<'_>,
        claimed: Option<SaslName<'_>>,
        key_owner: Option<&str>,
    ) -> Result<Identity, Violation> {
        let claims = Claims::read(payload, &self.paths())?;
        self.check_type(payload.token_type(), &claims)?;
        let expires_at = self.check_dates(now, &claims)?;
        self.check_issuer(&claims)?;
        self.check_audience(&claims)?;
        self.check_authorized_party(&claims)?;
        check_key_owner(&claims, key_owner)?;
        self.check_scopes(&claims)?;
        self.check_active(&claims)?;
        self.check_required(&claims)?;
        let (user, _) = self.user(&claims)?;
        self.check_user(&user, claimed)?;
        Ok(Identity::new(user, Some(expires_at)))
    }

    /// Every path that is looked for; the methods below know each by its place.
    fn paths(&self) -> impl Iterator<Item = &'p str> + Clone {
        let active = self.active.map(|active| active.claim);
        let required = self.required.iter().map(|required| required.claim);
        let names = self.username_claims.iter().copied();
        names.chain(active).chain(required)
    }

    /// RFC 8725 section 3.11: a token of another kind must not pass for an access token.
    fn check_type(&self, token_type: TokenType, claims: &Claims<'_>) -> Result<(), Violation> {
        let claims = claims.registered();
        if claims.cnf.is_some() {
            return Err(Violation::KeyBound);
        }
        let kind = match token_type {
            TokenType::AccessToken => Kind::Access,
            TokenType::Unspecified => Kind::told_by(claims),
            TokenType::IntrospectionAnswer | TokenType::Other => Kind::Other,
        };
        match kind {
            Kind::Access => Ok(()),
            Kind::Id if self.id_tokens => Ok(()),
            Kind::Id | Kind::Other => Err(Violation::NotAccessToken),
        }
    }

    fn check_dates(&self, now: UnixTime, claims: &Claims<'_>) -> Result<UnixTime, Violation> {
        let dates = Dates::read(claims.registered(), numeric_date)?;
        let expires_at = dates.expires_at.ok_or(Violation::Missing(Claim::Exp))?;
        self.check_window(now, expires_at, &dates)
    }

    fn check_window(
        &self,
        now: UnixTime,
        expires_at: UnixTime,
        dates: &Dates,
    ) -> Result<UnixTime, Violation> {
        let (not_before, issued_at) = (dates.not_before, dates.issued_at);
        // RFC 7519 section 4.1.4: "on or after" the date it is expired.
        if now >= expires_at.plus(self.skew) {
            return Err(Violation::Expired { now, expires_at });
        }
        if let Some(not_before) = not_before
            && now < not_before.minus(self.skew)
        {
            return Err(Violation::NotYetValid { not_before });
        }
        if issued_at.is_some_and(|issued_at| now < issued_at.minus(self.skew)) {
            return Err(Violation::IssuedInFuture);
        }
        if not_before
            .max(issued_at)
            .is_some_and(|start| expires_at < start)
        {
            return Err(Violation::ConflictingDates);
        }
        Ok(expires_at)
    }

    fn check_issuer(&self, claims: &Claims<'_>) -> Result<(), Violation> {
        // RFC 9068 section 2.2 and Dovecot ask for a subject, whoever the name is taken from.
        text(claims.registered().sub, Claim::Sub)?;
        self.check_issuer_alone(claims)
    }

    fn check_issuer_alone(&self, claims: &Claims<'_>) -> Result<(), Violation> {
        let Some(issuer) = self.issuer else {
            return Ok(());
        };
        if text(claims.registered().iss, Claim::Iss)? == *issuer {
            Ok(())
        } else {
            Err(Violation::WrongIssuer)
        }
    }

    fn check_audience(&self, claims: &Claims<'_>) -> Result<(), Violation> {
        let Audience::OneOf(wanted) = self.audience else {
            return Ok(());
        };
        let aud = claims
            .registered()
            .aud
            .ok_or(Violation::Missing(Claim::Aud))?;
        let mut found = false;
        for audience in aud.strings() {
            let audience = audience.map_err(|_| Violation::MalformedClaim(Claim::Aud))?;
            found |= wanted.iter().any(|wanted| audience == **wanted);
        }
        if found {
            Ok(())
        } else {
            Err(Violation::WrongAudience)
        }
    }

    fn check_authorized_party(&self, claims: &Claims<'_>) -> Result<(), Violation> {
        if self.authorized_parties.is_empty() {
            return Ok(());
        }
        let azp = text(claims.registered().azp, Claim::Azp)?;
        let is_known = self.authorized_parties.iter().any(|party| azp == **party);
        if is_known {
            Ok(())
        } else {
            Err(Violation::WrongAuthorizedParty)
        }
    }

    /// RFC 8693 section 4.2: a string with spaces; arrays occur as well.
    fn check_scopes(&self, claims: &Claims<'_>) -> Result<(), Violation> {
        if self.scopes.is_empty() {
            return Ok(());
        }
        let claims = claims.registered();
        let scope = claims
            .scope
            .or(claims.scp)
            .ok_or(Violation::InsufficientScope)?;
        for wanted in self.scopes {
            let mut found = false;
            for held in scope.strings() {
                let held = held.map_err(|_| Violation::MalformedClaim(Claim::Scope))?;
                found |= held.words().any(|word| word == wanted.as_bytes());
            }
            if !found {
                return Err(Violation::InsufficientScope);
            }
        }
        Ok(())
    }

    fn check_active(&self, claims: &Claims<'_>) -> Result<(), Violation> {
        let Some(active) = self.active else {
            return Ok(());
        };
        let value = claims
            .wanted(self.username_claims.len())
            .ok_or(Violation::Inactive)?;
        let is_active = match (active.value, value) {
            // A claim that is null is there to say that there is nothing.
            (_, Value::Null) => return Err(Violation::MalformedClaim(Claim::Active)),
            (None, _) => true,
            (Some(_), Value::Array(_) | Value::Object(_)) => {
                return Err(Violation::MalformedClaim(Claim::Active));
            }
            (Some(wanted), value) => is_text(value, wanted),
        };
        if is_active {
            Ok(())
        } else {
            Err(Violation::Inactive)
        }
    }

    fn check_required(&self, claims: &Claims<'_>) -> Result<(), Violation> {
        let before = self.username_claims.len();
        let before = before.saturating_add(usize::from(self.active.is_some()));
        for (place, required) in (before..).zip(self.required) {
            let holds = match claims.wanted(place) {
                Some(Value::Array(array)) => {
                    let mut found = false;
                    for item in array.items() {
                        let item = item.map_err(|_| Violation::Malformed)?;
                        found |= is_text(item, required.value);
                    }
                    found
                }
                Some(value) => is_text(value, required.value),
                None => false,
            };
            if !holds {
                return Err(Violation::UnmetRequirement);
            }
        }
        Ok(())
    }

    /// The user's name, and which of the candidates it comes from.
    fn user(&self, claims: &Claims<'_>) -> Result<(UserName, usize), Violation> {
        let mut candidates =
            (0..self.username_claims.len()).filter_map(|i| Some((i, claims.wanted(i)?)));
        let (rank, name) = candidates.next().ok_or(Violation::Missing(Claim::User))?;
        let name = name
            .string()
            .map_err(|_| Violation::MalformedClaim(Claim::User))?;
        Ok((UserName::new(name.chars(), self.user_case)?, rank))
    }

    /// Whether the provider may speak for `user`, and the client does not claim to be somebody else.
    fn check_user(&self, user: &UserName, claimed: Option<SaslName<'_>>) -> Result<(), Violation> {
        if !self.domains.is_empty() {
            let domain = user.domain().ok_or(Violation::WrongDomain)?;
            let mut ours = self.domains.iter();
            if !ours.any(|ours| ours.eq_ignore_ascii_case(domain)) {
                return Err(Violation::WrongDomain);
            }
        }
        if let Some(claimed) = claimed
            && UserName::new(claimed.chars(), self.user_case)? != *user
        {
            return Err(Violation::WrongUser);
        }
        Ok(())
    }
}

/// Whether a scalar reads as `wanted`: `true`, `1`, `yes`.
fn is_text(value: Value<'_>, wanted: &str) -> bool {
    match value {
        Value::Bool(flag) => wanted == if flag { "true" } else { "false" },
        Value::Number(number) => number.as_str() == wanted,
        Value::String(text) => text == *wanted,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// The dates of a token, as far as it has them.
struct Dates {
    expires_at: Option<UnixTime>,
    not_before: Option<UnixTime>,
    issued_at: Option<UnixTime>,
}

impl Dates {
    fn read(
        claims: &claims::Registered<'_>,
        read: impl Fn(Value<'_>) -> Option<UnixTime>,
    ) -> Result<Self, Violation> {
        let date = |claim: Option<Value<'_>>, name| {
            let read = |value| read(value).ok_or(Violation::MalformedClaim(name));
            claim.map(read).transpose()
        };
        Ok(Self {
            expires_at: date(claims.exp, Claim::Exp)?,
            not_before: date(claims.nbf, Claim::Nbf)?,
            issued_at: date(claims.iat, Claim::Iat)?,
        })
    }
}

/// A key in Dovecot's layout signs for one `azp`; a token without one belongs to `default`.
fn check_key_owner(claims: &Claims<'_>, owner: Option<&str>) -> Result<(), Violation> {
    let Some(owner) = owner else { return Ok(()) };
    let is_owners = match claims.registered().azp {
        None => owner == DEFAULT_OWNER,
        azp => text(azp, Claim::Azp)? == *owner,
    };
    if is_owners {
        Ok(())
    } else {
        Err(Violation::WrongAuthorizedParty)
    }
}

/// What a token without `at+jwt` gives itself away as.
enum Kind {
    Access,
    Id,
    Other,
}

impl Kind {
    fn told_by(claims: &claims::Registered<'_>) -> Self {
        let says = |claim: Option<Value<'_>>, wanted: &[&str]| {
            let text = claim.and_then(|value| value.string().ok());
            text.is_some_and(|text| wanted.iter().any(|wanted| text == **wanted))
        };
        // Keycloak writes `typ`, Amazon Cognito `token_use`; ID tokens have `nonce` and `at_hash`.
        // RFC 8417 section 4: a security event is never an access token, whatever else it says.
        if claims.events.is_some() {
            return Self::Other;
        }
        if says(claims.typ, &["Bearer", "at+jwt"]) || says(claims.token_use, &["access"]) {
            return Self::Access;
        }
        if says(claims.typ, &["ID"]) || says(claims.token_use, &["id"]) {
            return Self::Id;
        }
        if says(claims.typ, &["Refresh", "Offline", "Logout"]) || claims.token_use.is_some() {
            return Self::Other;
        }
        if claims.nonce.is_some() || claims.at_hash.is_some() {
            Self::Id
        } else {
            Self::Access
        }
    }
}

fn text(claim: Option<Value<'_>>, name: Claim) -> Result<Text<'_>, Violation> {
    let claim = claim.ok_or(Violation::Missing(name))?;
    claim.string().map_err(|_| Violation::MalformedClaim(name))
}

impl From<claims::Error> for Violation {
    fn from(_: claims::Error) -> Self {
        Self::Malformed
    }
}
