//! A setting that was read, and what its value means to the version of Dovecot that reads it.

use super::error::{ImportError, Place};

/// Whose settings they are: names, defaults and values differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    V2_3,
    V2_4,
}

/// One setting of the oauth2 database, by its 2.3 name or by its 2.4 name without `oauth2_`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Setting {
    pub(super) place: Place,
    pub(super) version: Version,
    pub(super) name: String,
    pub(super) value: Value,
}

/// Its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// A block of names with values (2.4).
    List(Vec<(String, String)>),
}

/// Words in which a setting's name says that its value is nobody's business.
const SECRETIVE: [&str; 5] = ["secret", "pass", "token", "key", "auth"];

/// Names that hold one of these words, and no secret.
const OPEN: [&str; 8] = [
    "pass_attrs",
    "tokeninfo_url",
    "token_expire_grace",
    "local_validation_key_dict",
    "tls_key_file",
    "ssl_client_key_file",
    "send_auth_headers",
    "use_grant_password",
];

impl Setting {
    /// Its text; empty where it is a list.
    pub(super) fn text(&self) -> &str {
        match &self.value {
            Value::Text(text) => text,
            Value::List(_) => "",
        }
    }

    /// Its text as a configuration can hold it.
    pub(super) fn plain(&self) -> Result<&str, ImportError> {
        let text = self.text();
        // What comes out of a file has its line end, which nobody meant.
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        self.hold(text).map(|()| text)
    }

    /// Whether a configuration can hold `text`, which is of this setting.
    pub(super) fn hold(&self, text: &str) -> Result<(), ImportError> {
        if text.chars().any(char::is_control) {
            return Err(self.fault("holds control characters, which a configuration cannot"));
        }
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(self.fault("holds bytes that are not UTF-8, which a configuration cannot"));
        }
        Ok(())
    }

    pub(super) fn fault(&self, fault: &str) -> ImportError {
        ImportError::at(&self.place, format!("{} {fault}", self.name))
    }

    /// Its name and its value for people to read, without anything secret, on one line.
    pub(super) fn shown(&self) -> String {
        let value = match &self.value {
            Value::Text(text) => shown(&self.name, text),
            Value::List(list) => {
                let entry = |(name, value): &(String, String)| {
                    format!("{} = {}", one_line(name), shown(name, value))
                };
                let entries: Vec<String> = list.iter().map(entry).collect();
                format!("{{ {} }}", entries.join(", "))
            }
        };
        format!("{} = {value}", self.name)
    }

    /// A switch. 2.3's `.conf.ext` knows yes and no alone.
    pub(super) fn is_yes(&self) -> Result<bool, ImportError> {
        is_yes(self.version, self.text()).ok_or_else(|| self.fault("is yes or no"))
    }

    /// A whole number.
    pub(super) fn number(&self) -> Result<u64, ImportError> {
        let number = match self.version {
            Version::V2_3 => scanned(self.text()),
            Version::V2_4 if is_unlimited(self.text()) => Some(u64::MAX),
            Version::V2_4 => self.text().parse::<u32>().ok().map(u64::from),
        };
        number.ok_or_else(|| self.fault("is a number"))
    }

    /// A time in milliseconds: 2.3's `_msecs` are bare numbers, 2.4 wants units.
    pub(super) fn milliseconds(&self) -> Result<u64, ImportError> {
        match self.version {
            Version::V2_3 => self.number(),
            Version::V2_4 if is_unlimited(self.text()) => Ok(u64::MAX),
            Version::V2_4 => interval(self.text())
                .ok_or_else(|| self.fault("is a time with its unit, such as 5 s or 500 ms")),
        }
    }

    /// Whole seconds, of which 2.4 takes no parts.
    pub(super) fn seconds(&self) -> Result<u64, ImportError> {
        let milliseconds = self.milliseconds()?;
        if milliseconds != u64::MAX && milliseconds % 1000 != 0 {
            return Err(self.fault("is a time of whole seconds"));
        }
        Ok(milliseconds / 1000)
    }

    /// The entries of a list that is written in one line or in a block.
    pub(super) fn entries(&self) -> Result<Vec<String>, ImportError> {
        let entries: Vec<String> = match &self.value {
            Value::Text(text) => text.split(' ').map(str::to_owned).collect(),
            Value::List(list) => {
                let mut entries = Vec::new();
                for (name, value) in list {
                    let is_yes = is_yes(Version::V2_4, value);
                    if is_yes.ok_or_else(|| self.fault("has entries that are yes or no"))? {
                        entries.push(name.clone());
                    }
                }
                entries
            }
        };
        let entries: Vec<String> = entries
            .into_iter()
            .filter(|entry| !entry.is_empty())
            .collect();
        entries.iter().try_for_each(|entry| self.hold(entry))?;
        Ok(entries)
    }
}

/// `value`, unless `name` or the value itself says that it is secret.
pub(super) fn shown(name: &str, value: &str) -> String {
    let is_secretive = SECRETIVE.iter().any(|word| name.contains(word)) && !OPEN.contains(&name);
    let is_variable = value.starts_with("%{") && value.ends_with('}');
    if is_secretive && !is_variable || value.contains("password=") {
        return "(not shown)".to_owned();
    }
    // pass_attrs hold fields, each with its name.
    if name == "pass_attrs" {
        let field = |field: &str| match field.split_once('=') {
            Some((name, value)) => format!("{name}={}", shown(name, value)),
            None => one_line(field),
        };
        return value.split(' ').map(field).collect::<Vec<_>>().join(" ");
    }
    let value = one_line(value);
    let Some((scheme, rest)) = value.split_once("://") else {
        return value;
    };
    // Credentials stand before the @, and in the query.
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let query = if query.is_empty() { "" } else { "?(not shown)" };
    format!("{scheme}://{host}{path}{query}")
}

/// Text without what would end a comment.
pub(super) fn one_line(text: &str) -> String {
    let character = |c: char| if c.is_control() { ' ' } else { c };
    text.trim_end().chars().map(character).collect()
}

fn is_yes(version: Version, text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    match version {
        _ if is("yes") => Some(true),
        _ if is("no") => Some(false),
        Version::V2_4 if is("y") || text == "1" => Some(true),
        _ => None,
    }
}

fn is_unlimited(text: &str) -> bool {
    matches!(text, "unlimited" | "infinite")
}

/// As C's `%i` reads: octal and hexadecimal too, and whatever follows is left alone.
fn scanned(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let end = digits
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(digits.len());
    let number = u64::from_str_radix(&digits[..end], radix).ok()?;
    i32::try_from(number).is_ok().then_some(number)
}

/// `5 s`, `500ms`, `1 hour`; nought needs no unit.
fn interval(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let unit = text[end..].trim_start_matches(' ').to_ascii_lowercase();
    // Any beginning of these names is one of them.
    let names: [(&[&str], u64); 6] = [
        (&["secs", "seconds"], 1_000),
        (&["mins", "minutes"], 60_000),
        (&["msecs", "mseconds", "millisecs", "milliseconds"], 1),
        (&["hours"], 3_600_000),
        (&["days"], 86_400_000),
        (&["weeks"], 604_800_000),
    ];
    if unit.is_empty() {
        return (number == 0).then_some(0);
    }
    let is_meant = |names: &&[&str]| names.iter().any(|name| name.starts_with(&*unit));
    let (_, factor) = names.iter().find(|(names, _)| is_meant(names))?;
    let milliseconds = number.checked_mul(*factor)?;
    u32::try_from(milliseconds).is_ok().then_some(milliseconds)
}
