//! Who gets in: every algorithm, every way to be wrong, every client, at every server.

use std::fs;

use gatepost_tests::clients::{Client, Conversation, curl_version};
use gatepost_tests::daemon::wait_until;
use gatepost_tests::exim;
use gatepost_tests::lab::{INET, Lab, ONLY_XOAUTH2, TLS, UNIX};
use gatepost_tests::login::{Login, Mechanism, USER};
use gatepost_tests::namespace::in_root;
use gatepost_tests::postfix::CERTIFICATE;
use gatepost_tests::smtp::{Ending, InitialResponse, Session};
use gatepost_tests::stream::Address;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::Case;

/// The servers, by the way in which they ask Gatepost.
pub(crate) const SERVERS: [(&str, u16); 3] = [
    ("postfix_unix", UNIX),
    ("postfix_inet", INET),
    ("exim", exim::PORT),
];

const ALGORITHMS: [&str; 7] = [
    "HS256", "RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA",
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (server, port) in SERVERS {
        for mechanism in Mechanism::ALL {
            let name = format!("{server}::{}", mechanism.name().to_lowercase());
            for algorithm in ALGORITHMS {
                let name = format!("{name}::accepts_{}", algorithm.to_lowercase());
                cases.push(Case::new(name, move |lab| {
                    accepts(lab, port, mechanism, algorithm)
                }));
            }
            for login in Login::BAD {
                let name = format!("{name}::refuses_{login:?}");
                cases.push(Case::new(name, move |lab| {
                    refuses(lab, port, mechanism, login)
                }));
            }
            for client in Client::ALL {
                let name = format!("{name}::{}", client.name());
                cases.push(Case::new(name, move |lab| {
                    submits(lab, port, mechanism, client)
                }));
            }
        }
    }
    cases.push(Case::new(
        "postfix_unix::curl_uses_xoauth2_where_nothing_else_is_offered",
        |lab| {
            let address = Address::port(ONLY_XOAUTH2);
            check_client(
                lab,
                Client::Curl,
                &address,
                Mechanism::Xoauth2,
                Mechanism::Xoauth2,
            )
        },
    ));
    cases.push(Case::new(
        "postfix_tls::takes_logins_over_tls_only_as_its_example_shows",
        takes_tls_only,
    ));
    for mechanism in Mechanism::ALL {
        let name = mechanism.name().to_lowercase();
        let name = format!("postfix_inet::{name}::one_line_is_logged_a_login");
        cases.push(Case::new(name, move |lab| logs_one_line(lab, mechanism)));
    }
    cases.push(Case::new(
        "postfix_unix::relays_for_nobody_without_a_login",
        |_| {
            let mut session = Session::open(&Address::port(UNIX))?;
            session.command("MAIL FROM:<alice@example.test>")?;
            assert_eq!(session.command("RCPT TO:<bob@example.com>")?.code, 554);
            Ok(())
        },
    ));
    cases
}

/// One login over a session of its own.
pub(crate) fn log_in(
    lab: &Lab,
    port: u16,
    mechanism: Mechanism,
    login: Login,
    algorithm: &str,
    when: InitialResponse,
) -> Result<Ending, Failed> {
    let response = lab.logins.response(login, mechanism, algorithm);
    let mut session = Session::open(&Address::port(port))?;
    Ok(session.authenticate(mechanism.name(), &response, when, mechanism.answer())?)
}

/// That a login ended as it should.
#[track_caller]
pub(crate) fn assert_ending(ending: &Ending, mechanism: Mechanism, login: Login) {
    if login == Login::Good {
        assert_eq!(
            (ending.reply.code, &ending.challenge),
            (235, &None),
            "{ending:?}"
        );
        return;
    }
    let challenge = ending
        .challenge
        .as_deref()
        .map(serde_json::from_slice::<Value>);
    let challenge = challenge.and_then(Result::ok);
    assert_eq!(challenge, Some(login.challenge(mechanism)), "{ending:?}");
    assert_eq!(ending.reply.code, 535, "{ending:?}");
}

/// The good login with `algorithm`, early and late; its negative counterpart has another signature.
fn accepts(lab: &Lab, port: u16, mechanism: Mechanism, algorithm: &str) -> Result<(), Failed> {
    for when in [
        InitialResponse::WithCommand,
        InitialResponse::AfterChallenge,
    ] {
        for login in [Login::Good, Login::AlteredSignature] {
            let ending = log_in(lab, port, mechanism, login, algorithm, when)?;
            assert_ending(&ending, mechanism, login);
        }
    }
    Ok(())
}

fn refuses(lab: &Lab, port: u16, mechanism: Mechanism, login: Login) -> Result<(), Failed> {
    let when = InitialResponse::WithCommand;
    let ending = log_in(lab, port, mechanism, login, "ES256", when)?;
    assert_ending(&ending, mechanism, login);
    Ok(())
}

