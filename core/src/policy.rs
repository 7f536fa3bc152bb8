//! Judging claims: is this token good here and now, and whose is it? The only source of an [`Identity`].

mod dates;
mod explain;
mod findings;
mod identity;
mod kind;
mod members;
mod required;
mod rules;
mod sentences;
mod source;
mod username;

pub use explain::AnsweredClaims;
pub(crate) use findings::Findings;
pub use identity::{Identity, UserCase, VouchedUser};
pub(crate) use members::find;
pub use required::{Active, Requirement};
pub(crate) use rules::scopes;
pub use rules::{Claim, Rule};
pub(crate) use source::{Context, Source};
pub use username::{TemplateError, UsernameTemplate};

use crate::{
    claims::{TokenType, VerifiedPayload},
    sasl::SaslName,
    time::UnixTime,
    wire::json::{Object, Text},
};

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
    /// The only `iss` taken, byte for byte (RFC 7519 section 4.1.1); `None` leaves it unjudged. With
    /// [`tenants`](Self::tenants) it holds `{tenantid}` where each has its identifier.
    pub issuer: Option<&'p str>,
    /// The tenants of Entra whose tokens are taken; empty where the issuer has none.
    ///
    /// No tenant's `email` names anybody: its administrator may write any address there.
    pub tenants: &'p [Tenant<'p>],
    /// Whom a token must be minted for.
    pub audience: Audience<'p>,
    /// The clients taken, by `azp`, or else `client_id`, `cid` or `appid`; empty leaves it unjudged.
    pub authorized_parties: &'p [&'p str],
    /// Scopes of which a token must hold every one.
    pub scopes: &'p [&'p str],
    /// Where the user's name may stand: paths of claims, or templates over them such as
    /// `%{preferred_username}@example.com`; the first whose claims are all there counts.
    pub username_claims: &'p [&'p str],
    /// How names are compared and handed on.
    pub user_case: UserCase,
    /// Domains that the provider may name users of, without case; empty for any.
    pub domains: &'p [&'p str],
    /// Claims that a token must have, and what each must hold: 52 at most, of 16 paths, those of names included.
    /// More are [`Violation::PolicyTooLarge`].
    pub required: &'p [Requirement<'p>],
    /// A claim that must be there, and what it must be.
    pub active: Option<Active<'p>>,
    /// Whether ID tokens are taken as well: they are no access tokens, but some clients send them.
    pub id_tokens: bool,
    /// Whether a JWT's header has to say `at+jwt` (RFC 9068 section 2.1).
    pub require_type: bool,
    /// Whether an address names the user that the provider says it has not verified.
    pub unverified_email: bool,
    /// Who may log in as somebody else: [`domains`](Self::domains) has to name the other one's.
    pub delegates: &'p [Delegate<'p>],
    /// Path of a claim that holds whom its user may log in as, under the same condition.
    pub delegates_claim: Option<&'p str>,
    /// The claim that finds the user's account, where accounts are kept
    /// ([`AccountQuery::subject`](crate::exchange::AccountQuery::subject)): `sub`, unless the provider's directory
    /// calls its users by another one that is nobody else's, as Entra's does (`oid`).
    pub account_claim: &'p str,
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

/// A tenant of an issuer that has many: Microsoft Entra.
#[derive(Clone, Copy, Debug)]
pub struct Tenant<'p> {
    /// Its identifier, the `tid` of its tokens.
    pub id: &'p str,
    /// Domains that it may name users of, without case; empty for any.
    pub domains: &'p [&'p str],
}

/// A user who may log in as others: a shared mailbox.
#[derive(Clone, Copy, Debug)]
pub struct Delegate<'p> {
    /// The user whom the token names.
    pub user: &'p str,
    /// Whom that user may log in as.
    pub may_act_as: &'p [&'p str],
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
    /// An ID token, a refresh token, or something else that gives no access; the claim that says so.
    NotAccessToken(Claim),
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
    /// The address that names the user has not been verified by the provider.
    EmailNotVerified,
    /// A required scope is missing.
    InsufficientScope,
    /// A required claim is missing, or does not hold what it must.
    UnmetRequirement {
        /// Its place in [`Policy::required`].
        place: usize,
    },
    /// The user's domain is none of the provider's.
    WrongDomain,
    /// The account is not active.
    Inactive,
    /// The name is empty, too long, or holds characters that no user name may have.
    UnusableUserName,
    /// The client claims to be somebody else than the token says.
    WrongUser,
    /// The policy asks for more claims than can be read: whoever wrote it is at fault, and no token.
    PolicyTooLarge,
}

impl Violation {
    /// What is wrong, for the client's user.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Malformed => "The token's claims are malformed",
            Self::MalformedClaim(claim) => claim.malformed(),
            Self::ConflictingDates => "The token expires before it is valid",
            Self::Missing(claim) => sentences::missing(claim),
            Self::KeyBound => "The token is bound to a key and cannot be used over SASL",
            Self::NotAccessToken(claim) => sentences::not_access_token(claim),
            Self::Expired { .. } => "The token has expired",
            Self::NotYetValid { .. } => "The token is not valid yet",
            Self::IssuedInFuture => "The token was issued in the future",
            Self::WrongIssuer => "The token comes from another issuer",
            Self::WrongAudience => "The token was minted for another audience",
            Self::WrongAuthorizedParty => "The token was minted for another client",
            Self::EmailNotVerified => "The provider has not verified the user's address",
            Self::InsufficientScope => "The token lacks a required scope",
            Self::UnmetRequirement { .. } => "The token lacks a required group, role or claim",
            Self::WrongDomain => "The token's provider does not speak for the user's domain",
            Self::Inactive => "The account is not active",
            Self::UnusableUserName => "The token's user name cannot be used",
            Self::WrongUser => "The token belongs to another user",
            Self::PolicyTooLarge => "Temporary failure: the policy asks for too many claims",
        }
    }
}

