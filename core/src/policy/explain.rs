//! Telling an administrator how a token was judged, rule by rule.

use super::{
    Identity, Policy, Rule, Violation, claims_context,
    findings::Findings,
    members::Members,
    rules::RuleOutcome,
    source::{Context, Source},
};
use crate::{claims::VerifiedPayload, sasl::SaslName, time::UnixTime, wire::json::Object};

impl<'p> Policy<'p> {
    /// Every rule, in the order in which they are judged.
    pub fn all_rules(&self) -> impl Iterator<Item = Rule<'p>> {
        self.rules().map(|(_, rule)| rule)
    }

    /// Judges as [`check`](Self::check) does, and tells what each rule comes to, in the order in which they
    /// are judged: why it is not met.
    ///
    /// `key_owner` is the client for which the key signs that verified, if it signs for one only.
    ///
    /// # Errors
    /// As [`check`](Self::check): also the user's domain, and who the client claims to be, which are judged
    /// after all rules.
    pub fn explain(
        &self,
        now: UnixTime,
        payload: &VerifiedPayload<'_>,
        key_owner: Option<&str>,
        claimed: Option<SaslName<'_>>,
        mut tell: impl FnMut(Rule<'p>, Option<Violation>),
    ) -> Result<Identity, Violation> {
        let context = claims_context(now, payload, key_owner);
        let object = Object::parse(payload.bytes()).map_err(|_| Violation::Malformed)?;
        let findings = self.read(object, &context, claimed)?;
        let sources = [(object, context)];
        self.tell_rules(&sources, &findings, context.source, &mut tell)?;
        self.conclude(&findings, context.source, claimed)
    }

    /// As [`explain`](Self::explain), of what endpoints answered about a token, in the order of asking: two at
    /// most. It makes nobody's identity: that takes an [`Exchange`](crate::Exchange).
    ///
    /// # Errors
    /// As [`explain`](Self::explain); [`Violation::Malformed`] also where answers contradict each other.
    pub fn explain_answers(
        &self,
        now: UnixTime,
        answers: &[AnsweredClaims<'_>],
        claimed: Option<SaslName<'_>>,
        mut tell: impl FnMut(Rule<'p>, Option<Violation>),
    ) -> Result<(), Violation> {
        let source = Source::Answer {
            has_audience: true,
            needs_audience: answers.iter().any(|answer| answer.needs_audience),
        };
        let mut sources = heapless::Vec::<_, 2>::new();
        let mut findings: Option<Findings> = None;
        for answer in answers {
            let object = Object::parse(answer.json).map_err(|_| Violation::Malformed)?;
            let context = Context {
                now,
                source: Source::Answer {
                    has_audience: answer.has_audience,
                    needs_audience: answer.needs_audience,
                },
                key_owner: None,
                asking_client: answer.asking_client,
            };
            let later = self.read(object, &context, claimed)?;
            findings = Some(match findings {
                None => later,
                Some(earlier) => earlier.merge(later).ok_or(Violation::Malformed)?,
            });
            let pushed = sources.push((object, context));
            pushed.map_err(|_| Violation::Malformed)?;
        }
        let findings = findings.unwrap_or_default();
        self.tell_rules(&sources, &findings, source, &mut tell)?;
        self.conclude(&findings, source, claimed).map(|_| ())
    }

    /// Tells what each rule comes to by itself: `findings`, of all `sources`, keep the first that is broken.
    fn tell_rules(
        &self,
        sources: &[(Object<'_>, Context<'_>)],
        findings: &Findings,
        source: Source,
        tell: &mut dyn FnMut(Rule<'p>, Option<Violation>),
    ) -> Result<(), Violation> {
        for rule in self.all_rules() {
            let mut outcome = Ok(RuleOutcome::Absent);
            for (object, context) in sources {
                match self.judge_alone(rule, *object, context)? {
                    Ok(RuleOutcome::Absent) => {}
                    told if outcome.is_ok() => outcome = told,
                    _ => {}
                }
            }
            let violation = match outcome {
                Ok(_) if matches!(rule, Rule::EmailVerified) => findings.email_verdict(self),
                Ok(RuleOutcome::Met) => None,
                Ok(RuleOutcome::Absent) => rule.is_required_of(self, source),
                Err(violation) => Some(violation),
            };
            tell(rule, violation);
        }
        Ok(())
    }

    fn judge_alone(
        &self,
        rule: Rule<'_>,
        object: Object<'_>,
        context: &Context<'_>,
    ) -> Result<Result<RuleOutcome, Violation>, Violation> {
        let mut members = Members::default();
        let mut wanted = Ok(());
        self.each_path(&mut |path| wanted = wanted.and(members.want(path)));
        let read = wanted.and_then(|()| members.read(object));
        read.map_err(|_| Violation::Malformed)?;
        Ok(rule.judge(self, &members, context, &mut Findings::default()))
    }
}

/// What an endpoint answered about a token.
#[derive(Clone, Copy)]
pub struct AnsweredClaims<'a> {
    /// A JSON object: the body, or what is signed.
    pub json: &'a [u8],
    /// Whether its `aud` is the token's: that of a signed userinfo answer names its reader.
    pub has_audience: bool,
    /// Whether some answer has to name an audience.
    pub needs_audience: bool,
    /// The client as which the provider was asked, whom `client_id` may name whoever the token is for.
    pub asking_client: Option<&'a str>,
}

impl core::fmt::Debug for AnsweredClaims<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Claims may be personal.
        f.write_str("AnsweredClaims(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Audience, Claim, Requirement, TokenType};
    use std::vec;

    #[test]
    fn every_rule_is_told_whatever_breaks_first() {
        let mut policy = Policy::new("p", Audience::OneOf(&["mail"]));
        policy.issuer = Some("https://id.example");
        let payload = br#"{"iss":"https://id.example","aud":"web","exp":1}"#;
        let payload = VerifiedPayload::new(payload, TokenType::AccessToken);
        let mut broken = std::vec::Vec::new();
        let mut count = 0;
        let now = UnixTime::from_seconds(500);
        let judged = policy.explain(now, &payload, None, None, |_, violation| {
            count += 1;
            broken.extend(violation);
        });
        let expires_at = UnixTime::from_seconds(1);
        let expected = [
            Violation::Expired { now, expires_at },
            Violation::Missing(Claim::Sub),
            Violation::WrongAudience,
            Violation::Missing(Claim::User),
        ];
        assert_eq!(broken, expected);
        assert_eq!(judged, Err(expected[0]));
        assert_eq!(judged, policy.check(now, &payload, None));
        assert_eq!(count, policy.all_rules().count());
    }

    #[test]
    fn what_one_answer_leaves_out_another_says() {
        let policy = Policy::new("p", Audience::OneOf(&["mail"]));
        let now = UnixTime::from_seconds(500);
        let explain = |answers: &[(&str, bool)]| {
            let answers: std::vec::Vec<_> = answers
                .iter()
                .map(|(json, has_audience)| AnsweredClaims {
                    json: json.as_bytes(),
                    has_audience: *has_audience,
                    needs_audience: true,
                    asking_client: None,
                })
                .collect();
            let mut broken = std::vec::Vec::new();
            let judged = policy
                .explain_answers(now, &answers, None, |_, violation| broken.extend(violation));
            (broken, judged)
        };
        let (user, audience) = (r#"{"sub":"a"}"#, r#"{"aud":"mail","exp":900}"#);
        assert_eq!(explain(&[(user, true), (audience, true)]), (vec![], Ok(())));
        // A signed userinfo answer names its reader.
        let missing = Violation::Missing(Claim::Aud);
        let unheard = [(user, true), (audience, false)];
        assert_eq!(explain(&unheard), (vec![missing], Err(missing)));
        let web = (r#"{"aud":"web"}"#, true);
        let (broken, judged) = explain(&[(user, true), web]);
        assert_eq!(
            (broken, judged),
            (
                vec![Violation::WrongAudience],
                Err(Violation::WrongAudience)
            )
        );
        let other = (r#"{"sub":"b"}"#, true);
        assert_eq!(explain(&[(user, true), other]).1, Err(Violation::Malformed));
    }
    #[test]
    fn what_one_answer_breaks_another_does_not_mend() {
        let policy = Policy::new("p", Audience::OneOf(&["mail"]));
        let answer = |json: &'static str| AnsweredClaims {
            json: json.as_bytes(),
            has_audience: true,
            needs_audience: true,
            asking_client: None,
        };
        let (web, mail) = (
            answer(r#"{"sub":"a","aud":"web"}"#),
            answer(r#"{"sub":"a","aud":"mail"}"#),
        );
        for answers in [[web, mail], [mail, web]] {
            let mut broken = std::vec::Vec::new();
            let judged = policy.explain_answers(
                UnixTime::from_seconds(500),
                &answers,
                None,
                |_, violation| {
                    broken.extend(violation);
                },
            );
            assert_eq!(broken, [Violation::WrongAudience]);
            assert_eq!(judged, Err(Violation::WrongAudience));
        }
    }

    #[test]
    fn an_address_that_is_not_verified_is_told() {
        let mut policy = Policy::new("p", Audience::Any);
        policy.username_claims = &["email"];
        for (verified, expected) in [("false", Some(Violation::EmailNotVerified)), ("true", None)] {
            let payload = std::format!(
                r#"{{"sub":"a","exp":900,"iss":"i","email":"a@b.example","email_verified":{verified}}}"#
            );
            let payload = VerifiedPayload::new(payload.as_bytes(), TokenType::AccessToken);
            let mut told = std::vec::Vec::new();
            let now = UnixTime::from_seconds(500);
            let judged = policy.explain(now, &payload, None, None, |rule, violation| {
                if let Rule::EmailVerified = rule {
                    told.push(violation);
                }
            });
            assert_eq!(told, [expected]);
            assert_eq!(judged.err(), expected);
        }
    }

    #[test]
    fn what_was_answered_is_never_printed() {
        let answer = AnsweredClaims {
            json: br#"{"sub":"alice"}"#,
            has_audience: true,
            needs_audience: true,
            asking_client: None,
        };
        assert_eq!(std::format!("{answer:?}"), "AnsweredClaims(..)");
    }

    #[test]
    fn a_rule_tells_which_values_one_claim_may_have() {
        let mut policy = Policy::new("p", Audience::OneOf(&["mail"]));
        policy.authorized_parties = &["web", "phone"];
        policy.required = &[
            Requirement {
                claim: "groups",
                any_of: &["staff"],
            },
            Requirement {
                claim: "roles",
                any_of: &[],
            },
        ];
        let told: std::vec::Vec<_> = policy
            .all_rules()
            .filter_map(|rule| rule.one_of(&policy))
            .collect();
        let expected: [(&str, &[&str]); 2] = [("azp", &["web", "phone"]), ("groups", &["staff"])];
        assert_eq!(told, expected);
        policy.authorized_parties = &[];
        let told = policy.all_rules().filter_map(|rule| rule.one_of(&policy));
        assert_eq!(told.count(), 1);
    }
}
