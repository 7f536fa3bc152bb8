//! Asking a provider about a token: which endpoint first, and what its answer leaves to be asked.

use super::{
    Accounts, MAX_ATTEMPTS, Provider, TrustedKey,
    account::{judge_name, told},
    course::Asked,
    reading::{Reading, check_active, read},
};
use crate::{
    claims::TokenType,
    introspection::{Answer, Endpoints, Question, Request, Subject},
    jose::{self, UnverifiedJwt, VerifyError},
    policy::{Claim, Context, Findings, Identity, Policy, Source, Violation},
    rejection::Rejection,
    sasl::{BearerToken, SaslName},
    time::UnixTime,
    wire::json::{Object, Value},
};

/// A question that is on its way.
#[derive(Clone)]
pub(super) struct Asking<'b> {
    /// The provider's place among those of the settings.
    index: usize,
    policy: &'b Policy<'b>,
    endpoints: &'b Endpoints<'b>,
    token: BearerToken<'b>,
    pub(super) asked: Asked,
    question: Question,
    url: &'b str,
    /// What earlier answers said.
    findings: Option<Findings>,
    /// How many keys have failed to verify a signed answer.
    attempt: usize,
}

/// What an answer comes to.
pub(super) enum AnswerOutcome<'b> {
    /// All that is needed has been said: the token is good.
    Accepted(Identity),
    /// More is to be asked.
    AskNext(Asking<'b>),
    /// Another key is to be tried for the answer's signature: the answer is wanted once more.
    SameAnswer(Asking<'b>),
    /// Tokens of this kind are not judged there.
    NotJudged,
}

/// What an answer is judged with.
pub(super) struct Means<'m, A> {
    pub(super) now: Option<UnixTime>,
    /// The keys of the provider that was asked.
    pub(super) keys: &'m [TrustedKey<'m>],
    pub(super) scratch: &'m mut [u8],
    pub(super) claimed: Option<SaslName<'m>>,
    /// Set where the answer turns out to be signed by the provider, and meant for us.
    pub(super) is_verified: &'m mut bool,
    /// Who is told what an account is found by.
    pub(super) accounts: &'m mut A,
}

