//! The rules: what a token's claims, or a provider's answers about it, have to say. All of them are here.
//!
//! Members meet a rule, break it, or are absent. Both sources are read by
//! [`Rule::judge`], and [`Rule::is_required_of`] says in which of the two they may be absent: a rule that
//! forgets one of them does not compile. To add one, name its members and its claim in the tables, add a
//! variant, and place it in [`Policy::rules`]; what it wants is a field of [`Policy`].

use super::{
    Active, Audience, Policy, Requirement, Violation,
    dates::Dates,
    findings::Findings,
    kind::Kind,
    members::{Members, registered_members},
    sentences::claims,
    source::{Context, Source},
};
use crate::{
    claims::DEFAULT_OWNER,
    wire::json::{Object, Text, Value},
};

registered_members! {
    exp = b"exp",
    nbf = b"nbf",
    iat = b"iat",
    iss = b"iss",
    sub = b"sub",
    aud = b"aud",
    azp = b"azp",
    /// RFC 9068 section 2.2, Cognito.
    client_id = b"client_id",
    /// Okta.
    cid = b"cid",
    /// Entra's first version.
    appid = b"appid",
    scope = b"scope",
    /// What Microsoft and Okta write instead of `scope`.
    scp = b"scp",
    cnf = b"cnf",
    email_verified = b"email_verified",
    /// Entra's tenant.
    tid = b"tid",
    jti = b"jti",
    // What tells the kind of a token: see `kind.rs`.
    typ = b"typ",
    token_use = b"token_use",
    token_type = b"token_type",
    token_type_camel = b"tokenType",
    token_type_pascal = b"TokenType",
    type_ = b"type",
    events = b"events",
    nonce = b"nonce",
    at_hash = b"at_hash",
    c_hash = b"c_hash",
    s_hash = b"s_hash",
    uid = b"uid",
}

claims! {
    Exp = "exp",
    Nbf = "nbf",
    Iat = "iat",
    Iss = "iss",
    Sub = "sub",
    Aud = "aud",
    Azp = "azp" as "azp (or client_id, cid, appid)",
    Scope = "scope" as "scope (or scp)",
    Tid = "tid",
    Events = "events",
    Nonce = "nonce",
    AtHash = "at_hash" as "at_hash (or c_hash, s_hash)",
    /// The claim `typ`.
    Typ = "typ",
    /// `typ` of the header.
    HeaderType = "typ of the header" as "typ, in the header",
    TokenType = "token_type" as "token_type (or tokenType, type)",
    TokenUse = "token_use",
    /// The one that tells active accounts.
    Active = "" as "that tells active accounts",
    /// Those that name the user.
    User = "" as "that names the user",
}

/// What members say of a rule that they do not break.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RuleOutcome {
    Met,
    /// The members that it is about are not there.
    Absent,
}

/// One rule, as [`Policy::explain`] tells it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Rule<'p> {
    /// The token is not bound to a key.
    Confirmation,
    /// The token gives access.
    Kind,
    /// It is good now.
    Dates,
    /// It has a subject: RFC 9068 section 2.2 and Dovecot ask for one, whoever the name is taken from.
    Subject,
    /// Its issuer is the provider's.
    Issuer,
    /// It is minted for the mail server.
    Audience,
    /// It is minted for one of the clients that may ask.
    AuthorizedParty,
    /// Its key signs for its client.
    KeyOwner,
    /// It has every scope.
    Scope,
    /// The account is active.
    Active(Active<'p>),
    /// A claim holds what it must.
    Requirement {
        /// Its place in [`Policy::required`].
        place: usize,
        /// What must be held.
        requirement: &'p Requirement<'p>,
    },
    /// An address that names the user has been verified.
    EmailVerified,
    /// It names a user.
    User,
}

/// Rules of every policy that are judged ahead of those that it adds.
const FIRST: &[Rule<'_>] = &[
    Rule::Confirmation,
    Rule::Kind,
    Rule::Dates,
    Rule::Subject,
    Rule::Issuer,
    Rule::Audience,
    Rule::AuthorizedParty,
    Rule::KeyOwner,
    Rule::Scope,
];

