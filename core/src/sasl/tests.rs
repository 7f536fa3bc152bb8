use super::*;

/// `^A` stands for the separator; the outcome is `name|token` or the error.
fn outcome(mechanism: Mechanism, compat: Compat, message: &str) -> std::string::String {
    let message = message.replace("^A", "\x01");
    match ClientResponse::parse(mechanism, compat, message.as_bytes()) {
        Ok(response) => {
            let name: std::string::String = response
                .authzid
                .map_or("-".into(), |name| name.chars().collect());
            std::format!("{name}|{}", response.token().expect("a token").expose())
        }
        Err(error) => std::format!("{error:?}"),
    }
}

#[track_caller]
fn oauthbearer(message: &str, expected: &str) {
    assert_eq!(
        outcome(Mechanism::OAuthBearer, Compat::Strict, message),
        expected,
        "{message}"
    );
}

#[track_caller]
fn xoauth2(message: &str, expected: &str) {
    assert_eq!(
        outcome(Mechanism::XOAuth2, Compat::Strict, message),
        expected,
        "{message}"
    );
}

#[track_caller]
fn loose(mechanism: Mechanism, message: &str, expected: &str) {
    assert_eq!(
        outcome(mechanism, Compat::Dovecot, message),
        expected,
        "{message}"
    );
    if expected.contains('|') {
        let strict = outcome(mechanism, Compat::Strict, message);
        assert!(
            strict == expected || !strict.contains('|'),
            "strict reads {strict} in {message}"
        );
    }
}

#[test]
fn oauthbearer_as_clients_send_it() {
    oauthbearer(
        "n,a=user@example.com,^Ahost=server^Aport=143^Aauth=Bearer vF9dft4qmT^A^A",
        "user@example.com|vF9dft4qmT",
    );
    oauthbearer("n,a=u,^Aauth=Bearer t^A^A", "u|t");
    oauthbearer("y,a=u,^Aauth=Bearer t^A^A", "u|t");
}

#[test]
fn without_authzid_the_token_names_the_user() {
    oauthbearer("n,,^Aauth=Bearer t^A^A", "-|t");
}

#[test]
fn authzid_escapes_are_two() {
    oauthbearer("n,a=a=2Cb=3Dc,^Aauth=Bearer t^A^A", "a,b=c|t");
    oauthbearer("n,a==3D2C,^Aauth=Bearer t^A^A", "=2C|t");
    for name in ["=2c", "=3d", "=20", "=", "=3", "u=", "u=rop", "=2", "=2C="] {
        oauthbearer(&std::format!("n,a={name},^Aauth=Bearer t^A^A"), "BadName");
    }
}

#[test]
fn authzid_is_not_empty_utf8_without_separators() {
    oauthbearer("n,a=,^Aauth=Bearer t^A^A", "BadName");
    oauthbearer("n,a=u\0,^Aauth=Bearer t^A^A", "BadName");
    oauthbearer("n,a=grüße,^Aauth=Bearer t^A^A", "grüße|t");
    let message = b"n,a=\xff,\x01auth=Bearer t\x01\x01";
    let parsed = ClientResponse::parse(Mechanism::OAuthBearer, Compat::Strict, message);
    assert_eq!(parsed.err(), Some(Error::BadName));
}

#[test]
fn channel_binding_is_refused_by_name() {
    oauthbearer("p=tls-exporter,a=u,^Aauth=Bearer t^A^A", "ChannelBinding");
    oauthbearer("p=,a=u,^Aauth=Bearer t^A^A", "BadGs2Header");
    oauthbearer("p=a_b,a=u,^Aauth=Bearer t^A^A", "BadGs2Header");
}

#[test]
fn gs2_header_is_exact() {
    for header in [
        "q,,",
        "N,,",
        "F,n,a=u,",
        "n,u,",
        "n",
        "n,",
        "n,a=u",
        ",,",
        "n ,,",
        "n,A=u,",
        "n,a=u,f=x,",
        "user=u",
    ] {
        oauthbearer(&std::format!("{header}^Aauth=Bearer t^A^A"), "BadGs2Header");
    }
}

