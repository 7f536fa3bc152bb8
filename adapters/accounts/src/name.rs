//! Rules for names and addresses, and which address is a mailbox.
//!
//! A name becomes a folder, a line of a log, a mask of `doveadm kick` and a part of an address. So it is no mask and
//! no path, and nothing in it is invisible. Names are compared without regard to the case of ASCII letters, addresses
//! too; every other letter is itself, so that no letter passes for another.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeSet;
use std::fmt;

use gatepost_core::Identity;

/// Longest name or address in bytes, as of a login.
pub const MAX_NAME: usize = 256;

/// Most addresses of one account.
pub const MAX_ADDRESSES: usize = 100;

/// Why a name or an address is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// It is longer than a login can be.
    #[error("it is longer than {MAX_NAME} bytes")]
    TooLong,
    /// As a mask it would mean others as well.
    #[error("it contains * or ?, which are masks")]
    Mask,
    /// It would be a path.
    #[error("it contains a slash, or is dots alone, which makes a path")]
    Path,
    /// It has characters that nobody sees, or that turn others around.
    #[error("it contains control, invisible or direction characters")]
    Invisible,
    /// A blank is at its beginning or end, or anywhere in an address.
    #[error("it begins or ends with a blank")]
    Blank,
    /// It is not a plain address.
    #[error("it is not an address like name@domain without quotes")]
    NoAddress,
    /// Mail servers would take it for something else.
    #[error(
        "it begins with - or ~, or contains |, ! or %, which mail servers take for options, homes, commands and routes"
    )]
    Routed,
    /// Mail servers would take two spellings of it for two.
    #[error(
        "it contains a capital letter other than A to Z, whose case mail servers do not pass over; write it small"
    )]
    Capital,
    /// There are too many.
    #[error("an account has at most {MAX_ADDRESSES} addresses")]
    TooMany,
}

/// `text` as it is compared: its ASCII letters in lower case.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|c| c.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// Judges a user name, which need not be an address.
///
/// # Errors
/// [`NameError`]: the first rule that it breaks.
pub fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > MAX_NAME {
        return Err(NameError::TooLong);
    }
    name.chars().try_for_each(character)?;
    if name.bytes().all(|c| c == b'.') {
        return Err(NameError::Path);
    }
    if name.starts_with(' ') || name.ends_with(' ') {
        return Err(NameError::Blank);
    }
    Ok(())
}

/// Judges a group's name, which becomes no path and no mask: only what turns a line of text into another is refused.
///
/// # Errors
/// [`NameError`]: the first rule that it breaks.
pub fn check_label(name: &str) -> Result<(), NameError> {
    if name.trim().is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > MAX_NAME {
        return Err(NameError::TooLong);
    }
    let is_odd = |c: char| {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
    };
    if name.chars().any(is_odd) {
        return Err(NameError::Invisible);
    }
    Ok(())
}

fn character(c: char) -> Result<(), NameError> {
    match c {
        '*' | '?' => Err(NameError::Mask),
        '/' => Err(NameError::Path),
        _ if is_visible(c) => Ok(()),
        _ => Err(NameError::Invisible),
    }
}

/// Whether people see a character, blanks among text counted, and it turns no others around.
pub(crate) fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_control();
    }
    // A letter in front of it, since a mark needs one.
    let mut pair = [b'a', 0, 0, 0, 0];
    let length = pair
        .get_mut(1..)
        .map_or(0, |rest| c.encode_utf8(rest).len());
    let pair = pair.get(..=length).unwrap_or_default();
    std::str::from_utf8(pair).is_ok_and(Identity::is_user_name)
}

/// A mail address that can be a login: `local@domain` without quotes, its ASCII letters in lower case.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address(Box<str>);

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`NameError`]: the first rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(text)?;
        if text.contains(' ') {
            return Err(NameError::Blank);
        }
        if !text.contains('@') || !Identity::is_user_name(text) {
            return Err(NameError::NoAddress);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        domain(&self.0)
    }

    /// Judges an address that somebody is to have from now on: case is passed over in ASCII alone, so no two that differ
    /// in the case of another letter may exist; and Postfix refuses a `-` at the beginning (`allow_min_user`), and routes
    /// by `!` and `%` (`swap_bangpath`, `allow_percent_hack`).
    ///
    /// # Errors
    /// [`NameError::Routed`], [`NameError::Capital`].
    pub fn check_new(&self) -> Result<(), NameError> {
        if self.0.starts_with(['-', '~']) || self.0.contains(['|', '!', '%']) {
            return Err(NameError::Routed);
        }
        let is_small = |c: char| c.is_ascii() || c.to_lowercase().eq([c]);
        let is_small = self.0.chars().all(is_small);
        is_small.then_some(()).ok_or(NameError::Capital)
    }
}

