//! URLs, as far as a request needs them (RFC 3986): `scheme://host[:port][/path][?query]`.

use crate::http::number;

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Url<'u> {
    /// Whether the scheme is `https`; else it is `http`.
    pub(crate) is_secure: bool,
    /// Host and port as they are written, for `Host`.
    pub(crate) authority: &'u str,
    pub(crate) host: &'u str,
    pub(crate) port: u16,
    /// Everything behind the authority; at least `/`.
    pub(crate) path: &'u str,
    /// How much of the URL lies before its path.
    pub(crate) origin_length: usize,
}

impl<'u> Url<'u> {
    /// Takes `url` apart; `None` for what could not be requested.
    pub(crate) fn parse(url: &'u str) -> Option<Self> {
        let (is_secure, rest) = match url.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, url.strip_prefix("http://")?),
        };
        // A fragment is never sent; whatever could end a line never occurs.
        let is_clean = rest
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, number(port, 10)?.try_into().ok()?),
            None => (authority, if is_secure { 443 } else { 80 }),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        let is_good = is_clean && !host.is_empty() && host.bytes().all(is_host);
        // A query directly behind the host lacks its path.
        let path = if path.is_empty() { "/" } else { path };
        (is_good && path.starts_with('/')).then_some(Self {
            is_secure,
            authority,
            host,
            port,
            path,
            origin_length: url.len().saturating_sub(rest.len()).saturating_add(end),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Option<(bool, &str, u16, &str)>) {
        let parts = Url::parse(url).map(|url| (url.is_secure, url.host, url.port, url.path));
        assert_eq!(parts, expected, "{url}");
    }

    #[test]
    fn a_url_says_where_its_request_goes() {
        check(
            "https://id.example.com",
            Some((true, "id.example.com", 443, "/")),
        );
        check(
            "http://10.0.2.2:8080/a?b=c",
            Some((false, "10.0.2.2", 8080, "/a?b=c")),
        );
    }

    #[test]
    fn what_cannot_be_requested_is_no_url() {
        for url in [
            "",
            "id.example.com",
            "ftp://id.example.com/",
            "https://",
            "https://:443/",
            "https://a:b/",
            "https://a:99999/",
            "https://user@host/",
            "https://[::1]/",
            "https://a?b",
            "https://a/b c",
            "https://a/\r\nX:",
            "https://a/#b",
        ] {
            check(url, None);
        }
    }
}