#[test]
fn a_bare_token_is_no_message() {
    oauthbearer("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "BadGs2Header");
}

#[test]
fn an_empty_message_holds_nothing() {
    oauthbearer("", "Empty");
    xoauth2("", "Empty");
    oauthbearer("^A", "MissingAuth");
}

#[test]
fn value_may_hold_equals() {
    oauthbearer("n,,^Ak=a=b^Aauth=Bearer t==^A^A", "-|t==");
}

#[test]
fn pairs_are_keys_of_letters_and_printable_values() {
    for pair in [
        "=v", "k", "k1=v", "k e=v", "k=\x02", "k=\x7f", "k=é", "k=\0",
    ] {
        oauthbearer(
            &std::format!("n,,^A{pair}^Aauth=Bearer t^A^A"),
            "BadKeyValue",
        );
    }
    oauthbearer("n,,^Ak= \t\r\n!~^Aauth=Bearer t^A^A", "-|t");
}

#[test]
fn repeated_keys_are_refused() {
    oauthbearer("n,,^Aauth=Bearer t^Aauth=Bearer u^A^A", "DuplicateKey");
    oauthbearer("n,,^Ahost=a^Aauth=Bearer t^Ahost=b^A^A", "DuplicateKey");
    oauthbearer("n,,^Aport=1^Aport=1^Aauth=Bearer t^A^A", "DuplicateKey");
}

#[test]
fn terminators_are_required() {
    oauthbearer("n,,^Aauth=Bearer t", "Unterminated");
    oauthbearer("n,,^Aauth=Bearer t^A", "Unterminated");
    oauthbearer("n,,^Aauth=Bearer t^A^Ax", "TrailingData");
    oauthbearer("n,,^Aauth=Bearer t^A^A^A", "TrailingData");
    oauthbearer("n,,auth=Bearer t^A^A", "BadGs2Header");
    oauthbearer("n,,^A^A", "MissingAuth");
    xoauth2("user=u^Aauth=Bearer t", "Unterminated");
    xoauth2("user=u^Aauth=Bearer t^A", "Unterminated");
    xoauth2("user=u^Aauth=Bearer t^Ax^A", "Unterminated");
    xoauth2("user=u^Aauth=Bearer t^A^Ax", "TrailingData");
    xoauth2("user=u", "Unterminated");
}

#[test]
fn only_the_bearer_scheme() {
    oauthbearer("n,,^Aauth=bEARER t^A^A", "-|t");
    oauthbearer("n,,^Aauth=Bearer  t^A^A", "-|t");
    for auth in [
        "Basic t",
        "Bearert",
        "Bearer\tt",
        "t",
        "\t",
        " Bearer t",
        "Beare",
    ] {
        oauthbearer(&std::format!("n,,^Aauth={auth}^A^A"), "NotBearer");
    }
}

#[test]
fn a_client_may_have_no_token_yet() {
    for auth in ["", " ", "  ", "Bearer", "bearer", "Bearer ", "Bearer  "] {
        xoauth2(&std::format!("user=u^Aauth={auth}^A^A"), "MissingToken");
        oauthbearer(&std::format!("n,,^Aauth={auth}^A^A"), "MissingToken");
        let message = std::format!("n,a=u,^Aauth={auth}^A^A");
        loose(Mechanism::OAuthBearer, &message, "MissingToken");
    }
}

#[test]
fn tokens_have_the_alphabet_of_rfc6750() {
    oauthbearer("n,,^Aauth=Bearer AZaz09-._~+/==^A^A", "-|AZaz09-._~+/==");
    for token in ["a b", "a,b", "a=b", "=", "a\rb", "a\nb", "a\"b", "t "] {
        oauthbearer(&std::format!("n,,^Aauth=Bearer {token}^A^A"), "BadToken");
    }
    xoauth2("user=u^Aauth=Bearer é^A^A", "BadToken");
}

#[test]
fn tokens_are_bounded() {
    let longest = "t".repeat(BearerToken::MAX_LEN);
    xoauth2(
        &std::format!("user=u^Aauth=Bearer {longest}^A^A"),
        &std::format!("u|{longest}"),
    );
    xoauth2(
        &std::format!("user=u^Aauth=Bearer {longest}t^A^A"),
        "TokenTooLong",
    );
}

#[test]
fn xoauth2_as_clients_send_it() {
    xoauth2(
        "user=user@example.com^Aauth=Bearer vF9dft4qmT^A^A",
        "user@example.com|vF9dft4qmT",
    );
}

#[test]
fn xoauth2_has_no_escapes() {
    xoauth2("user=a=2Cb,c^Aauth=Bearer t^A^A", "a=2Cb,c|t");
}

#[test]
fn xoauth2_starts_with_a_user() {
    xoauth2("auth=Bearer t^Auser=u^A^A", "MissingUser");
    xoauth2("n,a=u,^Aauth=Bearer t^A^A", "MissingUser");
    xoauth2("user=^Aauth=Bearer t^A^A", "BadName");
    xoauth2("user=u\0^Aauth=Bearer t^A^A", "BadName");
    xoauth2("user=u^Ahost=h^Aauth=Bearer t^A^A", "MissingAuth");
}

#[test]
fn compat_dovecot_takes_loose_forms() {
    use Mechanism::{OAuthBearer, XOAuth2};
    for message in [
        "n,a=u,^Aauth=Bearer t^A^A",
        "n,a=u^Aauth=Bearer t^A^A",
        "a=u,n^Aauth=Bearer t",
        "y,a=u,^Aauth=Bearer t^A",
        "n,a=u,^Aauth=Bearer t^A^Ajunk",
        "n,a=u,^Anovalue^A1=2^Aauth=Bearer t^A^A",
        "n,a=u,^Aauth=Bearer first^Aauth=bearer t^A^A",
    ] {
        loose(OAuthBearer, message, "u|t");
    }
    for message in [
        "user=u^Aauth=Bearer t^A^A",
        "auth=Bearer t^Auser=u",
        "user=first^Auser=u^Aauth=Bearer t^A",
        "user=u^Aother=x^Aauth=Bearer t^A^A^A",
    ] {
        loose(XOAuth2, message, "u|t");
    }
}

#[test]
fn compat_dovecot_is_not_boundless() {
    use Mechanism::{OAuthBearer, XOAuth2};
    for (message, expected) in [
        ("", "Empty"),
        ("^A", "BadGs2Header"),
        ("n,,^Aauth=Bearer t^A^A", "BadGs2Header"),
        ("n,a=u,p=x^Aauth=Bearer t^A^A", "ChannelBinding"),
        ("n,a=u,f=x^Aauth=Bearer t^A^A", "BadGs2Header"),
        ("F,n,a=u,^Aauth=Bearer t^A^A", "BadGs2Header"),
        ("n,a=u=20,^Aauth=Bearer t^A^A", "BadName"),
        ("n,a=u,^Aauth=Bearer t\0^A^A", "BadKeyValue"),
        ("n,a=u,^Aauth=t^A^A", "NotBearer"),
        ("n,a=u,^Aauth=Bearer ^A^A", "MissingToken"),
        ("n,a=u,^Aauth=Bearer a\rb^A^A", "BadToken"),
        ("n,a=u,^A^A", "MissingAuth"),
    ] {
        loose(OAuthBearer, message, expected);
    }
    loose(XOAuth2, "n,a=u,^Aauth=Bearer t^A^A", "MissingUser");
    loose(XOAuth2, "user=u^A^A", "MissingAuth");
    loose(XOAuth2, "", "Empty");
}

fn reply(mechanism: Mechanism, status: Status, discovery: Discovery<'_>) -> std::string::String {
    let json = FailureReply {
        mechanism,
        status,
        discovery,
    }
    .json();
    std::string::String::from_utf8(json.to_vec()).unwrap()
}

#[test]
fn failure_replies_are_the_json_that_clients_expect() {
    let discovery = Discovery {
        scope: Some("mail \"x\""),
        openid_configuration: Some("https://id.example/.well-known/openid-configuration"),
    };
    assert_eq!(
        reply(Mechanism::OAuthBearer, Status::InvalidToken, discovery),
        r#"{"status":"invalid_token","scope":"mail \"x\"","openid-configuration":"https://id.example/.well-known/openid-configuration"}"#
    );
    assert_eq!(
        reply(Mechanism::XOAuth2, Status::InvalidToken, discovery),
        r#"{"status":"401","schemes":"bearer","scope":"mail \"x\"","openid-configuration":"https://id.example/.well-known/openid-configuration"}"#
    );
    for (status, name, code) in [
        (Status::InvalidRequest, "invalid_request", "400"),
        (Status::InvalidToken, "invalid_token", "401"),
        (Status::InsufficientScope, "insufficient_scope", "403"),
    ] {
        let none = Discovery::default();
        assert_eq!(
            reply(Mechanism::OAuthBearer, status, none),
            std::format!(r#"{{"status":"{name}"}}"#)
        );
        assert_eq!(
            reply(Mechanism::XOAuth2, status, none),
            std::format!(r#"{{"status":"{code}","schemes":"bearer"}}"#)
        );
    }
}

#[test]
fn discovery_that_does_not_fit_is_left_out() {
    let url = "x".repeat(2000);
    let discovery = Discovery {
        scope: None,
        openid_configuration: Some(&url),
    };
    assert!(!discovery.fits());
    assert!(Discovery::default().fits());
    assert_eq!(
        reply(Mechanism::OAuthBearer, Status::InvalidToken, discovery),
        r#"{"status":"invalid_token"}"#
    );
}

#[test]
fn mechanism_names_come_in_any_case() {
    for mechanism in Mechanism::ALL {
        assert_eq!(Mechanism::from_name(mechanism.name()), Some(mechanism));
        assert_eq!(
            Mechanism::from_name(&mechanism.name().to_ascii_lowercase()),
            Some(mechanism)
        );
    }
    assert_eq!(Mechanism::from_name("SCRAM-SHA-256"), None);
}

#[test]
fn tokens_are_never_printed() {
    let message = b"user=alice\x01auth=Bearer secret\x01\x01";
    let response = ClientResponse::parse(Mechanism::XOAuth2, Compat::Strict, message).unwrap();
    let debug = std::format!("{response:?}");
    assert!(
        debug.contains("alice") && !debug.contains("secret"),
        "{debug}"
    );
}

#[test]
fn a_token_has_the_alphabet_of_rfc_6750_and_no_neighbour_of_it() {
    for byte in 0..=u8::MAX {
        let is_ours = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        let is_taken = BearerToken::new(&[b'a', byte, b'z']).is_ok();
        assert_eq!(is_taken, is_ours, "{byte:#x}");
    }
}

#[test]
fn every_byte_of_a_token_is_looked_at_wherever_it_stands() {
    for len in [31, 32, 33, 64, 70] {
        let mut token = std::vec![b'a'; len];
        for place in 0..len {
            for byte in (0..=u8::MAX).filter(|byte| *byte != b'=') {
                let is_ours = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
                token[place] = byte;
                let is_taken = BearerToken::new(&token).is_ok();
                assert_eq!(is_taken, is_ours, "{byte:#x} at {place} of {len}");
            }
            token[place] = b'a';
        }
        for places in [[0, 1], [3, len - 1], [7, 30]] {
            let mut token = token.clone();
            for place in places {
                token[place] = b' ';
            }
            assert!(BearerToken::new(&token).is_err(), "{places:?} of {len}");
        }
    }
}

#[test]
fn plain_holds_a_name_and_a_password() {
    for message in ["\0alice\0s\u{e9}cret", "alice\0alice\0s\u{e9}cret"] {
        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            let parsed = ClientResponse::parse(mechanism, Compat::Strict, message.as_bytes());
            let Credential::Password(password) = parsed.unwrap().credential else {
                panic!("{message:?} is a password");
            };
            assert_eq!(
                (password.user(), password.expose()),
                ("alice", "s\u{e9}cret")
            );
            assert_eq!(std::format!("{password:?}"), "UserPassword(..)");
        }
    }
    let long = ["\0alice\0", &"x".repeat(UserPassword::MAX_LEN)].concat();
    let parse = |message: &[u8]| {
        let parsed = ClientResponse::parse(Mechanism::Plain, Compat::Dovecot, message);
        parsed.map(|_| ())
    };
    assert_eq!(parse(long.as_bytes()), Ok(()));
    for (message, expected) in [
        (&b""[..], Error::Empty),
        (b"alice", Error::BadPlain),
        (b"\0alice", Error::BadPlain),
        (b"\0alice\0secret\0", Error::BadPlain),
        (b"\0\0secret", Error::BadName),
        (b"\0\xff\0secret", Error::BadName),
        (b"bob\0alice\0secret", Error::ForeignAuthzid),
        (b"\0alice\0", Error::BadPassword),
        (b"\0alice\0\xff", Error::BadPassword),
        (
            [long.as_bytes(), b"x"].concat().as_slice(),
            Error::BadPassword,
        ),
    ] {
        assert_eq!(parse(message), Err(expected), "{message:?}");
    }
}

#[test]
fn a_table_and_ranges_know_the_same_tokens() {
    for place in 0..32 {
        for byte in 0..=255 {
            let mut chunk = *b"abcdefghijklmnopqrstuvwxyz012345";
            chunk[place] = byte;
            let is_token = is_b64token_byte(byte);
            assert_eq!(is_b64token_by_table(&chunk), is_token, "{byte} at {place}");
            assert_eq!(is_b64token_chunk(&chunk), is_token, "{byte} at {place}");
        }
    }
    // Two that are foreign do not make up for each other.
    for places in (0..32).flat_map(|one| (0..one).map(move |other| [one, other])) {
        let mut chunk = [b'a'; 32];
        for place in places {
            chunk[place] = b' ';
        }
        assert!(!is_b64token_by_table(&chunk), "{places:?}");
    }
    assert!(!is_b64token_by_table(&[b' '; 32]));
}