/// Rules of every policy that are judged last.
const LAST: &[Rule<'_>] = &[Rule::EmailVerified, Rule::User];

/// How many claims a policy may require: each rule has one bit of 64, and [`Rule::Active`] is one more.
pub(super) const MAX_REQUIREMENTS: usize = 64 - FIRST.len() - LAST.len() - 1;

impl<'p> Policy<'p> {
    /// The rules in their order, with their places: the first that is not met is the rejection.
    pub(super) fn rules(&self) -> impl Iterator<Item = (usize, Rule<'p>)> + use<'p> {
        let active = self.active.map(Rule::Active);
        let required = self.required.iter().enumerate();
        let required =
            required.map(|(place, requirement)| Rule::Requirement { place, requirement });
        let rules = FIRST.iter().copied().chain(active).chain(required);
        rules.chain(LAST.iter().copied()).enumerate()
    }
}

impl<'p> Rule<'p> {
    /// The claim that has to hold one of some values, where that is all that the rule asks for in `policy`.
    #[must_use]
    pub fn one_of(self, policy: &Policy<'p>) -> Option<(&'p str, &'p [&'p str])> {
        let one_of = match self {
            Self::AuthorizedParty => ("azp", policy.authorized_parties),
            Self::Requirement { requirement, .. } => (requirement.claim, requirement.any_of),
            _ => return None,
        };
        (!one_of.1.is_empty()).then_some(one_of)
    }
}

impl Rule<'_> {
    /// What `members` say of this rule; what they tell beside goes into `findings`.
    pub(super) fn judge(
        self,
        policy: &Policy<'_>,
        members: &Members<'_, '_>,
        context: &Context<'_>,
        findings: &mut Findings,
    ) -> Result<RuleOutcome, Violation> {
        let registered = members.registered();
        match self {
            Self::Confirmation if registered.cnf.is_some() => Err(Violation::KeyBound),
            Self::Confirmation => Ok(RuleOutcome::Met),
            Self::Kind => {
                if let Source::Claims(header) = context.source {
                    policy.check_header(header)?;
                }
                Kind::of_members(registered, context.source).check(policy)
            }
            Self::Dates => {
                let dates = Dates::read(registered, context.source)?;
                dates.check(context.now, policy.skew)?;
                findings.expires_at = dates.expires_at;
                Ok(met_if_present(dates.expires_at))
            }
            Self::Subject => {
                let subject = optional_text(registered.sub, Claim::Sub)?;
                findings.note_subject(subject, context.source);
                Ok(met_if_present(subject))
            }
            Self::Issuer => policy.judge_issuer(members, findings),
            Self::Audience => policy.judge_audience(registered, context.source),
            Self::AuthorizedParty => policy.judge_authorized_party(registered, context),
            Self::KeyOwner => judge_key_owner(registered, context.key_owner),
            Self::Scope => policy.judge_scopes(registered),
            Self::Active(active) => active.judge(members),
            Self::Requirement { requirement, .. } => requirement.judge(members),
            Self::EmailVerified => {
                findings.note_email(policy, members);
                Ok(RuleOutcome::Met)
            }
            Self::User => {
                let domains = policy.domains_of(findings.tenant);
                policy.name_user(members, domains, &mut findings.user)?;
                Ok(met_if_present(findings.user.as_ref()))
            }
        }
    }

    /// Why a token is refused whose sources leave the rule's members out; `None` where they may.
    pub(super) fn is_required_of(self, policy: &Policy<'_>, source: Source) -> Option<Violation> {
        let claim = |claim| match source {
            Source::Claims(_) => Some(Violation::Missing(claim)),
            // RFC 7662 section 2.2: all but `active` is optional.
            Source::Answer { .. } => None,
        };
        match self {
            Self::Confirmation | Self::Kind | Self::EmailVerified | Self::KeyOwner => None,
            Self::Dates => claim(Claim::Exp),
            Self::Subject => claim(Claim::Sub),
            // Which tenant's a user is has to be said.
            Self::Issuer if !policy.tenants.is_empty() => Some(Violation::Missing(Claim::Iss)),
            Self::Issuer => claim(Claim::Iss),
            Self::Audience => match source {
                Source::Claims(_) => Some(Violation::Missing(Claim::Aud)),
                Source::Answer { needs_audience, .. } => {
                    needs_audience.then_some(Violation::Missing(Claim::Aud))
                }
            },
            Self::AuthorizedParty => Some(Violation::Missing(Claim::Azp)),
            Self::Scope => Some(Violation::InsufficientScope),
            Self::Active(_) => Some(Violation::Inactive),
            Self::Requirement { place, .. } => Some(Violation::UnmetRequirement { place }),
            Self::User => Some(Violation::Missing(Claim::User)),
        }
    }
}

impl<'m> Registered<'m> {
    fn scopes(&self) -> Option<Value<'m>> {
        self.scope.or(self.scp)
    }
}

