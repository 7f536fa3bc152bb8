//! What the configuration wants of each claim, in its own words.

use gatepost_core::{Policy, Rule, UnixTime, UsernameTemplate, Violation};
use gatepost_tokio::ProviderSettings;
use serde_json::Value;

use super::claims::{Login, Row, any_of, at, part, plain};

/// The settings of a provider, beside the claims of a token.
pub(super) struct Wanted<'a> {
    settings: &'a ProviderSettings,
    policy: &'a Policy<'a>,
    claims: &'a Value,
    /// `typ` of the header.
    header_type: Option<Value>,
    key_owner: Option<&'a str>,
    claimed: Option<String>,
    now: UnixTime,
}

impl<'a> Wanted<'a> {
    /// `None` where there is no provider of that place.
    pub(super) fn new(
        login: &Login<'a>,
        place: usize,
        claims: &'a Value,
        key_owner: Option<&'a str>,
    ) -> Option<Self> {
        let header = part(login.token, 0);
        Some(Self {
            settings: login.trust.providers().get(place)?,
            policy: login.trust.policies().get(place)?,
            claims,
            header_type: header.and_then(|header| header.get("typ").cloned()),
            key_owner,
            claimed: login.claimed.map(|name| name.chars().collect()),
            now: login.now,
        })
    }

    /// The rows of one rule; none where it asks for nothing.
    pub(super) fn rows(&self, rule: Rule<'_>, violation: Option<Violation>) -> Vec<Row> {
        let settings = self.settings;
        match rule {
            Rule::Confirmation => {
                let bound = at(self.claims, "cnf").is_some();
                let row = bound.then(|| self.row("cnf", "nothing: no bond to a key"));
                row.into_iter().collect()
            }
            Rule::Kind => vec![self.kind(violation)],
            Rule::Dates => self.dates(),
            Rule::Subject => vec![self.row("sub", "any value")],
            Rule::Issuer => self.issuer(),
            Rule::Audience => {
                let wants = settings.audience.as_ref();
                let wants = wants.map_or_else(|| "any audience".to_owned(), |all| any_of(all));
                vec![self.row("aud", wants)]
            }
            Rule::AuthorizedParty if settings.authorized_parties.is_empty() => vec![],
            Rule::AuthorizedParty => {
                let names = ["azp", "client_id", "cid", "appid"];
                vec![self.first_of(&names, any_of(&settings.authorized_parties))]
            }
            Rule::KeyOwner => {
                let owner = self.key_owner.map(|owner| self.row("azp", owner));
                owner.into_iter().collect()
            }
            Rule::Scope if settings.scopes.is_empty() => vec![],
            Rule::Scope => vec![self.first_of(&["scope", "scp"], settings.scopes.join(" and "))],
            Rule::Active(active) => {
                vec![self.row(active.claim, active.value.unwrap_or("any value"))]
            }
            Rule::EmailVerified => {
                let is_said = at(self.claims, "email_verified").is_some();
                let is_wanted = is_said && !settings.unverified_email;
                let row = is_wanted.then(|| self.row("email_verified", "true, or nothing"));
                row.into_iter().collect()
            }
            Rule::User => vec![self.user("the name of a user")],
            other => {
                let row = other.one_of(self.policy);
                let row = row.map(|(claim, any_of)| self.row(claim, any_of.join(" or ")));
                row.into_iter().collect()
            }
        }
    }

    /// What is judged after the rules; `why` the login is refused, if it is.
    pub(super) fn last_rows(&self, why: Option<Violation>) -> Vec<Row> {
        let mut rows = Vec::new();
        let verdict = |refused: Violation, code| match why {
            Some(why) if why == refused => code,
            // The domain is judged first.
            None | Some(Violation::WrongUser) => "ok",
            Some(_) => "not_judged",
        };
        let domains = self.domains();
        if !domains.is_empty() {
            let mut row = self.user(any_of(domains));
            "domain of the user".clone_into(&mut row.claim);
            row.verdict = Some(verdict(Violation::WrongDomain, "wrong_domain"));
            rows.push(row);
        }
        if let Some(claimed) = &self.claimed {
            let mut row = self.user(claimed.as_str());
            "user".clone_into(&mut row.claim);
            row.verdict = Some(verdict(Violation::WrongUser, "wrong_user"));
            rows.push(row);
        }
        rows
    }

