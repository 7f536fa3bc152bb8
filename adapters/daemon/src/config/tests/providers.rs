//! How a provider is found and asked over the network.

use gatepost_core::introspection::{About, Mode};

use super::*;

#[test]
fn an_error_about_the_metadata_url_says_what_to_write() {
    for (text, expected) in [
        (
            with("provider", "metadata_url = \"http://i.example/x\""),
            "plain http to another host",
        ),
        (
            with(
                "provider",
                "metadata_url = \"https://i.example/x\"\ndiscovery = false",
            ),
            "contradict each other",
        ),
        (
            "[[provider]]\nany_issuer = true\nany_audience = true\n\
             metadata_url = \"https://i.example/x\"\n"
                .to_owned(),
            "metadata_url needs issuer",
        ),
    ] {
        let message = refuse(&text);
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

#[test]
fn an_error_about_the_network_says_what_to_write() {
    for (text, expected) in [
        (
            with("Top level", "listen = \"tcp:x\""),
            "gatepost.toml:1: listen: write host and port",
        ),
        (
            with("provider", "keys = []\ndiscovery = false"),
            "no keys to verify tokens with",
        ),
        (
            with("provider", "client_id = \"x\""),
            "client_id needs client_secret",
        ),
        (
            with("provider", "client_secret = \"x\""),
            "client_id needs client_secret",
        ),
        (
            with("provider", "client_key = \"x\""),
            "client_certificate needs client_key",
        ),
        (
            with(
                "provider",
                "client_id = \"x\"\nclient_secret = \"y\"\nclient_secret_file = \"z\"",
            ),
            "are one thing",
        ),
        (
            with("provider", "validate = \"online\""),
            "nobody can be asked",
        ),
        (
            with(
                "provider",
                "userinfo = true\nintrospection_url = \"https://i/x\"",
            ),
            "userinfo = true is for providers without introspection",
        ),
        (
            with("provider", "introspection_url = \"http://i.example/x\""),
            "plain http to another host",
        ),
        (
            with(
                "provider",
                "introspection_url = \"https://a:b@i.example/x\"",
            ),
            "write client_id and client_secret",
        ),
        (
            with("provider", "introspection_url = \"/x\""),
            "write an absolute URL",
        ),
        (
            with("provider", "introspection_url = \"https://i/x#y\""),
            "a fragment",
        ),
        (
            with("provider", "").replace("https://i", "http://i.example"),
            "anybody on the way could replace its keys",
        ),
        (
            with("provider", "").replace("https://i", "urn:i"),
            "is no https URL",
        ),
        (
            with("provider", "").replace("https://i", "https://i/?a"),
            "has no query",
        ),
        (
            with("provider", "").replace("issuer = \"https://i\"\n", ""),
            "no issuer",
        ),
        (
            with("provider", "userinfo = true")
                + &PROVIDER.replace("\"p\"", "\"q\"")
                + "userinfo = true\n",
            "asked about the same opaque tokens",
        ),
        (
            with(
                "provider",
                "username_claims = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \
                  \"i\", \"j\", \"k\", \"l\", \"m\", \"n\", \"o\"]\nrequire = { x = \"y\", z = \"y\" }",
            ),
            "more than 16 claims",
        ),
    ] {
        let message = refuse(&text);
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

/// What a provider's lines make of it: which tokens it is asked about, how, and whether its metadata are
/// fetched.
#[track_caller]
fn asks(lines: &str, about: Option<About>, mode: Mode, discovery: bool) {
    let text = format!("{LISTENER}[[provider]]\naudience = \"mail\"\n{lines}\n");
    let config = Config::parse(&text).unwrap();
    let online = config.providers[0].settings().unwrap().online;
    let found = online.map(|online| (online.about, online.introspection_mode, online.discovery));
    let expected = (about.is_some() || discovery).then_some((about, mode, discovery));
    assert_eq!(found, expected, "{lines}");
}

#[test]
fn whom_to_ask_follows_from_what_is_written() {
    const ISSUER: &str = "issuer = \"https://i\"\n";
    const CLIENT: &str = "client_id = \"x\"\nclient_secret = \"y\"\n";
    const URL: &str = "introspection_url = \"https://i/x\"\n";
    let (opaque, every) = (Some(About::OpaqueTokens), Some(About::EveryToken));
    let with = |parts: &[&str]| parts.concat();
    asks(ISSUER, None, Mode::Auth, true);
    asks(&with(&[ISSUER, "keys = [\"k\"]"]), None, Mode::Auth, false);
    asks(&with(&[ISSUER, CLIENT]), opaque, Mode::Post, true);
    asks(
        &with(&[ISSUER, "userinfo = true"]),
        opaque,
        Mode::Auth,
        true,
    );
    asks(&with(&[ISSUER, URL]), opaque, Mode::Auth, true);
    asks(
        &with(&[ISSUER, URL, "keys = [\"k\"]"]),
        opaque,
        Mode::Auth,
        false,
    );
    // Dovecot's own way: an endpoint and nothing else.
    asks(URL, every, Mode::Auth, false);
    asks(&with(&[URL, CLIENT]), every, Mode::Post, false);
    asks(
        &with(&[ISSUER, URL, "validate = \"online\""]),
        every,
        Mode::Auth,
        false,
    );
    let fallback = Some(About::UnverifiableTokens);
    asks(
        &with(&[ISSUER, CLIENT, "validate = \"fallback\""]),
        fallback,
        Mode::Post,
        true,
    );
    asks(
        &with(&[ISSUER, CLIENT, "validate = \"local\""]),
        None,
        Mode::Post,
        true,
    );
}

#[test]
fn an_error_about_passwords_and_fields_says_what_to_write() {
    for (text, expected) in [
        (
            with("provider", "grant_url = \"https://id/token\""),
            "grant_url needs client_id",
        ),
        (
            with("provider", "grant_scope = \"mail\""),
            "grant_scope needs grant_url",
        ),
        (
            with("provider", "fields = { user = \"x\" }"),
            "but not \"user\" or \"resp\"",
        ),
        (
            with("provider", "fields = { pass = \"%u\" }"),
            "write text with %{user}",
        ),
    ] {
        let fault = format!("{:?}", Config::parse(&text).unwrap_err());
        let expected = format!("{expected:?}");
        assert!(fault.contains(expected.trim_matches('"')), "{fault}");
    }
}
