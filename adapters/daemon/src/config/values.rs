//! Values that are checked while they are read, so that a fault points at their line.

use std::ops::Deref;
use std::time::Duration;

use gatepost_core::crypto::{Algorithm, AlgorithmSet};
use gatepost_tokio::{Template, TemplateError};
use toml::de::DeValue;

use super::fault::Faults;
use super::item::{Item, Value};
use super::names;

/// Declares an enumeration that is written as one of a few words.
macro_rules! words {
    (
        $(#[$about:meta])*
        $visible:vis enum $name:ident {$(
            $(#[$doc:meta])*
            $variant:ident = $word:literal,
        )*}
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        $visible enum $name {$(
            $(#[$doc])*
            $variant,
        )*}

        impl $crate::config::item::Value for $name {
            fn read(
                item: &$crate::config::item::Item<'_>,
                faults: &mut $crate::config::fault::Faults,
            ) -> Option<Self> {
                item.parse(faults, |text| match &*text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err($crate::config::values::alternatives(&[$($word),*])),
                })
            }
        }
    };
}

pub(super) use words;

/// `write "a", "b" or "c"`
pub(super) fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, [])) => format!("write {last}"),
        Some((last, others)) => format!("write {} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// A number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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

impl<const MIN: u32, const MAX: u32> Value for Bounded<MIN, MAX> {
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
        match item.value {
            DeValue::Integer(number) => {
                match u32::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) if (MIN..=MAX).contains(&number) => Some(Self(number)),
                    _ => item.refuse(
                        faults,
                        format_args!("{number} is out of bounds; write {MIN} to {MAX}"),
                    ),
                }
            }
            DeValue::String(text) if is_number(text) => {
                item.refuse(faults, format_args!("write {text} without quotes"))
            }
            _ => item.refuse(faults, format_args!("write {MIN} to {MAX}")),
        }
    }
}

/// A time of `MIN` to `MAX` units, each of `UNIT` milliseconds: a number of them, or text such as `5m`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Time<const UNIT: u32, const MIN: u32, const MAX: u32>(u32);

/// For keys whose names end in `_seconds`.
pub(crate) type Seconds<const MIN: u32, const MAX: u32> = Time<1_000, MIN, MAX>;

/// For keys whose names end in `_milliseconds`.
pub(crate) type Milliseconds<const MIN: u32, const MAX: u32> = Time<1, MIN, MAX>;

impl<const UNIT: u32, const MIN: u32, const MAX: u32> Time<UNIT, MIN, MAX> {
    pub(crate) const fn new(number: u32) -> Self {
        assert!(MIN <= number && number <= MAX, "a default out of bounds");
        Self(number)
    }

    /// In the unit of the key's name.
    pub(crate) const fn get(self) -> u32 {
        self.0
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.0) * u64::from(UNIT))
    }
}

impl<const UNIT: u32, const MIN: u32, const MAX: u32> Value for Time<UNIT, MIN, MAX> {
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
        const HINT: &str = "a duration such as \"90s\" or \"5m\"";
        let text = match item.value {
            DeValue::String(text) => text,
            DeValue::Integer(_) => {
                return Bounded::<MIN, MAX>::read(item, faults).map(|number| Self(number.get()));
            }
            _ => {
                return item.refuse(faults, format_args!("write {MIN} to {MAX}, or {HINT}"));
            }
        };
        if is_number(text) {
            let sentence = format_args!("write {text} without quotes, or {HINT}");
            return item.refuse(faults, sentence);
        }
        let Some(milliseconds) = milliseconds(text) else {
            return item.refuse(faults, format_args!("write {HINT}"));
        };
        let unit = if UNIT == 1 { "milliseconds" } else { "seconds" };
        if !milliseconds.is_multiple_of(UNIT.into()) {
            return item.refuse(faults, format_args!("write whole {unit}"));
        }
        match u32::try_from(milliseconds / u64::from(UNIT)) {
            Ok(number) if (MIN..=MAX).contains(&number) => Some(Self(number)),
            _ => item.refuse(
                faults,
                format_args!("{text:?} is out of bounds; write {MIN} to {MAX} {unit}"),
            ),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number and its unit, as in `500ms`, `90s`, `5m`, `1h`.
fn milliseconds(text: &str) -> Option<u64> {
    let units = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(units);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// Text that is not empty and has no control characters.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mode(u32);

impl Mode {
    /// What a socket gets whose listener names no mode: it is for gatepost's own user alone.
    pub(crate) const DEFAULT: Self = Self(0o600);

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }
}

impl Value for Mode {
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
        if let DeValue::Integer(number) = item.value {
            let digits = number.as_str();
            let sentence = format_args!("write it in quotes: mode = \"0{digits}\"");
            return item.refuse(faults, sentence);
        }
        item.parse(faults, |text| match u32::from_str_radix(&text, 8) {
            Ok(bits) if bits <= 0o777 && text.len() >= 3 => Ok(Self(bits)),
            _ => Err("write three or four octal digits in quotes, as in \"0660\""),
        })
    }
}

/// Names of algorithms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Algorithms(pub(crate) AlgorithmSet);

impl Value for Algorithms {
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
        let names = item.list();
        if names.is_empty() {
            return item.refuse(faults, "write one at least, or leave the key out");
        }
        let mut set = AlgorithmSet::EMPTY;
        for name in names {
            let Some(name) = name.parse(faults, |name| algorithm(&name)) else {
                continue;
            };
            set = set.union(AlgorithmSet::of(&[name]));
        }
        Some(Self(set))
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let known = Algorithm::ALL.map(Algorithm::name);
    Algorithm::from_name(name).ok_or_else(|| {
        let meant = match names::nearest(name, 3, known.into_iter()) {
            Some(nearest) => format!("write {nearest:?}"),
            None => format!("write some of {}", known.join(", ")),
        };
        format!("{name:?} is not known; {meant}")
    })
}

/// An absolute URL of a provider's.
#[derive(Clone, Debug, PartialEq)]
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

/// Whether an issuer would have a user's name or password in it: it is a name as well, which many lines hold.
pub(crate) fn holds_credentials(issuer: &str) -> bool {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next();
    authority.is_some_and(|authority| authority.contains('@'))
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
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
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
#[derive(Clone, Debug, PartialEq)]
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

/// Reads types that are made of their text.
macro_rules! read_as_text {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
                item.parse(faults, Self::try_from)
            }
        }
    )*};
}

read_as_text!(
    OneLine,
    super::claims::DomainName,
    super::claims::Scope,
    super::claims::UsernameClaim,
    super::claims::ClaimPath,
    WebUrl,
    FieldValue,
    super::Address,
    super::paths::AbsolutePath,
    super::SocketPath,
    super::address::IpNetwork,
    super::upstream::UserTemplate,
    super::upstream::AccountTemplate,
    super::accounts::MailAddress,
    super::accounts::SourceName,
    super::upstream::RecipientDelimiter,
    super::secret::Secret
);