    /// The domains that the provider may name users of, or the token's tenant.
    fn domains(&self) -> &[String] {
        let tid = at(self.claims, "tid").and_then(Value::as_str);
        let mut tenants = self.settings.tenants.iter();
        let tenant = tenants.find(|(id, _)| Some(&**id) == tid);
        tenant.map_or(&self.settings.domains, |(_, domains)| domains)
    }

    fn row(&self, claim: &str, wants: impl Into<String>) -> Row {
        Row::new(claim, at(self.claims, claim), wants)
    }

    /// The first of several names that is there.
    fn first_of(&self, names: &[&str], wants: String) -> Row {
        let found = names.iter().find(|name| at(self.claims, name).is_some());
        self.row(found.or(names.first()).unwrap_or(&""), wants)
    }

    fn kind(&self, violation: Option<Violation>) -> Row {
        let wants = match (self.settings.require_type, self.settings.id_tokens) {
            (true, _) => "at+jwt in the header",
            (_, true) => "an access token or an ID token",
            _ => "an access token",
        };
        let claim = match violation {
            Some(Violation::NotAccessToken(claim)) => claim.name(),
            _ => "typ",
        };
        let mut row = self.row(claim, wants);
        if row.says.is_none() {
            row.says = Row::new(claim, self.header_type.as_ref(), "").says;
        }
        row
    }

    fn dates(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (claim, wants) in [
            ("exp", "a time in the future"),
            ("nbf", "a time in the past"),
            ("iat", "a time in the past"),
        ] {
            let mut row = self.row(claim, wants);
            let date = at(self.claims, claim).and_then(Value::as_f64);
            if let (Some(says), Some(date)) = (&mut row.says, date) {
                says.push_str(&distance(date, self.now));
            }
            if claim == "exp" || row.says.is_some() {
                rows.push(row);
            }
        }
        rows
    }

    fn issuer(&self) -> Vec<Row> {
        let Some(issuer) = &self.settings.issuer else {
            return vec![self.row("iss", "any issuer")];
        };
        let mut rows = vec![self.row("iss", issuer)];
        if !self.settings.tenants.is_empty() {
            let tenants = self.settings.tenants.iter().map(|(id, _)| id.clone());
            rows.push(self.row("tid", any_of(&tenants.collect::<Vec<_>>())));
        }
        rows
    }

    /// The claims that name the user: of the first candidate that the token has, or else all that might.
    fn user(&self, wants: impl Into<String>) -> Row {
        let is_there = |path: &&str| at(self.claims, path).is_some();
        let candidates: Vec<Vec<&str>> = self.candidates().collect();
        let naming = candidates.iter().find(|paths| paths.iter().all(is_there));
        let all = || candidates.iter().flatten().copied();
        let there: Vec<&str> = match naming {
            Some(paths) => paths.clone(),
            None => all().filter(is_there).collect(),
        };
        let values = there.iter().filter_map(|path| at(self.claims, path));
        let values = values.map(plain).collect::<Vec<_>>().join(", ");
        let claim = if there.is_empty() {
            all().collect::<Vec<_>>().join(" or ")
        } else {
            there.join(", ")
        };
        let says = (!there.is_empty()).then_some(Value::String(values));
        Row::new(&claim, says.as_ref(), wants)
    }

    /// The paths of the claims that each candidate for the name is made of.
    fn candidates(&self) -> impl Iterator<Item = Vec<&str>> {
        let candidates = self.settings.username_claims.iter();
        let templates = candidates.filter_map(|candidate| UsernameTemplate::parse(candidate).ok());
        templates.map(|template| template.paths().collect())
    }
}

/// How far away a date is.
fn distance(date: f64, now: UnixTime) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is shown, and saturates"
    )]
    let seconds = (date as i64).saturating_sub(now.seconds());
    match seconds {
        0 => " (now)".to_owned(),
        1.. => format!(" (in {})", duration(seconds)),
        _ => format!(" ({} ago)", duration(seconds.saturating_neg())),
    }
}

fn duration(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
