//! A provider's metadata: `OpenID` Connect Discovery 1.0 section 4, RFC 8414.

use core::fmt::{self, Write};

use crate::wire::json::{Object, Text, Value};

/// A URL out of metadata.
pub type Url = heapless::String<512>;

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
}

/// Why metadata cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MetadataError {
    /// Not one JSON object, or one that two readers could read differently.
    Malformed,
    /// `issuer` is missing.
    MissingIssuer,
    /// `issuer` is another one than was asked (RFC 8414 section 3.3): compared byte for byte.
    WrongIssuer,
    /// A URL that is no `https:` URL, or is longer than [`Url`] holds.
    BadUrl,
}

impl Metadata {
    /// Reads the metadata of `issuer`.
    ///
    /// URLs are `https:`, unless the issuer's own is not.
    ///
    /// # Errors
    /// Why nothing of it can be used.
    pub fn parse(issuer: &str, body: &[u8]) -> Result<Self, MetadataError> {
        let mut metadata = Self::default();
        let mut found = None;
        let object = Object::parse(body).map_err(|_| MetadataError::Malformed)?;
        for member in object.members() {
            let (name, value) = member.map_err(|_| MetadataError::Malformed)?;
            let url = match name.as_str() {
                Some("issuer") => {
                    found = Some(value.string().map_err(|_| MetadataError::Malformed)?);
                    continue;
                }
                Some("jwks_uri") => &mut metadata.key_set,
                Some("introspection_endpoint") => &mut metadata.introspection,
                Some("userinfo_endpoint") => &mut metadata.userinfo,
                Some("token_endpoint") => &mut metadata.token,
                _ => continue,
            };
            *url = Some(parse_url(issuer, value)?);
        }
        if found.ok_or(MetadataError::MissingIssuer)? == *issuer {
            Ok(metadata)
        } else {
            Err(MetadataError::WrongIssuer)
        }
    }
}

fn parse_url(issuer: &str, value: Value<'_>) -> Result<Url, MetadataError> {
    let url: Option<Url> = value.string().ok().and_then(Text::to_string);
    let url = url.ok_or(MetadataError::BadUrl)?;
    let is_plain = |url: &str| url.starts_with("http://");
    let is_good = url.starts_with("https://") || is_plain(&url) && is_plain(issuer);
    // Nothing that could end a request line.
    let is_clean = url.bytes().all(|byte| byte.is_ascii_graphic());
    if is_good && is_clean {
        Ok(url)
    } else {
        Err(MetadataError::BadUrl)
    }
}

/// Writes the URL of `issuer`'s metadata by `OpenID` Connect Discovery 1.0 section 4.1.
///
/// # Errors
/// Where `out` has no room.
pub fn write_oidc_url(issuer: &str, out: &mut impl Write) -> fmt::Result {
    out.write_str(issuer.strip_suffix('/').unwrap_or(issuer))?;
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
    write!(
        out,
        "{scheme}{host}/.well-known/oauth-authorization-server{path}"
    )
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
                let mut body = std::format!(r#"{{"{left_out}":{bad},"issuer":"{ISSUER}""#);
                for other in others {
                    body += &std::format!(r#","{other}":"https://id.example.com/{other}""#);
                }
                body += "}";
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
    fn members_that_are_not_read_may_be_anything() {
        let many: String = (0..300)
            .map(|index| std::format!(r#""x{index}":null,"#))
            .collect();
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
