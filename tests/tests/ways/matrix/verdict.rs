//! What a server told a client, read from a recording of both.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_tests::tap::Recording;

use super::client::Protocol;

/// How a login ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    LoggedIn,
    /// For good: the client should get another token.
    Refused,
    /// For now: the client should try again with the same one.
    Unavailable,
    /// The client left before.
    Left,
}

/// What was said about a login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Verdict {
    /// The mechanism that the client chose.
    pub(crate) mechanism: String,
    /// How it ended.
    pub(crate) end: End,
    /// The decoded failure challenge, if there was one.
    pub(crate) challenge: Option<String>,
}

impl Verdict {
    /// Reads the last login of a connection; `None` where the client tried none.
    pub(crate) fn read(protocol: Protocol, recording: &Recording) -> Option<Self> {
        let client = String::from_utf8_lossy(&recording.to_server()).into_owned();
        let server = String::from_utf8_lossy(&recording.to_client()).into_owned();
        let (tag, mechanism) = client.lines().find_map(|line| command(protocol, line))?;
        let challenge = server.lines().find_map(|line| challenge(protocol, line));
        let end = server.lines().find_map(|line| match protocol {
            Protocol::Imap => imap(line.strip_prefix(&tag)?.trim_start()),
            Protocol::Pop3 => pop3(line),
            Protocol::Postfix | Protocol::Submission => smtp(line),
        });
        Some(Self {
            mechanism,
            end: end.unwrap_or(End::Left),
            challenge,
        })
    }
}

/// The tag and the mechanism of a command that begins a login.
fn command(protocol: Protocol, line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let tag = match protocol {
        Protocol::Imap => words.next()?,
        _ => "",
    };
    let verb = words.next()?.to_ascii_uppercase();
    let expected = if protocol == Protocol::Imap {
        "AUTHENTICATE"
    } else {
        "AUTH"
    };
    let mechanism = words.next().filter(|_| verb == expected)?;
    Some((tag.to_owned(), mechanism.to_ascii_uppercase()))
}

fn challenge(protocol: Protocol, line: &str) -> Option<String> {
    let prefix = match protocol {
        Protocol::Imap | Protocol::Pop3 => "+ ",
        _ => "334 ",
    };
    let text = STANDARD.decode(line.strip_prefix(prefix)?).ok()?;
    String::from_utf8(text).ok().filter(|text| !text.is_empty())
}

fn imap(status: &str) -> Option<End> {
    let (status, text) = status.split_once(' ')?;
    Some(match (status, text.split(' ').next()?) {
        ("OK", _) => End::LoggedIn,
        // The second one where the token is good, but another's (RFC 5530).
        ("NO", "[AUTHENTICATIONFAILED]" | "[AUTHORIZATIONFAILED]") => End::Refused,
        ("NO", _) => End::Unavailable,
        _ => return None,
    })
}

fn pop3(line: &str) -> Option<End> {
    Some(match line {
        "+OK Logged in." => End::LoggedIn,
        _ if line.starts_with("-ERR [AUTH]") => End::Refused,
        _ if line.starts_with("-ERR") => End::Unavailable,
        _ => return None,
    })
}

fn smtp(line: &str) -> Option<End> {
    Some(match line.get(..3)? {
        "235" => End::LoggedIn,
        "535" => End::Refused,
        "454" => End::Unavailable,
        _ => return None,
    })
}

/// As it stands in a table.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.end {
            End::LoggedIn => "in",
            End::Refused => "no",
            End::Unavailable => "later",
            End::Left => "left",
        };
        let challenge = if self.challenge.is_some() { "+" } else { "" };
        f.pad(&format!("{end}{challenge}"))
    }
}