impl core::fmt::Display for Violation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.sentence())
    }
}

impl core::error::Error for Violation {}

impl<'p> Policy<'p> {
    /// The strictest policy that can be met without knowing more of the provider.
    ///
    /// The user's name is taken from `sub`.
    #[must_use]
    pub const fn new(provider: &'p str, audience: Audience<'p>) -> Self {
        Self {
            provider,
            issuer: None,
            tenants: &[],
            audience,
            authorized_parties: &[],
            scopes: &[],
            username_claims: &["sub"],
            user_case: UserCase::LowerDomain,
            domains: &[],
            required: &[],
            active: None,
            id_tokens: false,
            require_type: false,
            unverified_email: false,
            delegates: &[],
            delegates_claim: None,
            account_claim: "sub",
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
        let context = claims_context(now, payload, key_owner);
        let object = Object::parse(payload.bytes()).map_err(|_| Violation::Malformed)?;
        let mut findings = Findings::default();
        self.read_into(object, &context, claimed, &mut findings)?;
        self.conclude(&findings, context.source, claimed)
    }

    /// Whether it is this policy's provider that a token is meant for, among those of one issuer: by its audience, the
    /// party that asked for it, the client that its key signs for, and the domain of its user.
    #[inline(never)]
    pub(crate) fn is_meant_by(&self, payload: &VerifiedPayload<'_>, owner: Option<&str>) -> bool {
        // None of these rules looks at the time.
        let context = claims_context(UnixTime::from_seconds(0), payload, owner);
        let Ok(object) = Object::parse(payload.bytes()) else {
            return true;
        };
        match self.read(object, &context, None) {
            Ok(findings) => self.is_told_by(&findings),
            Err(_) => true,
        }
    }

    /// Whom members name that somebody has vouched for, whether or not they meet the other rules.
    #[inline(never)]
    pub(crate) fn user_named_by(&self, object: Object<'_>) -> Option<VouchedUser> {
        // No rule about the name looks at the time or at the header.
        let nothing = VerifiedPayload::new(b"", TokenType::Unspecified);
        let context = claims_context(UnixTime::from_seconds(0), &nothing, None);
        let findings = self.read(object, &context, None).ok()?;
        findings.user.map(|named| VouchedUser(named.name))
    }

    /// Whether `issuer` is the one, or one of the tenants'.
    pub(crate) fn is_issued_here(&self, issuer: Text<'_>) -> bool {
        match self.issuer {
            Some(_) if !self.tenants.is_empty() => self.tenant_of(issuer).is_some(),
            Some(ours) => issuer == *ours,
            None => false,
        }
    }

    /// Which tenant's issuer `issuer` is.
    fn tenant_of(&self, issuer: Text<'_>) -> Option<usize> {
        let found = tenant_in(self.issuer?, issuer)?;
        let mut tenants = self.tenants.iter();
        tenants.position(|tenant| found == tenant.id)
    }

    /// Whether it speaks for some domain for which `is_ours` holds.
    pub(crate) fn speaks_for(&self, is_ours: impl Fn(&str) -> bool) -> bool {
        let mut lists = self.tenants.iter().map(|tenant| tenant.domains);
        let is_any = |domains: &[&str]| domains.iter().any(|domain| is_ours(domain));
        is_any(self.domains) || lists.any(is_any)
    }

    /// Whether it speaks for users of any domain.
    pub(crate) fn speaks_for_any(&self) -> bool {
        let is_any = |tenant: &Tenant<'_>| tenant.domains.is_empty();
        self.domains.is_empty() && self.tenants.iter().all(is_any)
    }

    /// Visits every path that is looked for.
    fn each_path(&self, visit: &mut dyn FnMut(&'p str)) {
        self.each_claim_of_names(visit);
        if let Some(active) = self.active {
            visit(active.claim);
        }
        for required in self.required {
            visit(required.claim);
        }
        if let Some(claim) = self.delegates_claim {
            visit(claim);
        }
    }
}

fn claims_context<'x>(
    now: UnixTime,
    payload: &VerifiedPayload<'_>,
    key_owner: Option<&'x str>,
) -> Context<'x> {
    Context {
        now,
        source: Source::Claims(payload.token_type()),
        key_owner,
        asking_client: None,
    }
}

/// Longest issuer that holds a tenant's identifier, in bytes; Entra's have 74.
const MAX_TENANTS_ISSUER: usize = 256;

/// The tenant's identifier in `issuer`: what stands where `template` has `{tenantid}`.
pub(crate) fn tenant_in(template: &str, issuer: Text<'_>) -> Option<heapless::String<64>> {
    let at = template.find('{')?;
    let (before, after) = template.split_at_checked(at)?;
    let after = after.strip_prefix("{tenantid}")?;
    let issuer = issuer.to_string::<MAX_TENANTS_ISSUER>()?;
    let id = issuer.strip_prefix(before)?.strip_suffix(after)?;
    let is_one = !id.is_empty() && !id.contains('/');
    id.try_into().ok().filter(|_| is_one)
}
