//! `[http]` and `[dict]`.

use super::*;

#[test]
fn an_error_about_the_http_listener_says_what_to_write() {
    let shared = with("http", "").replace("unix:/run/auth", "tcp:127.0.0.1:1");
    for (text, expected) in [
        (
            with("http", "listen = []"),
            "nowhere to listen: write listen",
        ),
        (
            with("http", "listen = \"9080\""),
            "gatepost.toml:2: listen: write",
        ),
        (
            with("http", "listen = \"unix:/run/http\""),
            "gatepost.toml:2: http: write \"tcp:host:port\"",
        ),
        (
            with("http", "shape = \"x\""),
            "gatepost.toml:3: shape: write \"dovecot\" or \"rfc\"",
        ),
        (with("http", "attributes = []"), "write 1 to 16 attributes"),
        (
            with("http", "attributes = [\"error\"]"),
            "write 1 to 16 attributes",
        ),
        (
            with("http", "client_id = \"x\""),
            "client_id needs client_secret",
        ),
        (
            with("http", "client_secret = \"x\""),
            "client_id needs client_secret",
        ),
        (
            with(
                "http",
                "client_id = \"x\"\nclient_secret = \"x\"\nclient_secret_file = \"x\"",
            ),
            "are one thing",
        ),
        (
            with("http", "") + "fields = { scope = \"x\" }\n",
            "hold a member of that name already",
        ),
        (
            with("http", "") + "fields = { email = \"x\" }\n",
            "hold a member of that name already",
        ),
        (shared, "share an address"),
    ] {
        let message = refuse(&text);
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

#[test]
fn an_error_about_the_dict_says_what_to_write() {
    let two = with("dict", "") + &PROVIDER.replace("\"p\"", "\"q\"");
    for (text, expected) in [
        (
            with("dict", "").replace("unix:/run/dict", "tcp:127.0.0.1:1"),
            "Dovecot asks over a unix socket",
        ),
        (
            with("dict", "").replace("/run/dict", "/run/auth"),
            "share an address",
        ),
        (with("dict", "mode = \"x\""), "three or four octal digits"),
        (with("dict", "provider = \"x\""), "the name of one"),
        (two.clone(), "each could sign for the users of another"),
    ] {
        let message = refuse(&text);
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
    let named = two.replace("[dict]\n", "[dict]\nprovider = \"q\"\n");
    assert_eq!(Config::parse(&named).unwrap().told_provider().unwrap(), "q");
    let only = Config::parse(&with("dict", "")).unwrap();
    assert_eq!(only.told_provider().unwrap(), "p");
}

#[test]
fn an_http_listener_alone_is_somewhere_to_listen() {
    let text = format!("[http]\nlisten = \"tcp:127.0.0.1:9080\"\n{PROVIDER}");
    let config = Config::parse(&text).unwrap();
    assert_eq!(config.looser_words(), Vec::<String>::new());
    let http = config.http.unwrap();
    assert_eq!(http.attributes(), ["email", "username", "sub"]);
    assert!(http.caller().unwrap().is_none());
}
