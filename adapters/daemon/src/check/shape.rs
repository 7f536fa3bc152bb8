//! What somebody pasted where a token is wanted, told by its shape alone.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_core::crypto::Algorithm;

use super::claims::part;

/// The shape of what was pasted, where it is not that of a whole token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// A file of UTF-16, or of UTF-8 with a byte order mark, as Windows writes them.
    Encoding,
    /// The JSON answer of a token endpoint.
    Answer,
    /// Other JSON.
    Json,
    /// A header line, or its value.
    Header,
    Quoted,
    /// A JWT a line.
    Several,
    LineBreak,
    Space,
    /// A JWT whose beginning was not copied.
    NoBeginning,
    /// A JWT that ends within its header.
    OnePart,
    /// A JWT that ends within its payload.
    TwoParts,
    EmptySignature,
    /// A signature that is shorter than any of its algorithm.
    ShortSignature,
    /// A page or a log has left out the rest.
    Ellipsis,
}

impl Shape {
    /// `None` for a whole JWT, and for whatever may be an opaque token.
    pub(super) fn of(pasted: &str) -> Option<Self> {
        if pasted.contains('\0') || pasted.starts_with('\u{feff}') {
            return Some(Self::Encoding);
        }
        let text = pasted.trim();
        if text.starts_with(['{', '[']) {
            let is_answer = text.contains("\"access_token\"");
            return Some(if is_answer { Self::Answer } else { Self::Json });
        }
        let start = text.get(..14).unwrap_or(text).to_ascii_lowercase();
        if start.starts_with("bearer ") || start.starts_with("authorization:") {
            return Some(Self::Header);
        }
        if text.starts_with(['"', '\'', '`']) || text.ends_with(['"', '\'', '`']) {
            return Some(Self::Quoted);
        }
        if has_several(text) {
            return Some(Self::Several);
        }
        if text.contains(['\n', '\r']) {
            return Some(Self::LineBreak);
        }
        if text.contains(char::is_whitespace) {
            return Some(Self::Space);
        }
        if text.ends_with("..") || text.ends_with('…') {
            return Some(Self::Ellipsis);
        }
        Self::of_parts(&text.split('.').collect::<Vec<_>>())
    }

    fn of_parts(parts: &[&str]) -> Option<Self> {
        match *parts {
            [header] if is_object(header) => Some(Self::OnePart),
            [header, _] if is_object(header) => Some(Self::TwoParts),
            [header, payload, _] if !is_object(header) && is_object(payload) => {
                Some(Self::NoBeginning)
            }
            [header, _, ""] if is_object(header) => Some(Self::EmptySignature),
            [header, _, signature] if is_short(header, signature) => Some(Self::ShortSignature),
            _ => None,
        }
    }

    /// Whether it tells more than that the text is too long.
    pub(super) const fn explains_length(self) -> bool {
        matches!(self, Self::Answer | Self::Json | Self::Several)
    }

    /// What to do about it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Encoding => {
                "the file is UTF-16, or begins with a byte order mark: save it as UTF-8 without one"
            }
            Self::Answer => "this is the JSON answer: paste the value of access_token",
            Self::Json => "this is JSON that holds no access_token: paste the access token alone",
            Self::Header => "leave out the word Bearer and what stands before it",
            Self::Quoted => "paste the token without the quotes around it",
            Self::Several => {
                "these are several tokens: give one, or have each line judged by `gatepost check --lines`"
            }
            Self::LineBreak => {
                "there is a line break inside the token: paste it as one line, or pass it in a file"
            }
            Self::Space => "there is a space inside the token: copy it again without",
            Self::NoBeginning => "its beginning is missing: copy the whole token",
            Self::OnePart => {
                "all that follows its first part is missing: it was cut off; copy the whole token"
            }
            Self::TwoParts => {
                "its third part is missing: it was cut off; copy the whole token, or pass it in a file \
                 (terminals take 4,095 characters a line)"
            }
            Self::EmptySignature => {
                "its third part is empty: copy the whole token, with its signature"
            }
            Self::ShortSignature => {
                "its signature is too short: it was cut off; copy the whole token"
            }
            Self::Ellipsis => "it was cut off where it was shown: copy it from where it is whole",
        }
    }
}

/// Whether more than one line is a whole JWT.
fn has_several(text: &str) -> bool {
    let is_jwt = |line: &&str| {
        let parts: Vec<&str> = line.trim().split('.').collect();
        matches!(*parts, [header, payload, _] if is_object(header) && is_object(payload))
    };
    text.lines().filter(is_jwt).nth(1).is_some()
}

/// Whether base64url text begins as an object does.
fn is_object(part: &str) -> bool {
    let start = part
        .get(..4)
        .and_then(|start| URL_SAFE_NO_PAD.decode(start).ok());
    start.is_some_and(|start| start.first() == Some(&b'{'))
}

/// Whether a signature is shorter than its algorithm makes them (RFC 7518 section 3, RFC 8037).
fn is_short(header: &str, signature: &str) -> bool {
    let header = part(header, 0).unwrap_or_default();
    let Some(algorithm) = header["alg"].as_str().and_then(Algorithm::from_name) else {
        return false;
    };
    let least = match algorithm.name() {
        "HS256" => 32,
        "HS384" => 48,
        "ES384" => 96,
        "ES512" => 132,
        name if name.starts_with("RS") || name.starts_with("PS") => 256,
        _ => 64,
    };
    signature.len() * 3 / 4 < least
}
