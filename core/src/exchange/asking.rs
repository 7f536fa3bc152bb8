//! Asking a provider about a token: which endpoint first, and what its answer leaves to be asked.

use super::{
    Provider, TrustedKey,
    reading::{Reading, check_active, read},
};
use crate::{
    introspection::{Answer, Endpoints, Question, Request, Subject},
    jose::UnverifiedJwt,
    policy::{Claim, Findings, Identity, Policy, Violation},
    rejection::Rejection,
    sasl::{BearerToken, SaslName},
    time::UnixTime,
    wire::json::{Object, Value},
};

/// A question that is on its way.
#[derive(Clone)]
pub(super) struct Asking<'b> {
    /// The provider's place among those of the rules.
    index: usize,
    policy: &'b Policy<'b>,
    endpoints: &'b Endpoints<'b>,
    pub(super) token: BearerToken<'b>,
    /// Why the token could not be verified here, where that was tried first.
    pub(super) instead_of: Option<Rejection>,
    question: Question,
    url: &'b str,
    /// What earlier answers said.
    findings: Option<Findings>,
}

/// What an answer told.
pub(super) enum Told<'b> {
    /// All that is needed: the token is good.
    Everything(Identity),
    /// A part; the rest is to be asked.
    Part(Asking<'b>),
    /// That tokens of this kind are not judged there.
    NotJudged,
}

impl<'b> Asking<'b> {
    /// Begins with the first endpoint that there is.
    pub(super) fn start(
        index: usize,
        provider: &'b Provider<'b>,
        token: BearerToken<'b>,
        instead_of: Option<Rejection>,
    ) -> Option<Self> {
        let endpoints = provider.endpoints.as_ref()?;
        let tokeninfo = endpoints.tokeninfo.map(|url| (url, Question::Tokeninfo));
        let introspection = || {
            let question = Question::Introspection(endpoints.mode);
            endpoints.introspection.map(|url| (url, question))
        };
        let (url, question) = tokeninfo.or_else(introspection)?;
        Some(Self {
            index,
            policy: provider.policy,
            endpoints,
            token,
            instead_of,
            question,
            url,
            findings: None,
        })
    }

    pub(super) fn request(&self) -> Request<'_> {
        Request {
            provider: self.index,
            question: self.question,
            endpoints: self.endpoints,
            url: self.url,
            subject: Subject::Token(self.token),
        }
    }

    /// Takes the answer to this question; `keys` verify one that is signed.
    pub(super) fn hear(
        &self,
        now: Option<UnixTime>,
        answer: &Answer<'_>,
        keys: &[TrustedKey<'_>],
        scratch: &mut [u8],
        claimed: Option<SaslName<'_>>,
    ) -> Result<Told<'b>, Rejection> {
        let findings = match read(self.question, self.endpoints, answer)? {
            Reading::Vouched(object) => {
                let now = now.ok_or(Rejection::ClockNotSet)?;
                let findings = self.policy.read_answer(now, object, true);
                findings.map_err(blame)?
            }
            Reading::Signed(jwt) => {
                let now = now.ok_or(Rejection::ClockNotSet)?;
                self.judge_signed(now, jwt, keys, scratch)?
            }
            Reading::UnsupportedTokenType => return Ok(Told::NotJudged),
        };
        let findings = match self.findings.clone() {
            None => findings,
            Some(earlier) => earlier.merge(findings).ok_or(Rejection::UnusableAnswer)?,
        };
        if let Some(next) = self.next(&findings) {
            return Ok(Told::Part(next));
        }
        let allow_missing = self.endpoints.allow_missing_audience;
        let identity = self.policy.conclude(findings, claimed, allow_missing)?;
        Ok(Told::Everything(identity))
    }

    /// Introspection follows tokeninfo where that has not said everything, or where it has to.
    fn next(&self, findings: &Findings) -> Option<Self> {
        let is_enough =
            || !self.endpoints.force_introspection && self.policy.is_satisfied_by(findings);
        if self.question != Question::Tokeninfo || is_enough() {
            return None;
        }
        Some(Self {
            question: Question::Introspection(self.endpoints.mode),
            url: self.endpoints.introspection?,
            findings: Some(findings.clone()),
            ..*self
        })
    }

    /// RFC 9701 section 5, OIDC Core section 5.3.2: signed by the provider, and meant for us.
    fn judge_signed(
        &self,
        now: UnixTime,
        jwt: &str,
        keys: &[TrustedKey<'_>],
        scratch: &mut [u8],
    ) -> Result<Findings, Rejection> {
        let unusable = |_| Rejection::UnusableAnswer;
        let jwt = UnverifiedJwt::parse(jwt).map_err(|_| Rejection::UnusableAnswer)?;
        let kid = jwt.header().kid();
        let ours = keys.iter().filter(|key| {
            let may_be = kid.is_none() || key.kid.is_none() || key.kid == kid;
            key.policy.provider == self.policy.provider && may_be
        });
        let ours = ours.map(|key| key.key).take(super::MAX_ATTEMPTS);
        let payload = jwt
            .verify_with_any(ours, scratch)
            .map_err(|_| Rejection::UnusableAnswer)?;
        let object = Object::parse(payload.bytes()).map_err(unusable)?;
        let mut said = Signed::default();
        for member in object.members() {
            let (name, value) = member.map_err(unusable)?;
            if name == *"iss" {
                said.issuer = Some(value);
            } else if name == *"aud" {
                said.audience = Some(value);
            } else if name == *"token_introspection" {
                said.introspection = Some(value);
            }
        }
        self.check_addressed(&said)?;
        let is_introspection =
            payload.token_type() == crate::claims::TokenType::IntrospectionAnswer;
        let object = match (said.introspection, is_introspection) {
            (Some(Value::Object(inner)), true) => inner,
            (None, false) => object,
            _ => return Err(Rejection::UnusableAnswer),
        };
        check_active(self.question, object)?;
        // Userinfo's `aud` names us as a client of the provider: it says nothing of the token's.
        let findings = self.policy.read_answer(now, object, is_introspection);
        findings.map_err(blame)
    }

    fn check_addressed(&self, said: &Signed<'_>) -> Result<(), Rejection> {
        let issuer = said.issuer.and_then(|value| value.string().ok());
        let is_from_provider = match (self.policy.issuer, issuer) {
            (Some(ours), Some(theirs)) => theirs == *ours,
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        let client = self.endpoints.client.ok_or(Rejection::UnusableAnswer)?;
        let audience = said.audience.ok_or(Rejection::UnusableAnswer)?;
        let mut names = audience.strings().flatten();
        if is_from_provider && names.any(|name| name == *client.id) {
            Ok(())
        } else {
            Err(Rejection::UnusableAnswer)
        }
    }
}

/// What a signed answer says around what it is about.
#[derive(Default)]
struct Signed<'a> {
    issuer: Option<Value<'a>>,
    audience: Option<Value<'a>>,
    introspection: Option<Value<'a>>,
}

/// An answer that cannot be read is its author's fault; what it says of the token is the token's.
fn blame(violation: Violation) -> Rejection {
    match violation {
        Violation::Malformed | Violation::MalformedClaim(_) | Violation::ConflictingDates => {
            Rejection::UnusableAnswer
        }
        Violation::Missing(Claim::Sub) => Rejection::UnusableAnswer,
        violation => violation.into(),
    }
}