/// The scopes that `claims` name, as [`Rule::Scope`] reads them.
pub(crate) fn scopes(claims: Object<'_>) -> impl Iterator<Item = &str> + use<'_> {
    let mut members = Members::default();
    let is_read = members.read(claims).is_ok();
    let scopes = members.registered().scopes().filter(|_| is_read);
    let strings = scopes.into_iter().flat_map(Value::strings);
    let words = strings.flatten().flat_map(Text::words);
    words.filter_map(|word| {
        core::str::from_utf8(word)
            .ok()
            .filter(|word| !word.is_empty())
    })
}

impl Policy<'_> {
    fn judge_issuer(
        &self,
        members: &Members<'_, '_>,
        findings: &mut Findings,
    ) -> Result<RuleOutcome, Violation> {
        if self.issuer.is_none() && self.tenants.is_empty() {
            return Ok(RuleOutcome::Met);
        }
        let registered = members.registered();
        let Some(issuer) = optional_text(registered.iss, Claim::Iss)? else {
            return Ok(RuleOutcome::Absent);
        };
        if self.tenants.is_empty() {
            return met(self.is_issued_here(issuer), Violation::WrongIssuer);
        }
        let Some(tenant) = self.tenant_of(issuer) else {
            return Err(Violation::WrongIssuer);
        };
        let Some(tid) = optional_text(registered.tid, Claim::Tid)? else {
            return Err(Violation::Missing(Claim::Tid));
        };
        let is_same = self.tenants.get(tenant).is_some_and(|ours| tid == *ours.id);
        findings.tenant = Some(tenant);
        met(is_same, Violation::WrongIssuer)
    }

    /// RFC 7519 section 4.1.3: a string, or an array of strings.
    fn judge_audience(
        &self,
        registered: &Registered<'_>,
        source: Source,
    ) -> Result<RuleOutcome, Violation> {
        let Audience::OneOf(wanted) = self.audience else {
            return Ok(RuleOutcome::Met);
        };
        let is_tokens = match source {
            Source::Claims(_) => true,
            Source::Answer { has_audience, .. } => has_audience,
        };
        let Some(aud) = registered.aud.filter(|_| is_tokens) else {
            return Ok(RuleOutcome::Absent);
        };
        let mut found = false;
        for audience in aud.strings() {
            let audience = audience.map_err(|_| Violation::MalformedClaim(Claim::Aud))?;
            found |= wanted.iter().any(|wanted| audience == **wanted);
        }
        met(found, Violation::WrongAudience)
    }

    /// The first of the names that providers give to `azp` counts.
    fn judge_authorized_party(
        &self,
        registered: &Registered<'_>,
        context: &Context<'_>,
    ) -> Result<RuleOutcome, Violation> {
        if self.authorized_parties.is_empty() {
            return Ok(RuleOutcome::Met);
        }
        let mut client_id = registered.client_id;
        if let (Source::Answer { .. }, Some(ours)) = (context.source, context.asking_client) {
            // It may be there for whoever asks.
            client_id = client_id.filter(|id| !id.string().is_ok_and(|id| id == *ours));
        }
        let names = registered.azp.or(client_id);
        let party = names.or(registered.cid).or(registered.appid);
        let Some(party) = optional_text(party, Claim::Azp)? else {
            return Ok(RuleOutcome::Absent);
        };
        let is_known = self.authorized_parties.iter().any(|known| party == **known);
        met(is_known, Violation::WrongAuthorizedParty)
    }

    /// RFC 8693 section 4.2: a string with spaces; arrays occur as well.
    fn judge_scopes(&self, registered: &Registered<'_>) -> Result<RuleOutcome, Violation> {
        if self.scopes.is_empty() {
            return Ok(RuleOutcome::Met);
        }
        let Some(scope) = registered.scopes() else {
            return Ok(RuleOutcome::Absent);
        };
        for wanted in self.scopes {
            let mut found = false;
            for held in scope.strings() {
                let held = held.map_err(|_| Violation::MalformedClaim(Claim::Scope))?;
                found |= held.has_word(wanted);
            }
            if !found {
                return Err(Violation::InsufficientScope);
            }
        }
        Ok(RuleOutcome::Met)
    }
}

/// A key in Dovecot's layout signs for one `azp`; a token without one belongs to `default`.
fn judge_key_owner(
    registered: &Registered<'_>,
    owner: Option<&str>,
) -> Result<RuleOutcome, Violation> {
    let Some(owner) = owner else {
        return Ok(RuleOutcome::Met);
    };
    let is_owners = match optional_text(registered.azp, Claim::Azp)? {
        None => owner == DEFAULT_OWNER,
        Some(azp) => azp == *owner,
    };
    met(is_owners, Violation::WrongAuthorizedParty)
}

/// A string that may be absent.
fn optional_text(value: Option<Value<'_>>, name: Claim) -> Result<Option<Text<'_>>, Violation> {
    let text = value.map(|value| value.string().map_err(|_| Violation::MalformedClaim(name)));
    text.transpose()
}

fn met_if_present<T>(value: Option<T>) -> RuleOutcome {
    value.map_or(RuleOutcome::Absent, |_| RuleOutcome::Met)
}

pub(super) fn met(is_met: bool, otherwise: Violation) -> Result<RuleOutcome, Violation> {
    if is_met {
        Ok(RuleOutcome::Met)
    } else {
        Err(otherwise)
    }
}
