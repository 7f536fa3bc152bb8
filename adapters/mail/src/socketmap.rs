//! Postfix's socketmap protocol, the server's side: a map's name and a key in a netstring, and what the map
//! says in another (`socketmap_table(5)`).
//!
//! There are two maps, both of which ask for a user: `mailbox`, for `virtual_mailbox_maps`, says whether there
//! is one of that name; `sender_login`, for `smtpd_sender_login_maps`, whose address it is, which is its own
//! user's.
//!
//! Postfix asks about whole addresses only, not about parts of them as of other tables: what follows a recipient
//! delimiter is taken off here.

use std::str::FromStr;

/// Longest request in bytes: a map's name and an address, which has 320 at most (RFC 5321 section 4.5.3.1),
/// with room for what is no address. Postfix's own bound on answers is 100,000.
const MAX_REQUEST: usize = 1024;

/// The maps that there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Map {
    /// Whether mail for an address can be delivered.
    Mailbox,
    /// Who may send in the name of an address.
    SenderLogin,
}

/// A request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// Look this up.
    Lookup {
        /// Where.
        map: Map,
        /// What: an address.
        key: String,
    },
    /// There is no such map.
    UnknownMap,
    /// The key cannot be anybody's name.
    NoName,
}

/// What a client did that leaves nothing but closing its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketmapError {
    /// What came is no netstring: `length:bytes,`.
    #[error("a request that is no netstring")]
    NoNetstring,
    /// The request is longer than any address.
    #[error("a request of more than {MAX_REQUEST} bytes")]
    TooLong,
}

/// What is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reply<'r> {
    /// What the map has there.
    Found(&'r str),
    /// The map has nothing there.
    NotFound,
    /// It cannot be told now: Postfix lets the mail come again.
    Temporary(&'static str),
    /// It can never be told.
    Permanent(&'static str),
}

impl Reply<'_> {
    /// Adds the answer.
    pub fn write(self, out: &mut Vec<u8>) {
        let (word, text) = match self {
            Reply::Found(value) => ("OK", value),
            Reply::NotFound => ("NOTFOUND", ""),
            Reply::Temporary(why) => ("TEMP", why),
            Reply::Permanent(why) => ("PERM", why),
        };
        let length = word.len() + 1 + text.len();
        out.extend_from_slice(format!("{length}:{word} {text},").as_bytes());
    }
}

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
}

/// What has been read of one client.
#[derive(Default)]
pub struct Requests {
    bytes: Vec<u8>,
}

impl Requests {
    /// Takes what has been read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a request has begun and not ended.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The next request, if it has come whole.
    ///
    /// # Errors
    /// [`SocketmapError`]: close the connection.
    pub fn next_request(&mut self) -> Result<Option<Request>, SocketmapError> {
        let Some(payload) = payload(&self.bytes)? else {
            return Ok(None);
        };
        let request = request(payload.1);
        let used = payload.0;
        self.bytes.drain(..used);
        Ok(Some(request))
    }
}

/// Whole length and payload of the netstring that `bytes` begin with, if it has come whole.
fn payload(bytes: &[u8]) -> Result<Option<(usize, &[u8])>, SocketmapError> {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (length, rest) = bytes.split_at(digits);
    // Four digits are enough for any request; a number has no zero in front but 0 itself.
    let is_number = digits > 0 && (digits == 1 || length.first() != Some(&b'0'));
    let Some((colon, rest)) = rest.split_first() else {
        let begins_well = digits <= 4 && (digits == 0 || is_number);
        return begins_well
            .then_some(None)
            .ok_or(SocketmapError::NoNetstring);
    };
    if *colon != b':' || !is_number {
        return Err(SocketmapError::NoNetstring);
    }
    let length = std::str::from_utf8(length)
        .ok()
        .and_then(|length| length.parse().ok());
    let length: usize = length.unwrap_or(usize::MAX);
    if length > MAX_REQUEST {
        return Err(SocketmapError::TooLong);
    }
    let Some((payload, [comma, ..])) = rest.split_at_checked(length) else {
        return Ok(None);
    };
    if *comma != b',' {
        return Err(SocketmapError::NoNetstring);
    }
    Ok(Some((digits + 1 + length + 1, payload)))
}

