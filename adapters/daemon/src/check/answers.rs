//! The table of a token that endpoints answered about: what they said stands where claims do.

use gatepost_core::{
    AnsweredClaims, Rejection,
    introspection::{Answer, Mode},
};
use gatepost_tokio::{Outcome, Verdict};
use serde_json::Value;

use super::claims::{Login, Origin, Row, Table, judged_rows, part};
use super::wanted::Wanted;

/// What an endpoint said of the token.
struct Said {
    object: Value,
    /// What core is given of it.
    json: Vec<u8>,
    has_audience: bool,
}

impl Table {
    /// `None` where the login was not judged by answers.
    pub(super) fn of_answers(login: &Login<'_>, verdict: &Verdict) -> Option<Self> {
        let place = login.place()?;
        let provider = login.trust.asked().get(place)?;
        let endpoints = provider.endpoints.as_ref()?;
        let is_introspection = endpoints.introspection.is_some() && endpoints.mode != Mode::Auth;
        let answers = verdict.answers.iter();
        let said: Vec<Said> = answers
            .map(|answered| Said::read(&answered.answer()?))
            .collect::<Option<_>>()?;
        let last = said.last()?;
        let whole = merged(&said);
        let mut rows = Vec::new();
        let rejection = match &verdict.outcome {
            Outcome::Accepted(_) => None,
            Outcome::Refused { rejection, .. } => Some(*rejection),
        };
        match rejection {
            Some(Rejection::TokenRefused) => rows.extend(denied(&last.object)),
            None | Some(Rejection::Claims(_) | Rejection::MalformedMember(_)) => {
                if is_introspection {
                    rows.push(Row::judged("active", whole.get("active"), "true", "ok"));
                }
                let wanted = Wanted::new(login, place, &whole, None)?;
                let client = endpoints.client.map(|client| client.id);
                let claims: Vec<AnsweredClaims<'_>> = said
                    .iter()
                    .map(|said| AnsweredClaims {
                        json: &said.json,
                        has_audience: said.has_audience,
                        needs_audience: !endpoints.allow_missing_audience,
                        asking_client: client,
                    })
                    .collect();
                let judged = provider.policy.explain_answers(
                    login.now,
                    &claims,
                    login.claimed,
                    |rule, violation| {
                        rows.extend(judged_rows(wanted.rows(rule, violation), violation));
                    },
                );
                rows.extend(wanted.last_rows(judged.err()));
            }
            Some(_) => return None,
        }
        for row in &mut rows {
            // RFC 7662 section 2.2: all but `active` is optional.
            if row.says.is_none() && row.verdict == Some("ok") {
                row.wants.push_str(", or nothing");
            }
        }
        Some(Self {
            origin: Origin::Answer,
            provider: Some(place),
            rows,
        })
    }
}

impl Said {
    /// `None` for what vouches for nobody.
    fn read(answer: &Answer<'_>) -> Option<Self> {
        if !(200..=299).contains(&answer.status) {
            return None;
        }
        let is_signed = answer.content_type.to_ascii_lowercase().ends_with("jwt");
        let (object, has_audience) = if is_signed {
            let jwt = std::str::from_utf8(answer.body).ok()?;
            let mut payload = part(jwt.trim(), 1)?;
            match payload.get_mut("token_introspection") {
                Some(inner) => (inner.take(), true),
                None => (payload, false),
            }
        } else {
            (serde_json::from_slice(answer.body).ok()?, true)
        };
        if !object.is_object() {
            return None;
        }
        let json = if is_signed {
            serde_json::to_vec(&object).ok()?
        } else {
            answer.body.to_vec()
        };
        Some(Self {
            object,
            json,
            has_audience,
        })
    }
}

/// The members of all answers; of equal names the first counts.
fn merged(said: &[Said]) -> Value {
    let mut members = serde_json::Map::new();
    for (name, value) in said
        .iter()
        .filter_map(|said| said.object.as_object())
        .flatten()
    {
        if !value.is_null() && !members.contains_key(name) {
            members.insert(name.clone(), value.clone());
        }
    }
    Value::Object(members)
}

/// What says that the token is no good.
fn denied(answer: &Value) -> Vec<Row> {
    let wants = [("active", "true"), ("error", "nothing")];
    let rows = wants.into_iter().filter_map(|(name, wants)| {
        let value = answer.get(name).filter(|value| !value.is_null())?;
        let verdict = Rejection::TokenRefused.code();
        Some(Row::judged(name, Some(value), wants, verdict))
    });
    rows.collect()
}
