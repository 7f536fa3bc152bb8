//! What a client's message is answered before there is a token to judge.

use gatepost_core::exchange::{Exchange, LoginSettings, Output};
use gatepost_core::sasl::{Compat, Discovery, Mechanism};
use gatepost_core::{Rejection, UnixTime};
use gatepost_core_tests::judge::judge;

use super::NOW;

const SCOPE: &str = "openid mail";
const METADATA: &str = "https://id.example.com/.well-known/openid-configuration";

const RULES: LoginSettings<'_> = LoginSettings {
    compat: Compat::Strict,
    discovery: Discovery {
        scope: Some(SCOPE),
        openid_configuration: Some(METADATA),
    },
    providers: &[],
};

/// J9: a client that has no token yet asks where to get one (RFC 7628 section 4.3).
#[test]
fn a_client_without_token_is_told_where_to_get_one() {
    let oauthbearer = format!(
        r#"{{"status":"invalid_token","scope":"{SCOPE}","openid-configuration":"{METADATA}"}}"#
    );
    let xoauth2 = format!(
        r#"{{"status":"401","schemes":"bearer","scope":"{SCOPE}","openid-configuration":"{METADATA}"}}"#
    );
    for auth in ["", " ", "Bearer", "bearer", "Bearer ", "Bearer  "] {
        for (mechanism, message, challenge) in [
            (
                Mechanism::OAuthBearer,
                format!("n,a=user@example.com,\x01auth={auth}\x01\x01"),
                &oauthbearer,
            ),
            (
                Mechanism::OAuthBearer,
                format!("n,,\x01host=mail.example.com\x01port=143\x01auth={auth}\x01\x01"),
                &oauthbearer,
            ),
            (
                Mechanism::XOAuth2,
                format!("user=user@example.com\x01auth={auth}\x01\x01"),
                &xoauth2,
            ),
        ] {
            for compat in [Compat::Strict, Compat::Dovecot] {
                if compat == Compat::Dovecot && message.starts_with("n,,") {
                    continue; // It takes no login without a name.
                }
                let rules = LoginSettings { compat, ..RULES };
                let outcome = judge(rules, mechanism, message.as_bytes(), &[], NOW_TIME);
                assert_eq!(outcome.code(), Err("no_token"), "{compat:?} {message:?}");
                assert_eq!(outcome.challenges, [challenge.as_str()], "{message:?}");
                let rejection = outcome.verdict.expect_err("no token");
                assert!(!rejection.is_guess(), "nobody has guessed anything");
            }
        }
    }
}

#[test]
fn a_message_that_says_something_else_is_malformed() {
    for auth in ["Basic dXNlcg==", "Bearert", "token", "Beare", "\tBearer t"] {
        let message = format!("user=user@example.com\x01auth={auth}\x01\x01");
        let outcome = judge(RULES, Mechanism::XOAuth2, message.as_bytes(), &[], NOW_TIME);
        assert_eq!(outcome.code(), Err("malformed_response"), "{auth:?}");
    }
    for message in ["n,a=user@example.com,\x01\x01", "n,,\x01host=h\x01\x01"] {
        let message = message.as_bytes();
        let outcome = judge(RULES, Mechanism::OAuthBearer, message, &[], NOW_TIME);
        assert_eq!(outcome.code(), Err("malformed_response"));
    }
}

/// RFC 6750 section 3.1: what comes over HTTP without a token, or with an empty one.
#[test]
fn no_token_alone_is_no_token() {
    let mut exchange = Exchange::of_token(RULES, b"");
    let ended = exchange.step(NOW_TIME, gatepost_core::exchange::Input::Start);
    let code = match ended {
        Output::Reject(why) => why.code(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code, "no_token");
    let status = exchange.rejection().and_then(Rejection::status);
    assert_eq!(status, Some(gatepost_core::sasl::Status::InvalidToken));
}

const NOW_TIME: UnixTime = UnixTime::from_seconds(NOW);
