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
        UsernameTemplate::parse(&text).map_err(|error| error.to_string())?;
        Ok(Self(OneLine::try_from(text)?))
    }
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

/// A domain of users' names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct DomainName(String);

impl TryFrom<String> for DomainName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let may_stand = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !text.chars().all(may_stand) || !Identity::is_user_name(&format!("a@{text}")) {
            return Err("write a domain, as in \"example.com\"");
        }
        Ok(Self(text))
    }
}

impl Deref for DomainName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}
