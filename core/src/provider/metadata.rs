//! A provider's metadata: `OpenID` Connect Discovery 1.0 section 4, RFC 8414.

use core::fmt::{self, Write};

use crate::wire::json::{Excerpt, Object, Value, Wanted};

/// Longest URL out of metadata, in bytes.
const MAX_URL: usize = 512;

/// Longest name of a member that is looked at, in bytes: `introspection_endpoint`.
const MAX_NAME: usize = 22;

/// A URL out of metadata.
pub type Url = heapless::String<MAX_URL>;

/// Where a provider's keys and endpoints are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Metadata {
    /// `jwks_uri`.
    pub key_set: Option<Url>,
    /// `introspection_endpoint`.
    pub introspection: Option<Url>,
    /// `userinfo_endpoint`.
    pub userinfo: Option<Url>,
    /// `token_endpoint`.
    pub token: Option<Url>,
    /// Members that are there and cannot be used, each once.
    pub left_out: heapless::Vec<LeftOut, 4>,
}

/// A member of metadata that says where something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is named after its member")]
pub enum MetadataMember {
    JwksUri,
    IntrospectionEndpoint,
    UserinfoEndpoint,
    TokenEndpoint,
}

impl MetadataMember {
    /// The member's name in the object.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JwksUri => "jwks_uri",
            Self::IntrospectionEndpoint => "introspection_endpoint",
            Self::UserinfoEndpoint => "userinfo_endpoint",
            Self::TokenEndpoint => "token_endpoint",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "jwks_uri" => Self::JwksUri,
            "introspection_endpoint" => Self::IntrospectionEndpoint,
            "userinfo_endpoint" => Self::UserinfoEndpoint,
            "token_endpoint" => Self::TokenEndpoint,
            _ => return None,
        })
    }
}

/// A member of metadata that is there and cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// Which.
    pub member: MetadataMember,
    /// What is wrong with it.
    pub fault: UrlFault,
}

/// What is wrong with a URL out of metadata.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UrlFault {
    /// It is `null`.
    Null,
    /// It is no string.
    Type,
    /// It is empty.
    Empty,
    /// It is longer than [`Url`] holds.
    TooLong,
    /// It is `http:`, and the metadata were not fetched that way.
    Unprotected,
    /// It is no `https:` URL with a host.
    NotHttps,
    /// It holds a space or another character that could end a request line.
    Character,
    /// The member occurs twice: two readers could read it differently.
    Repeated,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let predicate = match self.fault {
            UrlFault::Null => "is null",
            UrlFault::Type => "is not a string",
            UrlFault::Empty => "is empty",
            UrlFault::TooLong => {
                return write!(f, "{} is longer than {MAX_URL} bytes", self.member.name());
            }
            UrlFault::Unprotected => "is plain http, unlike the metadata's own URL",
            UrlFault::NotHttps => "is not an https URL",
            UrlFault::Character => "holds a space or a character that no URL has",
            UrlFault::Repeated => "occurs twice",
        };
        write!(f, "{} {predicate}", self.member.name())
    }
}

/// Why metadata cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MetadataError {
    /// Not one JSON object, or `issuer` is no string, or occurs twice.
    Malformed,
    /// `issuer` is missing.
    MissingIssuer,
    /// `issuer` is another one than was asked (RFC 8414 section 3.3): compared byte for byte.
    WrongIssuer,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "The metadata are not one JSON object with one issuer",
            Self::MissingIssuer => "The metadata name no issuer",
            Self::WrongIssuer => "The metadata name another issuer",
        })
    }
}

impl core::error::Error for MetadataError {}

impl Metadata {
    /// Reads the metadata of `issuer`, fetched from where its standards say.
    ///
    /// URLs are `https:`, unless the issuer's own is not. One that cannot be used is
    /// [left out](Self::left_out), and so is no other. Members that are not read may be anything.
    ///
    /// # Errors
    /// Why nothing of it can be used.
    pub fn parse(issuer: &str, body: &[u8]) -> Result<Self, MetadataError> {
        Self::parse_from(issuer, issuer, body)
    }

