//! What sources have said so far of each rule, and the judgement on it.
//!
//! A JWT is one source. Endpoints are asked one after the other, and each answer is reduced at once to
//! [`Findings`]: what it breaks ends the login, what it leaves out another answer may still say.

use sha2::{Digest, Sha256};

use super::{
    Identity, Policy, Violation,
    identity::UserName,
    kind::Kind,
    members::Members,
    rules::{MAX_REQUIREMENTS, Rule, RuleOutcome},
    source::{Context, Source},
    username::Named,
};
use crate::{
    claims::TokenType,
    sasl::SaslName,
    time::UnixTime,
    wire::json::{Object, Text, Value},
};

/// What sources have said.
#[derive(Clone, Default)]
pub(crate) struct Findings {
    /// A bit for each rule that is met, by its place among the rules.
    met: u64,
    /// The first rule that is broken.
    broken: Option<(usize, Violation)>,
    pub(super) expires_at: Option<UnixTime>,
    /// Which of the policy's tenants the token is of.
    pub(super) tenant: Option<usize>,
    pub(super) user: Option<Named>,
    /// Whether some source says that the user's address has not been verified.
    email_is_unverified: bool,
    /// Whether a claim lets its user act as the one who is asked for.
    may_act: bool,
    /// SHA-256 of `sub`: endpoints have to speak of the same (OIDC Core section 5.3.4).
    subject: Option<[u8; 32]>,
}