impl Borrow<str> for Address {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What follows the last `@` of `text`; nothing where there is none.
#[must_use]
pub fn domain(text: &str) -> &str {
    text.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Mail domains, written in any case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Domains(BTreeSet<String>);

impl<S: AsRef<str>> FromIterator<S> for Domains {
    fn from_iter<I: IntoIterator<Item = S>>(domains: I) -> Self {
        let domains = domains.into_iter();
        Self(
            domains
                .map(|one| one.as_ref().to_ascii_lowercase())
                .collect(),
        )
    }
}

impl Domains {
    /// Whether `domain` is one of them.
    #[must_use]
    pub fn contains(&self, domain: &str) -> bool {
        self.0.contains(&*fold(domain))
    }

    /// All of them, in lower case and in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `text` looks like an address in one of them, well made or not.
    fn claims(&self, text: &str) -> bool {
        self.contains(domain(text).trim())
    }
}

/// An e-mail address as a source tells it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Email<'e> {
    /// The address.
    pub value: &'e str,
    /// Whether the source prefers it.
    pub is_primary: bool,
    /// Whether it is of the type `work`.
    pub is_work: bool,
}

/// An address in our domains that cannot be one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} cannot be an address here: {why}")]
pub struct Unusable {
    /// The address as it came.
    pub text: String,
    /// What is wrong with it.
    pub why: NameError,
}

/// An account's mailbox, and its other addresses in our domains.
///
/// The mailbox is the user name, if that is an address in `ours`; else the primary e-mail address there; else the first
/// of the type `work`; else the first. An address elsewhere is nothing here: nothing is relayed for it.
///
/// # Errors
/// [`Unusable`]: one of our domains is behind something that cannot be an address.
pub fn mailbox_and_aliases(
    user_name: &str,
    emails: &[Email<'_>],
    ours: &Domains,
) -> Result<(Option<Address>, Vec<Address>), Unusable> {
    let mut addresses = ranked(user_name, emails, ours, Err)?.into_iter();
    Ok((addresses.next(), addresses.collect()))
}

/// As [`mailbox_and_aliases`], the mailbox first; what cannot be an address is left out, and so are those beyond
/// [`MAX_ADDRESSES`].
#[must_use]
pub fn usable_addresses(user_name: &str, emails: &[Email<'_>], ours: &Domains) -> Vec<Address> {
    ranked(user_name, emails, ours, |_| Ok(())).unwrap_or_default()
}

/// The addresses in our domains, the best first; what cannot be one is `refused`.
fn ranked(
    user_name: &str,
    emails: &[Email<'_>],
    ours: &Domains,
    refused: impl Fn(Unusable) -> Result<(), Unusable>,
) -> Result<Vec<Address>, Unusable> {
    let emails = emails.iter().map(|email| {
        let rank = match (email.is_primary, email.is_work) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        (rank, email.value)
    });
    let mut ranked = Vec::new();
    let all = std::iter::once((0, user_name)).chain(emails);
    for (rank, text) in all.filter(|(_, text)| ours.claims(text)) {
        let unusable = |why| Unusable {
            text: text.chars().take(MAX_NAME).collect(),
            why,
        };
        let address = match Address::parse(text) {
            Ok(address) => address,
            Err(why) => {
                refused(unusable(why))?;
                continue;
            }
        };
        let is_full = ranked.len() >= MAX_ADDRESSES;
        match ranked.iter_mut().find(|(_, known)| *known == address) {
            Some((known, _)) => *known = rank.min(*known),
            None if is_full => refused(unusable(NameError::TooMany))?,
            None => ranked.push((rank, address)),
        }
    }
    // The sort keeps the order of equals: the first of the best is the mailbox.
    ranked.sort_by_key(|(rank, _)| *rank);
    Ok(ranked.into_iter().map(|(_, address)| address).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_mask_no_path_and_visible() {
        for name in [
            "DOMAIN\\alice",
            "alice",
            "Alice Smith",
            "alice@example.org",
            "a.b",
            "\u{5d0}\u{5d1}",
            "x\u{301}",
            "...a",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for (name, why) in [
            ("", NameError::Empty),
            ("*", NameError::Mask),
            ("alice?", NameError::Mask),
            ("../../etc", NameError::Path),
            (".", NameError::Path),
            ("...", NameError::Path),
            ("a\0b", NameError::Invisible),
            ("a\r\nb", NameError::Invisible),
            ("\u{202e}ecila", NameError::Invisible),
            ("a\u{200b}", NameError::Invisible),
            ("a\u{a0}b", NameError::Invisible),
            (" alice", NameError::Blank),
            ("alice ", NameError::Blank),
        ] {
            assert_eq!(check(name), Err(why), "{name:?}");
        }
        assert_eq!(check(&"a".repeat(MAX_NAME)), Ok(()));
        assert_eq!(check(&"a".repeat(MAX_NAME + 1)), Err(NameError::TooLong));
    }

    #[test]
    fn a_group_s_name_is_one_line_of_text() {
        for name in ["/staff/admins", "Sales, *", "a?", "\u{2764}\u{fe0f} team"] {
            assert_eq!(check_label(name), Ok(()), "{name}");
        }
        for (name, why) in [
            ("", NameError::Empty),
            ("  ", NameError::Empty),
            ("a\nb", NameError::Invisible),
            ("a\u{202e}b", NameError::Invisible),
            ("a\u{2028}b", NameError::Invisible),
        ] {
            assert_eq!(check_label(name), Err(why), "{name:?}");
        }
        assert_eq!(
            check_label(&"a".repeat(MAX_NAME + 1)),
            Err(NameError::TooLong)
        );
    }

    #[test]
    fn an_address_is_plain_and_in_lower_case() {
        let address = Address::parse("Alice+Tag@Example.ORG").unwrap();
        assert_eq!(address.as_str(), "alice+tag@example.org");
        assert_eq!(address.domain(), "example.org");
        for (text, why) in [
            ("alice", NameError::NoAddress),
            ("@example.org", NameError::NoAddress),
            ("alice@", NameError::NoAddress),
            ("a@b@c", NameError::NoAddress),
            (".a@b", NameError::NoAddress),
            ("\"a\"@b", NameError::NoAddress),
            ("a <b@c>", NameError::Blank),
            ("*@example.org", NameError::Mask),
            ("../a@example.org", NameError::Path),
        ] {
            assert_eq!(Address::parse(text), Err(why), "{text}");
        }
    }

    /// The mailbox and the aliases, of e-mail addresses that `!` marks as primary and `#` as work.
    #[track_caller]
    fn check_mailbox(user_name: &str, emails: &[&'static str], expected: &[&str]) {
        let read = |text: &&'static str| Email {
            value: text.trim_end_matches(['!', '#']),
            is_primary: text.contains('!'),
            is_work: text.contains('#'),
        };
        let emails: Vec<_> = emails.iter().map(read).collect();
        let ours: Domains = ["Example.org", "example.net"].into_iter().collect();
        let (mailbox, aliases) = mailbox_and_aliases(user_name, &emails, &ours).unwrap();
        let found: Vec<_> = mailbox
            .iter()
            .chain(&aliases)
            .map(Address::as_str)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_mailbox_is_the_user_name_or_the_primary_or_work_or_first_address_of_ours() {
        check_mailbox(
            "A@Example.ORG",
            &["b@example.org!", "a@example.org"],
            &["a@example.org", "b@example.org"],
        );
        check_mailbox(
            "alice",
            &["a@example.org", "b@example.org#", "c@example.net!"],
            &["c@example.net", "b@example.org", "a@example.org"],
        );
        check_mailbox(
            "alice@elsewhere.example",
            &["x@gmail.example!", "a@example.org", "b@example.org#"],
            &["b@example.org", "a@example.org"],
        );
        check_mailbox(
            "alice",
            &["a@example.org", "b@example.org", "A@example.org!"],
            &["a@example.org", "b@example.org"],
        );
        check_mailbox(
            "alice",
            &["a@sub.example.org", "a@example.org.evil", "?"],
            &[],
        );
    }

    #[test]
    fn what_is_no_address_is_refused_where_it_claims_one_of_our_domains() {
        let ours: Domains = ["example.org"].into_iter().collect();
        for text in [
            "*@example.org",
            "a b@example.org",
            "a@example.org ",
            "@example.org",
        ] {
            let email = Email {
                value: text,
                is_primary: false,
                is_work: false,
            };
            assert!(
                mailbox_and_aliases("alice", &[email], &ours).is_err(),
                "{text}"
            );
            assert!(mailbox_and_aliases(text, &[], &ours).is_err(), "{text}");
        }
        let many: Vec<String> = (0..=MAX_ADDRESSES)
            .map(|n| format!("a{n}@example.org"))
            .collect();
        let many: Vec<_> = many
            .iter()
            .map(|value| Email {
                value,
                is_primary: false,
                is_work: false,
            })
            .collect();
        let refused = mailbox_and_aliases("alice", &many, &ours).unwrap_err();
        assert_eq!(refused.why, NameError::TooMany);
    }
}
