//! Values that are checked while they are read, so that an error points at their line.

use std::ops::Deref;

use gatepost_core::crypto::{Algorithm, AlgorithmSet};
use gatepost_tokio::{Template, TemplateError};
use serde::Deserialize;

/// A number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "i64")]
pub(crate) struct Bounded<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    pub(crate) const fn new(number: u32) -> Self {
        assert!(MIN <= number && number <= MAX, "a default out of bounds");
        Self(number)
    }

    pub(crate) const fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> TryFrom<i64> for Bounded<MIN, MAX> {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        match u32::try_from(number) {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(format!("{number} is out of bounds: write {MIN} to {MAX}")),
        }
    }
}

/// Text that is not empty and has no control characters.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub(crate) struct OneLine(String);

impl TryFrom<String> for OneLine {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err("write text that is not empty and holds no control characters");
        }
        Ok(Self(text))
    }
}

impl Deref for OneLine {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Permissions of a socket, in octal.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub(crate) struct Mode(u32);

impl Mode {
    /// What a socket gets whose listener names no mode: it is for gatepost's own user alone.
    pub(crate) const DEFAULT: Self = Self(0o600);

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for Mode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if bits <= 0o777 && text.len() >= 3 => Ok(Self(bits)),
            _ => Err("mode: write three or four octal digits in quotes, as in \"0660\""),
        }
    }
}

/// Names of algorithms.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "Vec<String>")]
pub(crate) struct Algorithms(pub(crate) AlgorithmSet);

impl TryFrom<Vec<String>> for Algorithms {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, Self::Error> {
        let mut set = AlgorithmSet::EMPTY;
        for name in names {
            let known = Algorithm::from_name(&name).ok_or_else(|| {
                let known = Algorithm::ALL.map(Algorithm::name).join(", ");
                format!("algorithms: {name:?} is not supported; write some of {known}")
            })?;
            set = set.union(AlgorithmSet::of(&[known]));
        }
        if set.is_empty() {
            return Err("algorithms: write one at least, or leave the key out".to_owned());
        }
        Ok(Self(set))
    }
}

/// One text, or a list.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(from = "OneOrManyForm")]
pub(crate) struct OneOrMany(Vec<OneLine>);

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "write text, or a list of texts, that are not empty and hold no control characters"
)]
enum OneOrManyForm {
    One(OneLine),
    Many(Vec<OneLine>),
}

impl From<OneOrManyForm> for OneOrMany {
    fn from(form: OneOrManyForm) -> Self {
        Self(match form {
            OneOrManyForm::One(one) => vec![one],
            OneOrManyForm::Many(many) => many,
        })
    }
}

impl Deref for OneOrMany {
    type Target = [OneLine];

    fn deref(&self) -> &[OneLine] {
        &self.0
    }
}

impl OneOrMany {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An absolute URL of a provider's.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(try_from = "String")]
pub(crate) struct WebUrl(String);

impl TryFrom<String> for WebUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hint = "write an absolute URL, such as \"https://id.example.com/introspect\"";
        let (scheme, rest) = text.split_once("://").ok_or(hint)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if !matches!(scheme, "https" | "http") || authority.is_empty() {
            return Err(hint);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "a URL holds no spaces and no characters beyond ASCII; percent-encode them",
            );
        }
        if authority.contains('@') {
            return Err("credentials are not for URLs; write client_id and client_secret");
        }
        if rest.contains('#') {
            return Err("a fragment is never sent; remove what follows the #");
        }
        Ok(Self(text))
    }
}

impl WebUrl {
    /// Whether it is plain http to another host.
    pub(crate) fn is_plain_and_remote(&self) -> bool {
        let Some(rest) = self.0.strip_prefix("http://") else {
            return false;
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next(),
            None => authority.split(':').next(),
        };
        let host = host.unwrap_or_default();
        let address: Option<std::net::IpAddr> = host.parse().ok();
        host != "localhost" && !address.is_some_and(|address| address.is_loopback())
    }
}

impl Deref for WebUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The name of a field of an answer to the mail server.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub(crate) struct FieldName(String);

impl TryFrom<String> for FieldName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        // These are the protocol's own: who logged in, and a response of the mechanism.
        let is_taken = matches!(&*name, "" | "user" | "resp");
        if is_taken || !name.chars().all(is_name) {
            return Err(
                "write the name of a field such as \"proxy\" or \"userdb_home\", but not \"user\" or \"resp\"",
            );
        }
        Ok(Self(name))
    }
}

impl Deref for FieldName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The value of such a field.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(try_from = "String")]
pub(crate) struct FieldValue(Template);

impl TryFrom<String> for FieldValue {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl FieldValue {
    pub(crate) fn template(&self) -> &Template {
        &self.0
    }

    pub(crate) fn tells_token(&self) -> bool {
        self.0.tells_token()
    }
}