    /// As [`parse`](Self::parse), for metadata that were fetched from `url`: other URLs are as protected as
    /// that one.
    ///
    /// # Errors
    /// Why nothing of it can be used.
    pub fn parse_from(url: &str, issuer: &str, body: &[u8]) -> Result<Self, MetadataError> {
        let is_plain = url.starts_with("http://");
        let mut metadata = Self::default();
        let mut found = None;
        let mut seen: heapless::Vec<MetadataMember, 4> = heapless::Vec::new();
        let object = Object::parse(body).map_err(|_| MetadataError::Malformed)?;
        for member in object.members_unchecked() {
            let (name, value) = member.map_err(|_| MetadataError::Malformed)?;
            let name = name.to_string::<MAX_NAME>();
            if name.as_deref() == Some("issuer") {
                if found.replace(value).is_some() {
                    return Err(MetadataError::Malformed);
                }
                continue;
            }
            let Some(member) = name.as_deref().and_then(MetadataMember::from_name) else {
                continue;
            };
            if seen.contains(&member) {
                metadata.take(member, Err(UrlFault::Repeated));
                continue;
            }
            // There is room for each.
            let _ = seen.push(member);
            metadata.take(member, parse_url(is_plain, value));
        }
        let found = found.filter(|issuer| !matches!(issuer, Value::Null));
        let found = found.ok_or(MetadataError::MissingIssuer)?.string();
        if found.map_err(|_| MetadataError::Malformed)? == *issuer {
            Ok(metadata)
        } else {
            Err(MetadataError::WrongIssuer)
        }
    }

    fn take(&mut self, member: MetadataMember, url: Result<Url, UrlFault>) {
        let place = match member {
            MetadataMember::JwksUri => &mut self.key_set,
            MetadataMember::IntrospectionEndpoint => &mut self.introspection,
            MetadataMember::UserinfoEndpoint => &mut self.userinfo,
            MetadataMember::TokenEndpoint => &mut self.token,
        };
        match url {
            Ok(url) => *place = Some(url),
            Err(fault) => {
                *place = None;
                self.left_out.retain(|left_out| left_out.member != member);
                // There is room for each.
                let _ = self.left_out.push(LeftOut { member, fault });
            }
        }
    }
}

/// Gathers what is read of metadata that come in pieces, in a buffer that may be shorter than all of them.
pub struct MetadataReader {
    excerpt: Excerpt,
    is_refused: bool,
}

impl MetadataReader {
    const WANTED: Wanted = Wanted {
        array: None,
        members: &[
            "issuer",
            "jwks_uri",
            "introspection_endpoint",
            "userinfo_endpoint",
            "token_endpoint",
        ],
    };

    /// A reader of one document.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            excerpt: Excerpt::new(&Self::WANTED),
            is_refused: false,
        }
    }

    /// Reads what has come: the first `length` bytes of `buffer`, of which those that stayed the last time are the
    /// first. Returns how many stay: the next ones are to follow them.
    ///
    /// What stays in the end is for [`Metadata::parse`], which refuses it where the document was cut off, was no JSON
    /// object, or what is read of it did not fit the buffer.
    pub fn read(&mut self, buffer: &mut [u8], length: usize) -> usize {
        if self.is_refused {
            return 0;
        }
        let read = self.excerpt.read(buffer, length, |_| ());
        self.is_refused = read.is_err();
        read.unwrap_or(0)
    }
}

impl Default for MetadataReader {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MetadataReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MetadataReader(..)")
    }
}

fn parse_url(may_be_plain: bool, value: Value<'_>) -> Result<Url, UrlFault> {
    let text = match value {
        Value::Null => return Err(UrlFault::Null),
        value => value.string().map_err(|_| UrlFault::Type)?,
    };
    if text.is_empty() {
        return Err(UrlFault::Empty);
    }
    let url: Url = text.to_string().ok_or(UrlFault::TooLong)?;
    // Nothing that could end a request line.
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UrlFault::Character);
    }
    let behind_scheme = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => rest,
        (None, Some(rest)) if may_be_plain => rest,
        (None, Some(_)) => return Err(UrlFault::Unprotected),
        (None, None) => return Err(UrlFault::NotHttps),
    };
    if behind_scheme.is_empty() || behind_scheme.starts_with(['/', '?', '#']) {
        return Err(UrlFault::NotHttps);
    }
    Ok(url)
}

