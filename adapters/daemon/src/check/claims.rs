//! What a token says beside what the configuration wants of it, claim by claim.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_core::{
    Rejection, UnixTime, Violation,
    exchange::{MAX_PAYLOAD, TrustedKey},
    jose::UnverifiedJwt,
    sasl::SaslName,
};
use gatepost_tokio::{ProviderSettings, Trust, Verdict};
use serde::Serialize;
use serde_json::Value;

use super::wanted::Wanted;

/// Most characters of a value that are shown.
const MAX_SHOWN: usize = 64;

/// The claims of one token.
pub(crate) struct Table {
    pub(super) origin: Origin,
    /// The provider whose settings stand beside them.
    pub(super) provider: Option<usize>,
    pub(super) rows: Vec<Row>,
}

/// Where the claims of a table come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    /// A token that a key of the provider's has verified.
    Verified,
    /// A token that nobody vouches for: its claims are not judged.
    Unverified,
    /// What endpoints answered.
    Answer,
}

/// One claim.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) claim: String,
    /// What the token says; `None` where it says nothing.
    pub(super) says: Option<String>,
    pub(super) wants: String,
    /// `ok`, a reason code, or `not_judged` where what stands before it has decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<&'static str>,
}

/// A login to explain.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) trust: &'a Trust,
    /// The name of the provider that has judged it, where one has.
    pub(super) provider: Option<&'a str>,
    pub(super) token: &'a str,
    pub(super) claimed: Option<SaslName<'a>>,
    pub(super) now: UnixTime,
}

impl Login<'_> {
    /// The provider that has judged it, by its place.
    pub(super) fn place(&self) -> Option<usize> {
        let mut all = self.trust.providers().iter();
        all.position(|one| self.provider == Some(&*one.name))
    }
}

impl Table {
    /// `None` where the token has no claims that can be read, and nobody answered about it.
    pub(super) fn of(login: &Login<'_>, verdict: &Verdict) -> Option<Self> {
        let answered = Self::of_answers(login, verdict);
        let verified = || Self::verified(login);
        let table = answered.or_else(verified);
        table.or_else(|| Self::unverified(login))
    }

    /// Judges the token again with a key that verifies it.
    fn verified(login: &Login<'_>) -> Option<Self> {
        let jwt = UnverifiedJwt::parse(login.token).ok()?;
        let trust = login.trust;
        let mut scratch = vec![0; MAX_PAYLOAD];
        for (index, keys) in trust.keys().iter().enumerate() {
            let settings = trust.providers().get(index)?;
            if login.provider.is_some_and(|name| name != settings.name) {
                continue;
            }
            let header = jwt.header();
            let may_have_signed = |key: &&TrustedKey<'_>| {
                let is_named =
                    key.kid.is_none() || header.kid().is_none() || key.kid == header.kid();
                is_named && key.key.algorithms().contains(header.algorithm())
            };
            for key in keys.iter().filter(may_have_signed) {
                let Ok(payload) = jwt.verify(key.key, &mut scratch) else {
                    continue;
                };
                let claims = serde_json::from_slice(payload.bytes()).unwrap_or_default();
                let wanted = Wanted::new(login, index, &claims, key.owner)?;
                let mut rows = Vec::new();
                let policy = trust.policies().get(index)?;
                let (owner, claimed) = (key.owner, login.claimed);
                let judged =
                    policy.explain(login.now, &payload, owner, claimed, |rule, violation| {
                        rows.extend(judged_rows(wanted.rows(rule, violation), violation));
                    });
                rows.extend(wanted.last_rows(judged.err()));
                return Some(Self {
                    origin: Origin::Verified,
                    provider: Some(index),
                    rows,
                });
            }
        }
        None
    }

    fn unverified(login: &Login<'_>) -> Option<Self> {
        let claims = part(login.token, 1).filter(Value::is_object)?;
        let all = login.trust.providers();
        let issuer = claims["iss"].as_str();
        let is_issuer = |one: &ProviderSettings| one.issuer.as_deref() == issuer;
        let place = all.iter().position(is_issuer);
        let place = place.or_else(|| (all.len() == 1).then_some(0));
        let mut rows = Vec::new();
        if let Some(place) = place {
            let policy = login.trust.policies().get(place)?;
            let wanted = Wanted::new(login, place, &claims, None)?;
            for rule in policy.all_rules() {
                rows.extend(wanted.rows(rule, None));
            }
        } else {
            let issuers = all.iter().filter_map(|one| one.issuer.clone());
            let issuers = issuers.collect::<Vec<_>>();
            rows.push(Row::new("iss", claims.get("iss"), any_of(&issuers)));
        }
        Some(Self {
            origin: Origin::Unverified,
            provider: place,
            rows,
        })
    }

    /// The claim that a login is refused for.
    pub(super) fn refused(&self, rejection: Rejection) -> Option<&Row> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.verdict == Some(rejection.code()))
    }
}

