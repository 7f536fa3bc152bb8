//! What `check` says of one token, as JSON.

use std::fmt::Display;

use gatepost_core::{Rejection, Violation, jose::Header, sasl::Status};
use gatepost_tokio::Outcome;
use serde::Serialize;

use super::claims::{Origin, Row, Table, part};
use super::judged::Judged as Login;

/// The verdict on one token.
pub(crate) struct Report {
    pub(super) verdict: Judged,
    pub(super) algorithm: Option<String>,
    pub(super) kid: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) table: Option<Table>,
    pub(super) advice: Option<String>,
}

/// What was judged, and how.
pub(super) enum Judged {
    Accepted {
        user: Option<String>,
        issuer: Option<String>,
        expires_at: Option<i64>,
    },
    Rejected(Rejection),
    NotBase64,
}

impl Report {
    pub(super) fn rejected(rejection: Rejection) -> Self {
        Self {
            verdict: Judged::Rejected(rejection),
            algorithm: None,
            kid: None,
            provider: None,
            table: None,
            advice: None,
        }
    }

    pub(super) fn not_base64() -> Self {
        Self {
            verdict: Judged::NotBase64,
            algorithm: None,
            kid: None,
            provider: None,
            table: None,
            advice: None,
        }
    }

    /// A whole login; `token` is only looked into for its issuer once it has been accepted.
    pub(super) fn of_login(login: Login, token: &str) -> Self {
        let verdict = login.verdict;
        let judged = match verdict.outcome {
            Outcome::Accepted(identity) => Judged::Accepted {
                user: Some(identity.user().to_owned()),
                issuer: issuer(token),
                expires_at: identity.expires_at().map(gatepost_core::UnixTime::seconds),
            },
            Outcome::Refused { rejection, .. } => Judged::Rejected(rejection),
        };
        let algorithm = verdict
            .algorithm
            .map(|algorithm| algorithm.name().to_owned());
        Self {
            verdict: judged,
            algorithm,
            kid: verdict.kid,
            provider: verdict.provider,
            table: login.table,
            advice: login.advice,
        }
    }

    /// A signature that holds, over whatever payload.
    pub(super) fn of_signature(header: &Header, token: &str) -> Self {
        Self {
            verdict: Judged::Accepted {
                user: None,
                issuer: issuer(token),
                expires_at: None,
            },
            algorithm: Some(header.algorithm().name().to_owned()),
            kid: header.kid().map(str::to_owned),
            provider: None,
            table: None,
            advice: None,
        }
    }

    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.verdict, Judged::Accepted { .. })
    }

    /// One object; what is not known is left out.
    pub(super) fn json(&self) -> impl Display {
        let (algorithm, kid) = (self.algorithm.as_deref(), self.kid.as_deref());
        let mut line = match &self.verdict {
            Judged::Accepted {
                user,
                issuer,
                expires_at,
            } => Line {
                verdict: "accept",
                user: user.as_deref(),
                algorithm,
                kid,
                issuer: issuer.as_deref(),
                expires_at: *expires_at,
                ..Line::default()
            },
            Judged::Rejected(rejection) => Line {
                verdict: "reject",
                reason: Some(rejection.code()),
                status: rejection.status().map(Status::name),
                detail: Some(detail(*rejection)),
                ..Line::default()
            },
            Judged::NotBase64 => Line {
                verdict: "reject",
                reason: Some("invalid_base64"),
                status: Some(Status::InvalidRequest.name()),
                detail: Some("The SASL response is not base64 with its padding".to_owned()),
                ..Line::default()
            },
        };
        line.provider = self.provider.as_deref();
        line.advice = self.advice.as_deref();
        if let Some(table) = &self.table {
            let rows = Some(&*table.rows);
            if table.origin == Origin::Unverified {
                line.unverified_claims = rows;
            } else {
                line.claims = rows;
            }
        }
        // Strings and numbers are always JSON.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// One line of output, in the order in which it is read.
#[derive(Default, Serialize)]
struct Line<'r> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<&'r [Row]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unverified_claims: Option<&'r [Row]>,
}

/// The reason in words, with the numbers that help.
pub(super) fn detail(rejection: Rejection) -> String {
    let reason = rejection.reason();
    match rejection {
        Rejection::Claims(Violation::Expired { now, expires_at }) => {
            let ago = now.seconds().saturating_sub(expires_at.seconds());
            format!(
                "{reason}: exp is {}, {ago} seconds ago",
                expires_at.seconds()
            )
        }
        Rejection::Claims(Violation::NotYetValid { not_before }) => {
            format!("{reason}: nbf is {}", not_before.seconds())
        }
        Rejection::Claims(Violation::UnmetRequirement { place }) => {
            format!("{reason} (require {})", place + 1)
        }
        Rejection::MalformedMember(member) => format!("{reason} (member {})", member.name()),
        Rejection::Token(error) => format!("{reason} ({error:?})"),
        Rejection::Response(error) => format!("{reason} ({error:?})"),
        _ => reason.to_owned(),
    }
}

/// Whom the token names as its issuer.
fn issuer(token: &str) -> Option<String> {
    Some(part(token, 1)?["iss"].as_str()?.to_owned())
}