/// What stands for one tenant in the issuer of Microsoft Entra's metadata for several.
const TENANT: &str = "{tenantid}";

/// Where Entra has the metadata of all organizations, whose issuer is the template itself.
const ALL_TENANTS: &str = "organizations";

/// Writes the URL of `issuer`'s metadata by `OpenID` Connect Discovery 1.0 section 4.1.
///
/// `{tenantid}` in the issuer of several tenants becomes `organizations`, where Entra has them.
///
/// # Errors
/// Where `out` has no room.
pub fn write_oidc_url(issuer: &str, out: &mut impl Write) -> fmt::Result {
    write_path(issuer.strip_suffix('/').unwrap_or(issuer), out)?;
    out.write_str("/.well-known/openid-configuration")
}

/// Writes the URL of `issuer`'s metadata by RFC 8414 section 3.1: the well-known part follows the host.
///
/// # Errors
/// Where `out` has no room.
pub fn write_oauth_url(issuer: &str, out: &mut impl Write) -> fmt::Result {
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    let behind_scheme = issuer.find("://").map_or(0, |at| at.saturating_add(3));
    let (scheme, rest) = issuer.split_at_checked(behind_scheme).unwrap_or_default();
    let (host, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
        Some(parts) => parts,
        None => (rest, ""),
    };
    write!(out, "{scheme}{host}/.well-known/oauth-authorization-server")?;
    write_path(path, out)
}

