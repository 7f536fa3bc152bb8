//! Telling an administrator how a token was judged, rule by rule.

use super::{
    Claim, Identity, Policy, Rule, Violation, claims_context, findings::Findings, members::Members,
    rules::RuleOutcome,
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
        let mut members = Members::default();
        let mut wanted = Ok(());
        self.each_path(&mut |path| wanted = wanted.and(members.want(path)));
        let read = wanted.and_then(|()| members.read(object));
        read.map_err(|_| Violation::Malformed)?;
        // Findings keep the first rule only that is broken.
        let mut again = Findings::default();
        for rule in self.all_rules() {
            let violation = match rule.judge(self, &members, &context, &mut again) {
                Ok(_) if matches!(rule, Rule::EmailVerified) => findings.email_verdict(self),
                Ok(RuleOutcome::Met) => None,
                Ok(RuleOutcome::Absent) => rule.is_required_of(self, context.source),
                Err(violation) => Some(violation),
            };
            tell(rule, violation);
        }
        self.conclude(&findings, context.source, claimed)
    }
}

impl Claim {
    /// Its name in a token; empty for what a configuration names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exp => "exp",
            Self::Nbf => "nbf",
            Self::Iat => "iat",
            Self::Iss => "iss",
            Self::Sub => "sub",
            Self::Aud => "aud",
            Self::Azp => "azp",
            Self::Scope => "scope",
            Self::Tid => "tid",
            Self::Events => "events",
            Self::Nonce => "nonce",
            Self::AtHash => "at_hash",
            Self::Typ => "typ",
            Self::HeaderType => "typ of the header",
            Self::TokenType => "token_type",
            Self::TokenUse => "token_use",
            Self::Active | Self::User => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Audience, TokenType};

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
        assert_eq!(count, 11);
    }
}
