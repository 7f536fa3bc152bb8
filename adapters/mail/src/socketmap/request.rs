//! One request: a map's name and a key in a netstring.

use super::Error;

/// Longest payload in bytes: a map's name and an address, which has 320 at most (RFC 5321 section 4.5.3.1),
/// with room for what is no address. Postfix's own bound on answers is 100,000.
pub(super) const MAX_PAYLOAD: usize = 1024;

/// Longest netstring around it: four digits, a colon and a comma.
pub(super) const MAX_NETSTRING: usize = 4 + 1 + MAX_PAYLOAD + 1;

/// The maps that there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Map {
    /// Whether mail for an address can be delivered.
    Mailbox,
    /// Where mail for an address goes instead.
    Alias,
    /// Who may send in the name of an address.
    SenderLogin,
    /// Whether anybody has an address in a domain.
    Domain,
}

/// A request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Request<'r> {
    /// Look this up.
    Lookup {
        /// Where.
        map: Map,
        /// What: an address, or a domain; `None` if it cannot be anybody's name.
        key: Option<&'r str>,
    },
    /// There is no such map.
    UnknownMap,
}

/// Whole length and payload of the netstring that `bytes` begin with, if it has come whole.
pub(super) fn payload(bytes: &[u8]) -> Result<Option<(usize, &[u8])>, Error> {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (length, rest) = bytes.split_at(digits);
    // Four digits are enough for any request; a number has no zero in front but 0 itself.
    let is_number = digits > 0 && (digits == 1 || length.first() != Some(&b'0'));
    let Some((colon, rest)) = rest.split_first() else {
        let begins_well = digits <= 4 && (digits == 0 || is_number);
        return begins_well.then_some(None).ok_or(Error::NoNetstring);
    };
    if *colon != b':' || !is_number {
        return Err(Error::NoNetstring);
    }
    let length = std::str::from_utf8(length)
        .ok()
        .and_then(|length| length.parse().ok());
    let length: usize = length.unwrap_or(usize::MAX);
    if length > MAX_PAYLOAD {
        return Err(Error::TooLong);
    }
    let Some((payload, [comma, ..])) = rest.split_at_checked(length) else {
        return Ok(None);
    };
    if *comma != b',' {
        return Err(Error::NoNetstring);
    }
    Ok(Some((digits + 1 + length + 1, payload)))
}

impl<'r> Request<'r> {
    // request = map SP key
    pub(super) fn parse(payload: &'r [u8]) -> Self {
        let mut words = payload.splitn(2, |byte| *byte == b' ');
        let map = match words.next() {
            Some(b"mailbox") => Map::Mailbox,
            Some(b"alias") => Map::Alias,
            Some(b"domain") => Map::Domain,
            Some(b"sender_login") => Map::SenderLogin,
            _ => return Self::UnknownMap,
        };
        let key = words.next().and_then(|key| std::str::from_utf8(key).ok());
        let key = key.filter(|key| is_name(key));
        Self::Lookup { map, key }
    }
}

/// `@domain` would be everybody: nobody is.
fn is_name(key: &str) -> bool {
    !key.is_empty() && !key.starts_with('@') && !key.chars().any(char::is_control)
}