// What is not inlined keeps its names off a device's stack while members are read.
impl Policy<'_> {
    /// Reads one object that vouches for a token.
    ///
    /// # Errors
    /// Where it cannot be read at all; rules that it breaks are found by [`conclude`](Self::conclude).
    pub(crate) fn read(
        &self,
        object: Object<'_>,
        context: &Context<'_>,
        claimed: Option<SaslName<'_>>,
    ) -> Result<Findings, Violation> {
        let mut findings = Findings::default();
        self.read_into(object, context, claimed, &mut findings)?;
        Ok(findings)
    }

    /// As [`read`](Self::read), into `findings` that are empty: they are large.
    #[inline(never)]
    pub(super) fn read_into(
        &self,
        object: Object<'_>,
        context: &Context<'_>,
        claimed: Option<SaslName<'_>>,
        findings: &mut Findings,
    ) -> Result<(), Violation> {
        let mut members = Members::default();
        let mut wanted = Ok(());
        self.each_path(&mut |path| wanted = wanted.and(members.want(path)));
        if wanted.is_err() || self.required.len() > MAX_REQUIREMENTS {
            return Err(Violation::PolicyTooLarge);
        }
        members.read(object).map_err(|_| Violation::Malformed)?;
        self.rules().for_each(|(place, rule)| {
            match rule.judge(self, &members, context, findings) {
                Ok(RuleOutcome::Met) => findings.met |= bit(place),
                Ok(RuleOutcome::Absent) => {}
                Err(violation) => {
                    findings.broken = findings.broken.or(Some((place, violation)));
                }
            }
        });
        if let Some(claimed) = claimed {
            findings.may_act = self.lets_act(&members, claimed);
        }
        Ok(())
    }

    /// Whether a JWT that somebody vouches for speaks against itself outright: that it is bound to a key, or
    /// gives no access.
    #[inline(never)]
    pub(crate) fn check_outright(
        &self,
        object: Object<'_>,
        header: TokenType,
    ) -> Result<(), Violation> {
        let mut members = Members::default();
        let read = members.read(object);
        read.map_err(|_| Violation::Malformed)?;
        let registered = members.registered();
        if registered.cnf.is_some() {
            return Err(Violation::KeyBound);
        }
        self.check_header(header)?;
        match Kind::declared_by(registered, header) {
            Some(kind) => kind.check(self).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Whether `findings` say all that may still be asked for: Dovecot then asks no further.
    pub(crate) fn is_satisfied_by(
        &self,
        findings: &Findings,
        claimed: Option<SaslName<'_>>,
    ) -> bool {
        let source = Source::Answer {
            has_audience: true,
            needs_audience: true,
        };
        let mut rules = self.rules();
        rules.all(|(place, rule)| findings.verdict(self, place, rule, source).is_none())
            && !self.may_be_another(findings, claimed)
    }

    /// Whether the user is refused whom `findings` name, and a claim that they do not hold may name another, or
    /// let this one act as another.
    #[inline(never)]
    fn may_be_another(&self, findings: &Findings, claimed: Option<SaslName<'_>>) -> bool {
        let is_first = findings.user.as_ref().is_none_or(|user| user.rank == 0);
        match self.identify(findings, claimed) {
            Err(Violation::WrongUser) => !is_first || self.delegates_claim.is_some(),
            Err(Violation::WrongDomain) => !is_first,
            _ => false,
        }
    }

    /// Judges all that has been said by `source`: the first rule that is not met is the rejection.
    #[inline(never)]
    pub(crate) fn conclude(
        &self,
        findings: &Findings,
        source: Source,
        claimed: Option<SaslName<'_>>,
    ) -> Result<Identity, Violation> {
        let violation = if findings.meets_all(self.rules().count()) {
            findings.email_verdict(self)
        } else {
            let mut rules = self.rules();
            rules.find_map(|(place, rule)| findings.verdict(self, place, rule, source))
        };
        if let Some(violation) = violation {
            return Err(violation);
        }
        self.identify(findings, claimed)
    }

    /// Who logs in, where all rules are met: of the provider's domains, and whom the client claims to be.
    fn identify(
        &self,
        findings: &Findings,
        claimed: Option<SaslName<'_>>,
    ) -> Result<Identity, Violation> {
        let user = findings.user.as_ref();
        let user = &user.ok_or(Violation::UnusableUserName)?.name;
        let domains = self.domains_of(findings.tenant);
        if !domains.is_empty() && !user.is_of_any(domains) {
            return Err(Violation::WrongDomain);
        }
        let expires_at = findings.expires_at;
        let alone = || Identity::new(user, None, expires_at).ok_or(Violation::UnusableUserName);
        let Some(claimed) = claimed else {
            return alone();
        };
        // A normalised name is read as itself.
        if claimed.as_str().is_some_and(|claimed| user.is(claimed)) {
            return alone();
        }
        // What can be nobody's name is not this user's.
        let claimed = UserName::decoded(claimed.as_str(), claimed.chars(), self.user_case)
            .map_err(|_| Violation::WrongUser)?;
        if claimed == *user {
            return alone();
        }
        let may_act = findings.may_act || self.delegates_to(user, &claimed);
        if may_act && claimed.is_of_any(domains) {
            let identity = Identity::new(&claimed, Some(user), expires_at);
            identity.ok_or(Violation::UnusableUserName)
        } else {
            Err(Violation::WrongUser)
        }
    }

    /// Whether `findings` meet all rules that tell whom a token is for.
    pub(crate) fn is_told_by(&self, findings: &Findings) -> bool {
        let tells = |rule| {
            matches!(
                rule,
                Rule::Audience | Rule::AuthorizedParty | Rule::KeyOwner
            )
        };
        let mut rules = self.rules().filter(|(_, rule)| tells(*rule));
        let domains = self.domains_of(findings.tenant);
        let user = findings.user.as_ref();
        rules.all(|(place, _)| findings.met & bit(place) != 0)
            && (domains.is_empty() || user.is_some_and(|user| user.name.is_of_any(domains)))
    }

    /// The domains that the provider, or one of its tenants, may name users of; empty for any.
    pub(super) fn domains_of(&self, tenant: Option<usize>) -> &[&str] {
        match tenant.and_then(|tenant| self.tenants.get(tenant)) {
            Some(tenant) => tenant.domains,
            None => self.domains,
        }
    }

    #[inline(never)]
    fn delegates_to(&self, user: &UserName, claimed: &UserName) -> bool {
        let is = |written: &str, name: &UserName| {
            UserName::new(written, self.user_case).is_ok_and(|written| written == *name)
        };
        let mut ours = self.delegates.iter().filter(|one| is(one.user, user));
        ours.any(|one| one.may_act_as.iter().any(|other| is(other, claimed)))
    }

    /// Whether the claim of delegates names who is asked for.
    #[inline(never)]
    fn lets_act(&self, members: &Members<'_, '_>, claimed: SaslName<'_>) -> bool {
        let value = self.delegates_claim.and_then(|claim| members.at(claim));
        let Some(value) = value else { return false };
        let claimed = UserName::decoded(claimed.as_str(), claimed.chars(), self.user_case);
        let Ok(claimed) = claimed else {
            return false;
        };
        let is_claimed = |name: Text<'_>| {
            UserName::decoded(name.as_str(), name.chars(), self.user_case)
                .is_ok_and(|name| name == claimed)
        };
        value.strings().flatten().any(is_claimed)
    }
}