fn request(payload: &[u8]) -> Request {
    let mut words = payload.splitn(2, |byte| *byte == b' ');
    let map = match words.next() {
        Some(b"mailbox") => Map::Mailbox,
        Some(b"sender_login") => Map::SenderLogin,
        _ => return Request::UnknownMap,
    };
    let key = words.next().and_then(|key| std::str::from_utf8(key).ok());
    match key.filter(|key| is_name(key)) {
        Some(key) => Request::Lookup {
            map,
            key: key.to_owned(),
        },
        None => Request::NoName,
    }
}

/// `@domain` would be everybody: nobody is.
fn is_name(key: &str) -> bool {
    !key.is_empty() && !key.starts_with('@') && !key.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of `text`, whole and byte by byte.
    #[track_caller]
    fn check(text: &[u8], expected: &Result<Vec<Request>, SocketmapError>) {
        for size in [1, usize::MAX] {
            let mut requests = Requests::default();
            let mut seen = Ok(Vec::new());
            for piece in text.chunks(size) {
                requests.push(piece);
                while let Ok(known) = &mut seen {
                    match requests.next_request() {
                        Ok(Some(request)) => known.push(request),
                        Ok(None) => break,
                        Err(error) => seen = Err(error),
                    }
                }
            }
            assert_eq!(&seen, expected, "{}", String::from_utf8_lossy(text));
        }
    }

    fn lookup(map: Map, key: &str) -> Request {
        let key = key.to_owned();
        Request::Lookup { map, key }
    }

    #[test]
    fn requests_name_a_map_and_a_key_and_may_follow_each_other() {
        let mailbox = lookup(Map::Mailbox, "alice@example.com");
        check(b"25:mailbox alice@example.com,", &Ok(vec![mailbox.clone()]));
        let sender = lookup(Map::SenderLogin, "a b");
        check(
            b"25:mailbox alice@example.com,16:sender_login a b,12:mailbox",
            &Ok(vec![mailbox, sender]),
        );
    }

    #[test]
    fn a_key_that_is_nobody_s_name_is_told_apart() {
        for key in ["@example.com", "", "a\0b", "a\tb"] {
            let text = format!("{}:mailbox {key},", key.len() + 8);
            check(text.as_bytes(), &Ok(vec![Request::NoName]));
        }
        check(b"9:mailbox \xff,", &Ok(vec![Request::NoName]));
        check(b"7:mailbox,", &Ok(vec![Request::NoName]));
    }

    #[test]
    fn there_are_no_other_maps() {
        for text in [&b"0:,"[..], b"3:a b,", b"9:Mailbox a,", b"1: ,"] {
            check(text, &Ok(vec![Request::UnknownMap]));
        }
    }

    #[test]
    fn what_is_no_netstring_is_an_error() {
        for text in [
            &b"GET / HTTP/1.1"[..],
            b":mailbox a,",
            b"-1:x,",
            b"01:x,",
            b"00:,",
            b"9 :mailbox a,",
            b"9:mailbox a;",
            b"9:mailbox a\n",
            b"3:mailbox a,",
            b"99999",
            b"\0",
        ] {
            check(text, &Err(SocketmapError::NoNetstring));
        }
    }

    #[test]
    fn a_request_may_be_as_long_as_an_address_and_not_much_longer() {
        let key = "a".repeat(MAX_REQUEST - 8);
        let longest = format!("{MAX_REQUEST}:mailbox {key},");
        check(longest.as_bytes(), &Ok(vec![lookup(Map::Mailbox, &key)]));
        check(b"1025:", &Err(SocketmapError::TooLong));
        check(b"9999:", &Err(SocketmapError::TooLong));
    }

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
        for bad in ["@", "a", "/", " ", "\u{e9}", "+\n"] {
            assert_eq!(bad.parse::<Delimiters>(), Err(DelimitersError), "{bad:?}");
        }
    }

    #[test]
    fn answers_are_netstrings() {
        let mut out = Vec::new();
        Reply::Found("a@b").write(&mut out);
        Reply::NotFound.write(&mut out);
        Reply::Temporary("later").write(&mut out);
        Reply::Permanent("never").write(&mut out);
        assert_eq!(out, b"6:OK a@b,9:NOTFOUND ,10:TEMP later,10:PERM never,");
    }
}
