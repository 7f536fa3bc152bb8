//! Claims and domains of users, as the configuration names them.

use std::ops::Deref;

use gatepost_core::{Identity, UsernameTemplate};

use super::values::OneLine;

/// A claim that names the user, or a template over several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct UsernameClaim(OneLine);

impl TryFrom<String> for UsernameClaim {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Some(variable) = variable(&text) {
            return Err(format!(
                "{variable} is a variable of Dovecot's; write \"preferred_username\" for a claim, or \
                 \"%{{preferred_username}}@example.com\" for a name that is made of one"
            ));
        }
        UsernameTemplate::parse(&text).map_err(|error| error.to_string())?;
        Ok(Self(OneLine::try_from(text)?))
    }
}

/// What is written like `%u` or `%Lu`.
fn variable(text: &str) -> Option<&str> {
    let mut signs = text.match_indices('%').map(|(at, _)| at);
    signs.find_map(|at| {
        let letters = text[at + 1..].find(|c: char| !c.is_ascii_alphabetic());
        let end = letters.map_or(text.len(), |length| at + 1 + length);
        (end > at + 1).then(|| &text[at..end])
    })
}

impl UsernameClaim {
    /// Its parts.
    pub(super) fn template(&self) -> Option<UsernameTemplate<'_>> {
        UsernameTemplate::parse(self).ok()
    }
}

impl Deref for UsernameClaim {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The path of a claim.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct ClaimPath(OneLine);

impl TryFrom<String> for ClaimPath {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.contains("%{") {
            return Err("write the claim's name without %{ }, such as \"groups\"");
        }
        OneLine::try_from(text).map(Self)
    }
}

impl Deref for ClaimPath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A scope (RFC 6749 section 3.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Scope(OneLine);

impl TryFrom<String> for Scope {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.contains(' ') {
            let scopes: Vec<&str> = text.split_whitespace().collect();
            return Err(format!(
                "write {scopes:?}: a blank is between scopes, and in none"
            ));
        }
        Ok(Self(OneLine::try_from(text)?))
    }
}

impl Deref for Scope {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A domain of users' names.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct DomainName(String);

impl TryFrom<String> for DomainName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let may_stand = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_domain = |text: &str| {
            text.chars().all(may_stand) && Identity::is_user_name(&format!("a@{text}"))
        };
        if is_domain(&text) {
            return Ok(Self(text));
        }
        let behind = text.rsplit(['@', '*']).next().unwrap_or_default();
        let behind = behind.trim_start_matches('.');
        Err(match behind {
            behind if !is_domain(behind) => "write a domain, as in \"example.com\"".to_owned(),
            _ if text.contains('*') => {
                format!(
                    "write a domain, \"{behind}\", and name each subdomain: there are no patterns"
                )
            }
            _ => format!("write a domain, \"{behind}\", without the @ and what precedes it"),
        })
    }
}

impl Deref for DomainName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}