impl Findings {
    /// Why `rule`, which is the `place`th, is not met.
    fn verdict(
        &self,
        policy: &Policy<'_>,
        place: usize,
        rule: Rule<'_>,
        source: Source,
    ) -> Option<Violation> {
        if let Some((broken, violation)) = self.broken
            && broken == place
        {
            return Some(violation);
        }
        if let Rule::EmailVerified = rule {
            return self.email_verdict(policy);
        }
        if self.met & bit(place) != 0 {
            return None;
        }
        rule.is_required_of(policy, source)
    }

    /// Whether all of so many rules are met, as they are for nearly every token that gets so far.
    fn meets_all(&self, rules: usize) -> bool {
        let all = bit(rules).wrapping_sub(1);
        self.met == all && self.broken.is_none()
    }

    pub(super) fn email_verdict(&self, policy: &Policy<'_>) -> Option<Violation> {
        let is_named = self.user.as_ref().is_some_and(|user| user.is_by_email);
        let is_refused = is_named && self.email_is_unverified && !policy.unverified_email;
        is_refused.then_some(Violation::EmailNotVerified)
    }

    /// Why no further source need be asked: what is broken stays so.
    pub(crate) fn broken(&self) -> Option<Violation> {
        self.broken.map(|(_, violation)| violation)
    }

    /// Adds what a later answer said: the union of what is met; `None` where the two contradict each other.
    pub(crate) fn merge(self, later: Self) -> Option<Self> {
        if let (Some(one), Some(other)) = (self.subject, later.subject)
            && one != other
        {
            return None;
        }
        if let (Some(one), Some(other)) = (self.tenant, later.tenant)
            && one != other
        {
            return None;
        }
        let user = match (self.user, later.user) {
            (Some(one), Some(other)) if one.rank == other.rank && one.name != other.name => {
                return None;
            }
            // The candidate that the operator named first counts, whichever answer has it.
            (Some(one), Some(other)) => Some(if other.rank < one.rank { other } else { one }),
            (one, other) => one.or(other),
        };
        let expires_at = match (self.expires_at, later.expires_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Some(Self {
            met: self.met | later.met,
            broken: self.broken.or(later.broken),
            expires_at,
            tenant: self.tenant.or(later.tenant),
            user,
            email_is_unverified: self.email_is_unverified || later.email_is_unverified,
            may_act: self.may_act || later.may_act,
            subject: self.subject.or(later.subject),
        })
    }

    /// Keeps whom an answer speaks of; a JWT is the only one of its login.
    pub(super) fn note_subject(&mut self, subject: Option<Text<'_>>, source: Source) {
        if let Source::Answer { .. } = source {
            self.subject = subject.map(digest);
        }
    }

    /// Keeps whether an address is said not to be verified: whatever is neither true nor absent says so.
    pub(super) fn note_email(&mut self, policy: &Policy<'_>, members: &Members<'_, '_>) {
        let said = members.registered().email_verified;
        let is_unverified = |value: Value<'_>| match value {
            Value::Bool(flag) => !flag,
            // Cognito, Apple and Google write it as a string.
            Value::String(text) => text != *"true",
            _ => true,
        };
        let mut is_any = said.is_some_and(is_unverified);
        policy.each_claim_of_names(&mut |path| {
            is_any |= members.beside(path).is_some_and(is_unverified);
        });
        self.email_is_unverified = is_any;
    }
}

/// The bit of a rule; none for one beyond the last that can be counted, which is therefore never met.
fn bit(place: usize) -> u64 {
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    1_u64.checked_shl(place).unwrap_or(0)
}

fn digest(text: Text<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut buffer = [0; 4];
    for c in text.chars() {
        hash.update(c.encode_utf8(&mut buffer).as_bytes());
    }
    hash.finalize().into()
}