impl<'b> Asking<'b> {
    /// Begins with the first endpoint that there is.
    pub(super) fn start(
        index: usize,
        provider: &'b Provider<'b>,
        token: BearerToken<'b>,
        asked: Asked,
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
            asked,
            question,
            url,
            findings: None,
            attempt: 0,
        })
    }

    pub(super) fn provider(&self) -> usize {
        self.index
    }

    pub(super) fn question(&self) -> Question {
        self.question
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

    /// Judges the answer to this question; `means.keys` verify one that is signed.
    pub(super) fn judge<A: Accounts>(
        mut self,
        answer: &Answer<'_>,
        means: Means<'_, A>,
    ) -> Result<AnswerOutcome<'b>, Rejection> {
        let Means {
            now,
            keys,
            scratch,
            claimed,
            is_verified,
            accounts,
        } = means;
        let reading = read(self.question, self.endpoints, answer)?;
        let at = || Ok::<_, Rejection>((now.ok_or(Rejection::ClockNotSet)?, claimed));
        let findings = match reading {
            Reading::Signed(jwt) => {
                let findings = self.read_signed(jwt, keys, at()?, (scratch, accounts))?;
                *is_verified = findings.is_some();
                findings
            }
            Reading::Vouched(object) => {
                accounts.note(|| told(object, self.policy));
                Some(self.read_object(object, self.source(true), at()?)?)
            }
            Reading::UnsupportedTokenType => return Ok(AnswerOutcome::NotJudged),
        };
        let Some(findings) = findings else {
            return Ok(AnswerOutcome::SameAnswer(self));
        };
        self.check_token_itself(scratch)?;
        let findings = match self.findings.take() {
            None => findings,
            Some(earlier) => earlier.merge(findings).ok_or(Rejection::UnusableAnswer)?,
        };
        if let Some(url) = self.next_url(&findings, claimed)? {
            return Ok(AnswerOutcome::AskNext(Self {
                question: Question::Introspection(self.endpoints.mode),
                url,
                findings: Some(findings),
                attempt: 0,
                ..self
            }));
        }
        let source = self.source(true);
        let identity = judge_name(accounts, claimed, |claimed| {
            self.policy.conclude(&findings, source, claimed)
        });
        identity.map(AnswerOutcome::Accepted).map_err(rejection_for)
    }

    fn source(&self, has_audience: bool) -> Source {
        Source::Answer {
            has_audience,
            needs_audience: !self.endpoints.allow_missing_audience,
        }
    }

    fn context(&self, now: UnixTime, source: Source) -> Context<'_> {
        Context {
            now,
            source,
            key_owner: None,
            asking_client: self.endpoints.client.map(|client| client.id),
        }
    }

    fn read_object(
        &self,
        object: Object<'_>,
        source: Source,
        (now, claimed): (UnixTime, Option<SaslName<'_>>),
    ) -> Result<Findings, Rejection> {
        let findings = self
            .policy
            .read(object, &self.context(now, source), claimed);
        findings.map_err(rejection_for)
    }

    /// What a JWT says against itself counts, whoever vouches for it: that it is bound to a key, or of a
    /// kind that gives no access.
    #[inline(never)]
    fn check_token_itself(&self, scratch: &mut [u8]) -> Result<(), Rejection> {
        let token = self.token.bytes();
        // A header that is not read here hides nothing of the claims.
        let header = UnverifiedJwt::read(token).map(|jwt| jwt.header().token_type);
        let payload = match UnverifiedJwt::decode_payload_of(token, scratch) {
            Ok(payload) => payload,
            Err(jose::Error::PayloadTooLong) => return Err(Rejection::NoRoom),
            Err(_) => return Ok(()),
        };
        let Ok(object) = Object::parse(payload) else {
            return Ok(());
        };
        let checked = self
            .policy
            .check_outright(object, header.unwrap_or(TokenType::Unspecified));
        checked.map_err(Rejection::from)
    }

    /// Introspection follows tokeninfo where that has not said everything, or where it has to.
    fn next_url(
        &self,
        findings: &Findings,
        claimed: Option<SaslName<'_>>,
    ) -> Result<Option<&'b str>, Rejection> {
        if self.question != Question::Tokeninfo {
            return Ok(None);
        }
        // What one answer breaks another does not mend.
        if let Some(violation) = findings.broken() {
            return Err(rejection_for(violation));
        }
        let is_enough =
            !self.endpoints.force_introspection && self.policy.is_satisfied_by(findings, claimed);
        Ok(self.endpoints.introspection.filter(|_| !is_enough))
    }

    /// RFC 9701 section 5, OIDC Core section 5.3.2: signed by the provider, and meant for us. `None` where
    /// another key is to be tried.
    #[inline(never)]
    fn read_signed<A: Accounts>(
        &mut self,
        jwt: &str,
        keys: &[TrustedKey<'_>],
        at: (UnixTime, Option<SaslName<'_>>),
        (scratch, accounts): (&mut [u8], &mut A),
    ) -> Result<Option<Findings>, Rejection> {
        let unusable = |_| Rejection::UnusableAnswer;
        let jwt = UnverifiedJwt::parse(jwt).map_err(|_| Rejection::UnusableAnswer)?;
        let (kid, algorithm) = (jwt.header().kid(), jwt.header().algorithm());
        let mut ours = keys.iter().filter(|key| {
            let is_named = kid.is_none() || key.kid.is_none() || key.kid == kid;
            is_named && key.key.algorithms().contains(algorithm)
        });
        let key = ours.nth(self.attempt).ok_or(Rejection::UnusableAnswer)?;
        let payload = match jwt.verify(key.key, scratch) {
            Ok(payload) => payload,
            Err(VerifyError::Signature) => {
                self.attempt = self.attempt.saturating_add(1);
                let is_next = ours.next().is_some() && self.attempt < MAX_ATTEMPTS;
                return if is_next {
                    Ok(None)
                } else {
                    Err(Rejection::UnusableAnswer)
                };
            }
            Err(VerifyError::Token(jose::Error::PayloadTooLong)) => return Err(Rejection::NoRoom),
            Err(VerifyError::Token(_)) => return Err(Rejection::UnusableAnswer),
        };
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
        let is_introspection = payload.token_type() == TokenType::IntrospectionAnswer;
        let object = match (said.introspection, is_introspection) {
            (Some(Value::Object(inner)), true) => inner,
            (None, false) => object,
            _ => return Err(Rejection::UnusableAnswer),
        };
        check_active(self.question, object)?;
        // Userinfo's `aud` names us as a client of the provider: it says nothing of the token's.
        let source = self.source(is_introspection);
        accounts.note(|| told(object, self.policy));
        self.read_object(object, source, at).map(Some)
    }

    fn check_addressed(&self, said: &Signed<'_>) -> Result<(), Rejection> {
        let issuer = said.issuer.filter(|value| !matches!(value, Value::Null));
        let issuer = issuer.map(Value::string).transpose();
        let issuer = issuer.map_err(|_| Rejection::UnusableAnswer)?;
        let is_from_provider = match (self.policy.issuer, issuer) {
            (Some(_), Some(theirs)) => self.policy.is_issued_here(theirs),
            (Some(_), None) => false,
            // There is nothing to compare it with; the key that has verified is the provider's.
            (None, _) => true,
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
fn rejection_for(violation: Violation) -> Rejection {
    match violation {
        Violation::Malformed | Violation::ConflictingDates | Violation::Missing(Claim::Sub) => {
            Rejection::UnusableAnswer
        }
        Violation::MalformedClaim(member) => Rejection::MalformedMember(member),
        violation => violation.into(),
    }
}