/// Each login has one line, which says who, how, from where, and why not.
fn logs_one_line(lab: &Lab, mechanism: Mechanism) -> Result<(), Failed> {
    for login in Login::BAD.into_iter().chain([Login::Good]) {
        let before = logged(lab).len();
        let when = InitialResponse::WithCommand;
        log_in(lab, INET, mechanism, login, "ES256", when)?;
        wait_until("the login's line", || logged(lab).len() > before)?;
        let lines = logged(lab);
        assert_eq!(lines.len(), before + 1, "{login:?}");
        let line = &lines[before];
        let verdict = if login == Login::Good {
            "accept"
        } else {
            "reject"
        };
        assert_eq!(line["verdict"], verdict, "{line}");
        assert_eq!(
            line.get("reason").and_then(Value::as_str),
            login.reason(),
            "{line}"
        );
        assert_eq!(line["mechanism"], mechanism.name(), "{line}");
        assert_eq!(line["service"], "smtp", "{line}");
        assert_eq!(line["remote"], "127.0.0.1", "{line}");
        assert!(line["microseconds"].is_u64(), "{line}");
        if login != Login::Malformed {
            let mut names = [&line["user"], &line["claimed"]].into_iter();
            assert!(names.any(|name| name == USER), "{line}");
        }
    }
    Ok(())
}

/// The example's `smtpd_tls_auth_only`, and its line for curl.
fn takes_tls_only(lab: &Lab) -> Result<(), Failed> {
    let mut session = Session::open(&Address::port(TLS))?;
    let refused = session.command("AUTH XOAUTH2")?;
    assert_eq!(refused.code, 503, "{refused:?}");
    let root = lab.mail_root();
    fs::write(root.join("tmp/message"), "Subject: test\r\n\r\ntest\r\n")?;
    for (login, is_good) in [(Login::Good, true), (Login::Expired, false)] {
        let token = lab.logins.token(login, "ES256");
        let output = in_root(&root, "/usr/bin/curl")
            .args(["--silent", "--show-error", "--max-time", "20", "--ssl-reqd"])
            .args(["--cacert", CERTIFICATE, "--url"])
            .arg(format!("smtp://127.0.0.1:{TLS}"))
            .args(["--user", &format!("{USER}:"), "--oauth2-bearer", &token])
            .args(["--mail-from", USER, "--mail-rcpt", "bob@example.com"])
            .args(["--upload-file", "/tmp/message"])
            .output()?;
        assert_eq!(output.status.success(), is_good, "{output:?}");
    }
    Ok(())
}

/// The lines of logins that Gatepost has logged.
fn logged(lab: &Lab) -> Vec<Value> {
    let mut events = lab.daemon.events();
    events.retain(|event| event["message"] == "login");
    events
}

fn submits(lab: &Lab, port: u16, asked: Mechanism, client: Client) -> Result<(), Failed> {
    // curl 7.80 to 8.5 takes OAUTHBEARER where both are offered, whatever it was asked for.
    let prefers =
        client == Client::Curl && ((7, 80)..(8, 6)).contains(&curl_version(&lab.mail_root())?);
    let used = if prefers {
        Mechanism::OauthBearer
    } else {
        asked
    };
    check_client(lab, client, &Address::port(port), asked, used)
}

/// A client with a good token submits a message; with an expired one it learns why not.
fn check_client(
    lab: &Lab,
    client: Client,
    server: &Address,
    asked: Mechanism,
    used: Mechanism,
) -> Result<(), Failed> {
    let root = lab.mail_root();
    let submit = |login| client.submit(&root, server, asked, &lab.logins.token(login, "ES256"));
    let good = Conversation {
        mechanism: used.name().to_owned(),
        challenge: None,
        code: Some(235),
        accepted_mail: true,
        client_is_content: true,
    };
    assert_eq!(submit(Login::Good)?, good);

    let refused = submit(Login::Expired)?;
    let challenge = refused
        .challenge
        .as_deref()
        .map(serde_json::from_slice::<Value>);
    assert_eq!(
        challenge.transpose()?,
        Some(Login::Expired.challenge(used)),
        "{refused:?}"
    );
    // libcurl leaves after XOAUTH2's challenge instead of answering it; Exim refuses it all the same.
    let leaves = matches!(client, Client::Curl | Client::Pycurl) && used == Mechanism::Xoauth2;
    assert!(
        refused.code == Some(535) || leaves && refused.code.is_none(),
        "{refused:?}"
    );
    assert!(
        !refused.accepted_mail && !refused.client_is_content,
        "{refused:?}"
    );
    Ok(())
}
