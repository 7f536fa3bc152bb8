//! Judging what an endpoint answered about a token, which may take two endpoints to say everything.
//!
//! Each answer is reduced at once to [`Findings`]: whatever it says that is against the policy ends the
//! login, whatever it leaves out another answer may still say.

use sha2::{Digest, Sha256};

use super::{Claim, Dates, Identity, Policy, Violation, identity::UserName, text};
use crate::{
    claims::{Claims, numeric_date},
    sasl::SaslName,
    time::UnixTime,
    wire::json::{Object, Text, Value},
};

/// What answers have said so far, all of it in accord with the policy.
#[derive(Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says that one rule is met"
)]
pub(crate) struct Findings {
    expires_at: Option<UnixTime>,
    audience: bool,
    authorized_party: bool,
    scopes: bool,
    active: bool,
    required: bool,
    /// The name, and which of the candidates it comes from.
    user: Option<(UserName, usize)>,
    /// SHA-256 of `sub`: both endpoints have to speak of the same (OIDC Core section 5.3.4).
    subject: Option<[u8; 32]>,
}

impl Policy<'_> {
    /// Reads one answer that vouches for a token; `has_audience` says whether its `aud` is the token's.
    pub(crate) fn read_answer(
        &self,
        now: UnixTime,
        answer: Object<'_>,
        has_audience: bool,
    ) -> Result<Findings, Violation> {
        let claims = Claims::of(answer, &self.paths())?;
        check_answered_type(&claims)?;
        let registered = claims.registered();
        let expires_at = self.check_answered_dates(now, &claims)?;
        if registered.iss.is_some() {
            self.check_issuer_alone(&claims)?;
        }
        let audience = registered.aud.filter(|_| has_audience);
        let audience = present(audience, || self.check_audience(&claims))?;
        let authorized_party = present(registered.azp, || self.check_authorized_party(&claims))?;
        let scopes = present(registered.scope.or(registered.scp), || {
            self.check_scopes(&claims)
        })?;
        let active = present(claims.wanted(self.username_claims.len()), || {
            self.check_active(&claims)
        })?;
        let required = match self.check_required(&claims) {
            // The other answer may have it.
            Err(Violation::UnmetRequirement) => false,
            outcome => outcome.map(|()| true)?,
        };
        let user = match self.user(&claims) {
            Err(Violation::Missing(Claim::User)) => None,
            user => Some(user?),
        };
        let subject = registered.sub.map(|_| text(registered.sub, Claim::Sub));
        Ok(Findings {
            expires_at,
            audience,
            authorized_party,
            scopes,
            active,
            required,
            user,
            subject: subject.transpose()?.map(digest),
        })
    }

    /// Whether `findings` say everything that may still be asked for: Dovecot then asks no further.
    pub(crate) fn is_satisfied_by(&self, findings: &Findings) -> bool {
        findings.user.is_some()
            && (findings.active || self.active.is_none())
            && (findings.audience || matches!(self.audience, super::Audience::Any))
            && (findings.scopes || self.scopes.is_empty())
            && (findings.required || self.required.is_empty())
            && (findings.authorized_party || self.authorized_parties.is_empty())
    }

    /// Judges all that answers have said.
    pub(crate) fn conclude(
        &self,
        findings: Findings,
        claimed: Option<SaslName<'_>>,
        allow_missing_audience: bool,
    ) -> Result<Identity, Violation> {
        let is_any = matches!(self.audience, super::Audience::Any);
        if !(findings.audience || is_any || allow_missing_audience) {
            return Err(Violation::Missing(Claim::Aud));
        }
        if !(findings.authorized_party || self.authorized_parties.is_empty()) {
            return Err(Violation::Missing(Claim::Azp));
        }
        if !(findings.scopes || self.scopes.is_empty()) {
            return Err(Violation::InsufficientScope);
        }
        if !(findings.active || self.active.is_none()) {
            return Err(Violation::Inactive);
        }
        if !findings.required {
            return Err(Violation::UnmetRequirement);
        }
        let (user, _) = findings.user.ok_or(Violation::Missing(Claim::User))?;
        self.check_user(&user, claimed)?;
        Ok(Identity::new(user, findings.expires_at))
    }

    /// As for a token, but for `exp`, which an answer may leave out (RFC 7662 section 2.2).
    fn check_answered_dates(
        &self,
        now: UnixTime,
        claims: &Claims<'_>,
    ) -> Result<Option<UnixTime>, Violation> {
        let dates = Dates::read(claims.registered(), answered_date)?;
        let end = dates.expires_at.unwrap_or(UnixTime::END);
        self.check_window(now, end, &dates)?;
        Ok(dates.expires_at)
    }
}

