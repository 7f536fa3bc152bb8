//! What `check` says on a terminal: in words, claim by claim.

use std::fmt::{self, Display};

use gatepost_core::UnixTime;
use serde_json::Value;

use super::report::{Judged, Report, detail, header, payload};
use super::token_in;

/// One verdict, explained.
pub(super) struct Explanation<'r> {
    report: &'r Report,
    input: &'r str,
    now: UnixTime,
}

impl<'r> Explanation<'r> {
    pub(super) fn new(report: &'r Report, input: &'r str, now: UnixTime) -> Self {
        Self { report, input, now }
    }

    fn token(&self) -> Option<String> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        if header(self.input).is_some() {
            return Some(self.input.to_owned());
        }
        let message = STANDARD.decode(self.input).ok()?;
        token_in(&message).map(str::to_owned)
    }
}

impl Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.report.verdict {
            Judged::Accepted { user, .. } => {
                writeln!(
                    f,
                    "ACCEPTED: {}",
                    user.as_deref().unwrap_or("the signature holds")
                )?;
            }
            Judged::Rejected(rejection) => {
                writeln!(f, "REJECTED, {}: {}", rejection.code(), detail(*rejection))?;
                if rejection.status().is_none() {
                    writeln!(f, "  That is a temporary failure: the token may be good.")?;
                }
            }
            Judged::NotBase64 => {
                writeln!(f, "REJECTED, invalid_base64: not base64 with its padding")?;
            }
        }
        let Some(token) = self.token() else {
            return Ok(());
        };
        let vouched = if self.report.is_accepted() {
            ""
        } else {
            ", which nobody has vouched for"
        };
        if let Some(header) = header(&token) {
            writeln!(f, "Its header{vouched}:")?;
            members(f, &header, self.now)?;
        }
        if let Some(claims) = payload(&token) {
            writeln!(f, "Its claims{vouched}:")?;
            members(f, &claims, self.now)?;
        }
        Ok(())
    }
}

fn members(f: &mut fmt::Formatter<'_>, object: &Value, now: UnixTime) -> fmt::Result {
    let Value::Object(members) = object else {
        return writeln!(f, "  not an object");
    };
    for (name, value) in members {
        let meaning = meaning(name);
        let when = match name.as_str() {
            "exp" | "nbf" | "iat" | "auth_time" => distance(value, now),
            _ => String::new(),
        };
        // Debug escapes whatever could move the terminal's cursor.
        writeln!(
            f,
            "  {:<20} {:?}{when}{meaning}",
            format!("{name:?}").trim_matches('"'),
            Shown(value)
        )?;
    }
    Ok(())
}

/// A value on one line, control characters escaped.
struct Shown<'v>(&'v Value);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string().chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

fn distance(value: &Value, now: UnixTime) -> String {
    let Some(date) = value.as_i64() else {
        return String::new();
    };
    let seconds = date.saturating_sub(now.seconds());
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

/// What a claim is for.
fn meaning(name: &str) -> &'static str {
    match name {
        "alg" => " - signature algorithm",
        "kid" => " - which key signed it",
        "typ" => " - type of token",
        "iss" => " - who issued it",
        "sub" => " - whom it is about",
        "aud" => " - for whom it was minted",
        "azp" | "client_id" => " - which client asked for it",
        "exp" => " - good until",
        "nbf" => " - good from",
        "iat" => " - issued at",
        "scope" | "scp" => " - what it allows",
        "cnf" => " - bound to a key, unusable over SASL",
        _ => "",
    }
}