/// Gives the rows of one rule their verdicts.
pub(super) fn judged_rows(mut rows: Vec<Row>, violation: Option<Violation>) -> Vec<Row> {
    let Some(violation) = violation else {
        for row in &mut rows {
            row.verdict = Some("ok");
        }
        return rows;
    };
    let blamed = match violation {
        Violation::Missing(claim) | Violation::MalformedClaim(claim) => claim.name(),
        Violation::NotYetValid { .. } => "nbf",
        Violation::IssuedInFuture => "iat",
        _ => "",
    };
    let position = rows.iter().position(|row| row.claim == blamed);
    for (index, row) in rows.iter_mut().enumerate() {
        let is_blamed = index == position.unwrap_or(0);
        row.verdict = Some(if is_blamed {
            Rejection::Claims(violation).code()
        } else {
            "not_judged"
        });
    }
    rows
}

impl Row {
    pub(super) fn judged(
        claim: &str,
        says: Option<&Value>,
        wants: &str,
        verdict: &'static str,
    ) -> Self {
        let mut row = Self::new(claim, says, wants);
        row.verdict = Some(verdict);
        row
    }

    /// A row that is not judged yet.
    pub(super) fn new(claim: &str, says: Option<&Value>, wants: impl Into<String>) -> Self {
        Self {
            claim: claim.to_owned(),
            says: says
                .filter(|value| !value.is_null())
                .map(|value| shown(&plain(value))),
            wants: wants.into(),
            verdict: None,
        }
    }
}

/// Columns, the first line of which says what they are.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin == Origin::Unverified {
            writeln!(f, "       These claims nobody has vouched for:")?;
        }
        let head = [
            "claim",
            match self.origin {
                Origin::Answer => "the answer says",
                _ => "the token says",
            },
            "the configuration wants",
            "verdict",
        ];
        let mut lines = vec![head.map(str::to_owned)];
        lines.extend(self.rows.iter().map(|row| {
            let says = row.says.clone().unwrap_or_else(|| "-".to_owned());
            let verdict = row.verdict.unwrap_or("not judged").to_owned();
            [row.claim.clone(), says, shown(&row.wants), verdict]
        }));
        let width = |column: usize| {
            let widths = lines.iter().map(|line| line[column].chars().count());
            widths.max().unwrap_or(0)
        };
        let (claim, says, wants) = (width(0), width(1), width(2));
        for line in &lines {
            writeln!(
                f,
                "       {:claim$}  {:says$}  {:wants$}  {}",
                line[0], line[1], line[2], line[3]
            )?;
        }
        Ok(())
    }
}

/// A value without its quotes and brackets.
pub(super) fn plain(value: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => text(other),
    }
}

/// At most [`MAX_SHOWN`] characters, none of which moves a terminal's cursor or turns its text around.
pub(super) fn shown(text: &str) -> String {
    let is_plain = |c: char| matches!(c, '"' | '\'' | '\\');
    let mut safe = String::new();
    for c in text.chars().take(MAX_SHOWN + 1) {
        if is_plain(c) {
            safe.push(c);
        } else {
            safe.extend(c.escape_debug());
        }
    }
    if safe.chars().count() > MAX_SHOWN {
        safe = safe.chars().take(MAX_SHOWN - 1).collect();
        safe.push('…');
    }
    safe
}

/// One of several.
pub(super) fn any_of(values: &[String]) -> String {
    values.join(" or ")
}

/// A part of a JWT as JSON, whoever signed it: to be shown, not to be believed.
pub(super) fn part(token: &str, index: usize) -> Option<Value> {
    let part = token.split('.').nth(index)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// What stands at a path: a member's whole name, or names of nested objects joined by dots.
pub(super) fn at<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    let found = object.get(path).or_else(|| {
        let mut dots = path.match_indices('.');
        dots.find_map(|(dot, _)| at(object.get(&path[..dot])?, &path[dot + 1..]))
    });
    found.filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_shown_is_short_and_harmless() {
        assert_eq!(shown("it's \"a\\b\""), "it's \"a\\b\"");
        assert_eq!(shown("a\u{1b}[2J\n\u{202e}"), "a\\u{1b}[2J\\n\\u{202e}");
        assert_eq!(shown(&"é".repeat(64)).chars().count(), 64);
        let cut = shown(&"\u{1}".repeat(65));
        assert!(cut.chars().count() == 64 && cut.ends_with('…'), "{cut}");
    }

    #[test]
    fn a_path_is_a_name_or_nested_names() {
        let object = json!({"a": {"b.c": 1, "n": null}, "https://x.example/y": 2});
        for (path, expected) in [
            ("a.b.c", Some(json!(1))),
            ("https://x.example/y", Some(json!(2))),
            ("a.n", None),
            ("a.x", None),
            ("b", None),
        ] {
            assert_eq!(at(&object, path), expected.as_ref(), "{path}");
        }
    }
}