fn write_path(path: &str, out: &mut impl Write) -> fmt::Result {
    match path.split_once(TENANT) {
        Some((before, after)) => write!(out, "{before}{ALL_TENANTS}{after}"),
        None => out.write_str(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    const ISSUER: &str = "https://id.example.com/realms/mail";

    #[test]
    fn endpoints_are_found_whatever_their_escapes() {
        let body = br#"{"issuer":"https:\/\/id.example.com\/realms\/mail","x":[1],
            "jwks_uri":"https:\/\/keys.example.com\/set","userinfo_endpoint":"https://id.example.com/me"}"#;
        let metadata = Metadata::parse(ISSUER, body).unwrap();
        assert_eq!(
            metadata.key_set.as_deref(),
            Some("https://keys.example.com/set")
        );
        assert_eq!(
            metadata.userinfo.as_deref(),
            Some("https://id.example.com/me")
        );
        assert_eq!(metadata.introspection, None);
    }

    #[track_caller]
    fn check(issuer: &str, body: &str, expected: MetadataError) {
        let found = Metadata::parse(issuer, body.as_bytes());
        assert_eq!(found, Err(expected), "{body}");
    }

    #[test]
    fn the_issuer_is_compared_byte_for_byte() {
        for other in [
            "https://id.example.com/realms/mail/",
            "https://ID.example.com/realms/mail",
            "https://id.example.com:443/realms/mail",
            "",
        ] {
            let body = std::format!(r#"{{"issuer":"{other}"}}"#);
            check(ISSUER, &body, MetadataError::WrongIssuer);
        }
        check(ISSUER, "{}", MetadataError::MissingIssuer);
        check(ISSUER, r#"{"issuer":null}"#, MetadataError::MissingIssuer);
        check(ISSUER, "", MetadataError::Malformed);
        check(ISSUER, "[]", MetadataError::Malformed);
        check(ISSUER, r#"{"issuer":7}"#, MetadataError::Malformed);
        let twice = std::format!(r#"{{"issuer":"{ISSUER}","issuer":"{ISSUER}"}}"#);
        check(ISSUER, &twice, MetadataError::Malformed);
    }

    #[test]
    fn urls_are_as_protected_as_the_issuer() {
        let body = |url: &str| std::format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"{url}"}}"#);
        for url in [
            "http://id.example.com/keys",
            "ftp://id.example.com/keys",
            "//id.example.com/keys",
            r"https://id.example.com/keys\r\nX: y",
            "https://id.example.com/k eys",
        ] {
            let metadata = Metadata::parse(ISSUER, body(url).as_bytes()).expect(url);
            assert_eq!(metadata.key_set, None, "{url}");
        }
        let plain = r#"{"issuer":"http://127.0.0.1:1","jwks_uri":"http://127.0.0.1:1/keys"}"#;
        assert!(Metadata::parse("http://127.0.0.1:1", plain.as_bytes()).is_ok());
    }

    // K4: nobody needs every endpoint, and the keys are what logins wait for.
    #[test]
    fn a_bad_endpoint_spoils_no_other() {
        let long = std::format!("\"https://id.example.com/{}\"", "k".repeat(500));
        for bad in [
            r#""http://id.example.com/me""#,
            "null",
            r#""""#,
            "7",
            r#"["https://id.example.com/me"]"#,
            r#""/me""#,
            r#""https:///me""#,
            r#""ftp://id.example.com/me""#,
            r#""https://id.example.com/m\u0000e""#,
            &long,
        ] {
            for (left_out, others) in [
                ("jwks_uri", ["introspection_endpoint", "userinfo_endpoint"]),
                ("introspection_endpoint", ["jwks_uri", "userinfo_endpoint"]),
                ("userinfo_endpoint", ["introspection_endpoint", "jwks_uri"]),
                ("token_endpoint", ["introspection_endpoint", "jwks_uri"]),
            ] {
                let [one, other] =
                    others.map(|name| std::format!(r#""{name}":"https://id.example.com/{name}""#));
                let body =
                    std::format!(r#"{{"{left_out}":{bad},"issuer":"{ISSUER}",{one},{other}}}"#);
                let metadata = Metadata::parse(ISSUER, body.as_bytes()).expect(&body);
                let found = [
                    ("jwks_uri", &metadata.key_set),
                    ("introspection_endpoint", &metadata.introspection),
                    ("userinfo_endpoint", &metadata.userinfo),
                    ("token_endpoint", &metadata.token),
                ];
                for (name, url) in found {
                    let is_good = others.contains(&name);
                    let expected = is_good.then(|| std::format!("https://id.example.com/{name}"));
                    assert_eq!(url.as_deref(), expected.as_deref(), "{body}");
                }
            }
        }
    }

    #[test]
    fn what_is_left_out_is_named_once() {
        let long = std::format!("\"https://id.example.com/{}\"", "k".repeat(500));
        for (bad, fault) in [
            ("null", UrlFault::Null),
            ("7", UrlFault::Type),
            ("{}", UrlFault::Type),
            ("\"\"", UrlFault::Empty),
            (&long, UrlFault::TooLong),
            ("\"http://id.example.com/me\"", UrlFault::Unprotected),
            ("\"ftp://id.example.com/me\"", UrlFault::NotHttps),
            ("\"/me\"", UrlFault::NotHttps),
            ("\"https:///me\"", UrlFault::NotHttps),
            ("\"https://id.example.com/m e\"", UrlFault::Character),
            ("\"https://id.example.com/mé\"", UrlFault::Character),
        ] {
            let body = std::format!(
                r#"{{"issuer":"{ISSUER}","userinfo_endpoint":{bad},"jwks_uri":"https://k/"}}"#
            );
            let metadata = Metadata::parse(ISSUER, body.as_bytes()).unwrap();
            let member = MetadataMember::UserinfoEndpoint;
            assert_eq!(metadata.left_out, [LeftOut { member, fault }], "{body}");
        }
    }

    // Keycloak behind a proxy that it does not know of (K4).
    #[test]
    fn a_provider_that_names_itself_wrongly_inside_is_found_all_the_same() {
        let issuer = "https://id.example.org/realms/m";
        let body = br#"{"issuer":"https://id.example.org/realms/m",
            "jwks_uri":"https://id.example.org/realms/m/protocol/openid-connect/certs",
            "token_endpoint":"http://keycloak:8080/realms/m/protocol/openid-connect/token",
            "introspection_endpoint":null}"#;
        let metadata = Metadata::parse(issuer, body).unwrap();
        assert!(metadata.key_set.is_some());
        let said: std::vec::Vec<String> = metadata
            .left_out
            .iter()
            .map(|left_out| std::format!("{left_out}"))
            .collect();
        let expected = [
            "token_endpoint is plain http, unlike the metadata's own URL",
            "introspection_endpoint is null",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn an_endpoint_that_occurs_twice_is_left_out() {
        for (one, other) in [
            ("\"https://a/\"", "\"https://b/\""),
            ("\"https://a/\"", "\"https://a/\""),
            ("null", "\"https://b/\""),
            ("\"https://a/\"", "null"),
        ] {
            let body = std::format!(
                r#"{{"token_endpoint":{one},"issuer":"{ISSUER}","token_\u0065ndpoint":{other},
                    "token_endpoint":{one},"jwks_uri":"https://k/"}}"#
            );
            let metadata = Metadata::parse(ISSUER, body.as_bytes()).unwrap();
            assert_eq!(metadata.token, None, "{body}");
            let (member, fault) = (MetadataMember::TokenEndpoint, UrlFault::Repeated);
            assert_eq!(metadata.left_out, [LeftOut { member, fault }], "{body}");
            assert_eq!(metadata.key_set.as_deref(), Some("https://k/"));
        }
    }

    #[test]
    fn a_repeated_endpoint_is_seen_however_often_another_stands_there() {
        let body = std::format!(
            r#"{{"issuer":"{ISSUER}","jwks_uri":"https://k/","jwks_uri":"https://k/",
                "jwks_uri":"https://k/","jwks_uri":"https://k/",
                "introspection_endpoint":"https://a/","introspection_endpoint":"https://b/"}}"#
        );
        let metadata = Metadata::parse(ISSUER, body.as_bytes()).unwrap();
        assert_eq!((metadata.key_set, metadata.introspection), (None, None));
    }

    // J17: a provider inside a network may say where its endpoints are there.
    #[test]
    fn urls_are_as_protected_as_where_the_metadata_were_found() {
        let body = std::format!(
            r#"{{"issuer":"{ISSUER}","jwks_uri":"http://id:8080/k","userinfo_endpoint":"https://i/"}}"#
        );
        for (url, key_set) in [
            ("http://id:8080/metadata", Some("http://id:8080/k")),
            ("https://id:8443/metadata", None),
        ] {
            let metadata = Metadata::parse_from(url, ISSUER, body.as_bytes()).unwrap();
            assert_eq!(metadata.key_set.as_deref(), key_set, "{url}");
            assert_eq!(metadata.userinfo.as_deref(), Some("https://i/"));
        }
    }

    #[test]
    fn members_that_are_not_read_may_be_anything() {
        let many = r#""x":null,"#.repeat(300);
        for others in [
            r#""x":1,"x":2,"#,
            r#""\u0078":[],"x":{"issuer":"y"},"#,
            &many,
        ] {
            let body = std::format!(r#"{{{others}"issuer":"{ISSUER}"}}"#);
            assert!(Metadata::parse(ISSUER, body.as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn names_of_members_are_read_with_their_escapes() {
        let body = std::format!(
            r#"{{"\u0069ssuer":"{ISSUER}","jwks\u005furi":"https://id.example.com/k"}}"#
        );
        let metadata = Metadata::parse(ISSUER, body.as_bytes()).unwrap();
        assert_eq!(
            metadata.key_set.as_deref(),
            Some("https://id.example.com/k")
        );
        let twice = std::format!(r#"{{"issuer":"{ISSUER}","issue\u0072":"{ISSUER}"}}"#);
        check(ISSUER, &twice, MetadataError::Malformed);
    }

    #[test]
    fn well_known_urls_follow_their_standards() {
        for (issuer, oidc, oauth) in [
            (
                "https://a.example",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/{tenantid}/v2.0",
                "https://a.example/organizations/v2.0/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/organizations/v2.0",
            ),
            (
                "https://a.example/r/1",
                "https://a.example/r/1/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/r/1",
            ),
        ] {
            let (mut one, mut other) = (String::new(), String::new());
            write_oidc_url(issuer, &mut one).unwrap();
            write_oauth_url(issuer, &mut other).unwrap();
            assert_eq!((one.as_str(), other.as_str()), (oidc, oauth));
        }
    }
}
