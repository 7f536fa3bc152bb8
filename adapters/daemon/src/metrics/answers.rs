//! What whoever watches may ask over HTTP: whether the daemon lives, whether it is ready, and its figures.

use serde_json::{Value, json};

use crate::accounts::{Health, Kept, Pulled};
use crate::judging::generation::Generation;

/// The methods that every path takes.
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) struct Question<'q> {
    pub(crate) method: &'q str,
    /// Without the query.
    pub(crate) path: &'q str,
    /// The header `Accept`, if there is one.
    pub(crate) accept: Option<&'q str>,
}

/// An answer; whoever sends it leaves the body of a `HEAD` out.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// The header `Allow`, where there is to be one.
    pub(crate) allow: Option<&'static str>,
    pub(crate) body: String,
}

impl Answer {
    fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            allow: None,
            body: body.to_owned(),
        }
    }

    fn json(status: u16, body: &Value) -> Self {
        Self {
            content_type: "application/json",
            ..Self::text(status, &body.to_string())
        }
    }

    fn allowing(self) -> Self {
        Self {
            allow: Some(ALLOW),
            ..self
        }
    }
}

/// How figures are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// `OpenMetrics` 1.0.
    Open,
}

impl Format {
    /// The one that is accepted more readily (RFC 9110 section 12.5.1): text, unless `OpenMetrics` is named.
    pub(super) fn accepted_by(accept: Option<&str>) -> Self {
        let (mut text, mut open) = (0.0, 0.0);
        for choice in accept.unwrap_or_default().split(',') {
            let mut parts = choice.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default();
            let quality = parts.find_map(|part| part.strip_prefix("q="));
            let quality = quality.map_or(Some(1.0), |quality| quality.parse::<f32>().ok());
            let best = match media_type {
                "application/openmetrics-text" => &mut open,
                "text/plain" | "text/*" => &mut text,
                _ => continue,
            };
            *best = quality.unwrap_or_default().max(*best);
        }
        if open > text { Self::Open } else { Self::Text }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::Open => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Answers; `figures` writes them in a format.
pub(super) fn answer(
    question: Question<'_>,
    generation: &Generation,
    accounts: Option<&Health>,
    figures: impl FnOnce(Format) -> String,
) -> Answer {
    if !matches!(question.path, "/live" | "/ready" | "/metrics") {
        return Answer::text(404, "GET /live, /ready or /metrics\n");
    }
    match question.method {
        "GET" | "HEAD" => {}
        "OPTIONS" => return Answer::text(204, "").allowing(),
        _ => return Answer::text(405, "GET, HEAD or OPTIONS\n").allowing(),
    }
    match question.path {
        "/live" => Answer::json(200, &json!({"status": "live"})),
        "/ready" => ready(generation, accounts),
        _ => {
            let format = Format::accepted_by(question.accept);
            Answer {
                content_type: format.content_type(),
                ..Answer::text(200, &figures(format))
            }
        }
    }
}

/// Ready as long as some provider's tokens can be judged: one tenant that is away is no reason to take the mail of
/// the others elsewhere. Nor is a database that is away: who is known from before is answered from memory. Where nobody
/// has been known yet, mail servers hear of nobody.
fn ready(generation: &Generation, accounts: Option<&Health>) -> Answer {
    let statistics = generation.providers.statistics();
    let left_alone = |name: &str| {
        let mut of = statistics.iter().filter(|one| one.provider == name);
        of.any(|one| one.is_left_alone)
    };
    let state = generation.providers.state();
    let knows_accounts = accounts.is_none_or(|health| health.is_loaded);
    let mut judging = state.iter();
    let is_ready = knows_accounts && judging.any(|(_, keys, can_ask)| can_judge(*keys, *can_ask));
    let providers = state.iter().map(|(name, keys, can_ask)| {
        json!({
            "name": name,
            "can_judge": can_judge(*keys, *can_ask),
            "keys": keys,
            "can_be_asked": can_ask,
            "left_alone": left_alone(name),
        })
    });
    let providers: Vec<_> = providers.collect();
    let (status, word) = if is_ready {
        (200, "ready")
    } else {
        (503, "not_ready")
    };
    let mut answer = json!({"status": word, "providers": providers});
    if let (Some(health), Some(answer)) = (accounts, answer.as_object_mut()) {
        let mut accounts = json!({
            "loaded": health.is_loaded,
            "can_write": health.away.is_none(),
            "why": health.away,
            "since": health.since,
        });
        if let (false, Some(accounts)) = (health.kept.is_empty(), accounts.as_object_mut()) {
            let kept = health.kept.iter().map(kept);
            accounts.insert("kept_domains".to_owned(), kept.collect());
        }
        if let (false, Some(accounts)) = (health.pulls.is_empty(), accounts.as_object_mut()) {
            let pulls = health.pulls.iter().map(pulled);
            accounts.insert("pulls".to_owned(), pulls.collect());
        }
        answer.insert("accounts".to_owned(), accounts);
    }
    Answer::json(status, &answer)
}

/// Nobody has lost an address, so that it is no reason to be not ready either.
fn kept(kept: &Kept) -> Value {
    json!({"source": kept.source, "domains": kept.domains, "accounts": kept.accounts})
}

/// A provider that is away is told, and no reason to be not ready: its accounts stay as they are.
fn pulled(pulled: &Pulled) -> Value {
    json!({
        "source": pulled.source,
        "last": pulled.last.map(|last| last.to_string()),
        "why": pulled.why,
    })
}

const fn can_judge(keys: usize, can_ask: bool) -> bool {
    keys > 0 || can_ask
}