impl Findings {
    /// Adds what a later answer said; `None` where the two contradict each other.
    pub(crate) fn merge(self, later: Self) -> Option<Self> {
        if let (Some(one), Some(other)) = (self.subject, later.subject)
            && one != other
        {
            return None;
        }
        let user = match (self.user, later.user) {
            (Some((one, rank)), Some((other, same))) if rank == same && one != other => {
                return None;
            }
            // The candidate that the operator named first counts, whichever answer has it.
            (Some(one), Some(other)) => Some(if other.1 < one.1 { other } else { one }),
            (one, other) => one.or(other),
        };
        let expires_at = match (self.expires_at, later.expires_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Some(Self {
            expires_at,
            audience: self.audience || later.audience,
            authorized_party: self.authorized_party || later.authorized_party,
            scopes: self.scopes || later.scopes,
            active: self.active || later.active,
            required: self.required || later.required,
            user,
            subject: self.subject.or(later.subject),
        })
    }
}

/// Whether a claim is there; where it is, it has to pass.
fn present(
    claim: Option<Value<'_>>,
    check: impl FnOnce() -> Result<(), Violation>,
) -> Result<bool, Violation> {
    match claim {
        Some(_) => check().map(|()| true),
        None => Ok(false),
    }
}

/// RFC 7662 section 2.2 and RFC 9449 section 6.2: what kind of token the provider says it is.
fn check_answered_type(claims: &Claims<'_>) -> Result<(), Violation> {
    let claims = claims.registered();
    if claims.cnf.is_some() {
        return Err(Violation::KeyBound);
    }
    if let Some(kind) = string(claims.token_type)
        && !is_any_of(kind, &["bearer", "access_token"])
    {
        let is_bound = is_any_of(kind, &["dpop"]);
        return Err(if is_bound {
            Violation::KeyBound
        } else {
            Violation::NotAccessToken
        });
    }
    let is_refresh =
        string(claims.typ).is_some_and(|kind| is_any_of(kind, &["refresh", "offline"]));
    let is_other = string(claims.token_use).is_some_and(|kind| !is_any_of(kind, &["access"]));
    if is_refresh || is_other {
        return Err(Violation::NotAccessToken);
    }
    Ok(())
}

fn string(claim: Option<Value<'_>>) -> Option<Text<'_>> {
    claim.and_then(|value| value.string().ok())
}

/// Whether `text` is one of `names`, which are in lower case; without case (RFC 6749 section 5.1).
fn is_any_of(text: Text<'_>, names: &[&str]) -> bool {
    names.iter().any(|name| {
        let lower = text.chars().map(|c| c.to_ascii_lowercase());
        lower.eq(name.chars())
    })
}

/// A date of an answer; Google writes numbers as strings.
fn answered_date(value: Value<'_>) -> Option<UnixTime> {
    match value {
        Value::String(text) => {
            let seconds = text.as_str()?;
            let is_plain = seconds.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = seconds.parse().ok().filter(|_| is_plain);
            seconds.map(UnixTime::from_seconds)
        }
        value => numeric_date(value),
    }
}

fn digest(text: Text<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut buffer = [0; 4];
    for c in text.chars() {
        hash.update(c.encode_utf8(&mut buffer).as_bytes());
    }
    hash.finalize().into()
}
