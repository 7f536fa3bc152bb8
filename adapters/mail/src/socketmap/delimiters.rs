//! Extensions of addresses, which Postfix takes off parts of what it looks up in other tables.

use std::str::FromStr;

/// Characters that an extension begins with in the local part of an address (Postfix: `recipient_delimiter`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delimiters(String);

/// What are no delimiters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "write the characters that an extension may begin with, as in \"+\" or \"+-\", or \"\" for none"
)]
pub struct DelimitersError;

impl Default for Delimiters {
    fn default() -> Self {
        Self("+".to_owned())
    }
}

impl FromStr for Delimiters {
    type Err = DelimitersError;

    fn from_str(text: &str) -> Result<Self, DelimitersError> {
        let is_delimiter = |c: char| c.is_ascii_punctuation() && !"@/\\:\"".contains(c);
        if text.chars().all(is_delimiter) {
            return Ok(Self(text.to_owned()));
        }
        Err(DelimitersError)
    }
}

impl Delimiters {
    /// `address` without its extension, if it has one: as Postfix's `split_addr`, never without a local part, and
    /// not of names that only look as if they had one where `-` is a delimiter.
    #[must_use]
    pub fn without_extension(&self, address: &str) -> Option<String> {
        let (local, domain) = address.split_at(address.rfind('@').unwrap_or(address.len()));
        let end = local.find(|c| self.0.contains(c)).filter(|end| *end > 0)?;
        let lower = local.to_ascii_lowercase();
        let is_whole = lower.starts_with("owner-")
            || lower.ends_with("-request")
            || ["mailer-daemon", "double-bounce"].contains(&&*lower);
        if self.0.contains('-') && is_whole {
            return None;
        }
        Some(format!("{}{domain}", local.get(..end)?))
    }

    /// What the extensions of `address` begin with. Not all that begins so is one:
    /// [`without_extension`](Self::without_extension) tells.
    pub fn prefixes(&self, address: &str) -> impl Iterator<Item = String> {
        let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
        self.0.chars().map(move |c| format!("{local}{c}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_begins_with_the_first_delimiter_behind_a_name() {
        for (delimiters, address, expected) in [
            ("+", "a+b+c@x", Some("a@x")),
            ("+", "a+@x", Some("a@x")),
            ("+", "a+b", Some("a")),
            ("+", "a@b+c@x", Some("a@b@x")),
            ("+", "+b@x", None),
            ("+", "++b@x", None),
            ("+", "a@x+y", None),
            ("+", "@x", None),
            ("+-", "a-b+c@x", Some("a@x")),
            ("-", "owner-a@x", None),
            ("-", "a-request@x", None),
            ("-", "Mailer-Daemon@x", None),
            ("+", "owner-a+b@x", Some("owner-a@x")),
            ("", "a+b@x", None),
            ("+", "", None),
        ] {
            let expected = expected.map(str::to_owned);
            let delimiters: Delimiters = delimiters.parse().unwrap();
            assert_eq!(delimiters.without_extension(address), expected, "{address}");
        }
        let delimiters: Delimiters = "+-".parse().unwrap();
        let prefixes: Vec<_> = delimiters.prefixes("a@x").collect();
        assert_eq!(prefixes, ["a+", "a-"]);
        for bad in ["@", "a", "/", " ", "\u{e9}", "+\n"] {
            assert_eq!(bad.parse::<Delimiters>(), Err(DelimitersError), "{bad:?}");
        }
    }
}
