//! Long tokens: whose limit they meet first, and what the client is told.

use gatepost_tests::auth_client::{Answer, AuthClient};
use gatepost_tests::exim;
use gatepost_tests::lab::{INET, Lab, UNIX};
use gatepost_tests::login::{Login, Mechanism};
use gatepost_tests::smtp::{InitialResponse, Reply, Session};
use gatepost_tests::stream::Address;
use libtest_mimic::Failed;

use crate::Case;
use crate::logins::{SERVERS, assert_ending, log_in};

/// Within Gatepost's 8 KiB, and in base64 within the 12,288 bytes that Postfix takes.
const LONG: usize = 8_000;
/// Beyond both.
const TOO_LONG: usize = 10_000;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for mechanism in Mechanism::ALL {
        let lower = mechanism.name().to_lowercase();
        for (server, port) in SERVERS {
            let name = format!("{server}::{lower}::accepts_a_token_of_8000_bytes");
            cases.push(Case::new(name, move |lab| {
                assert_eq!(present(lab, port, mechanism, LONG)?.code, 235);
                Ok(())
            }));
        }
        for (server, port) in [("postfix_unix", UNIX), ("postfix_inet", INET)] {
            let name = format!("{server}::{lower}::postfix_refuses_a_token_of_10000_bytes");
            cases.push(Case::new(name, move |lab| {
                let reply = present(lab, port, mechanism, TOO_LONG)?;
                assert_eq!(reply.code, 500, "{reply:?}");
                assert!(reply.text.starts_with("5.5.6 "), "{reply:?}");
                Ok(())
            }));
        }
        let name = format!("exim::{lower}::gatepost_refuses_a_token_of_10000_bytes");
        cases.push(Case::new(name, move |lab| {
            assert_eq!(present(lab, exim::PORT, mechanism, TOO_LONG)?.code, 535);
            Ok(())
        }));
        let name = format!("socket::{lower}::refuses_a_token_of_10000_bytes_with_a_reason");
        cases.push(Case::new(name, move |lab| {
            gatepost_names_the_limit(lab, mechanism)
        }));
        let name = format!("postfix_unix::{lower}::survives_a_response_that_postfix_cut_off");
        cases.push(Case::new(name, move |lab| {
            survives_truncation(lab, mechanism)
        }));
    }
    cases
}

/// Presents a good token of `length` bytes and returns the last reply.
fn present(lab: &Lab, port: u16, mechanism: Mechanism, length: usize) -> Result<Reply, Failed> {
    let response = mechanism.response(&token(lab, length));
    let mut session = Session::open(&Address::port(port))?;
    let when = InitialResponse::AfterChallenge;
    Ok(session
        .authenticate(mechanism.name(), &response, when, mechanism.answer())?
        .reply)
}

fn token(lab: &Lab, length: usize) -> String {
    let token = lab.logins.token_of_length(length);
    assert!((length - 1..=length).contains(&token.len()));
    token
}

fn gatepost_names_the_limit(lab: &Lab, mechanism: Mechanism) -> Result<(), Failed> {
    let mut client = AuthClient::open(&lab.unix_tap.address)?;
    let id = client.request(mechanism.name(), &mechanism.response(&token(lab, TOO_LONG)))?;
    let (mut answered, mut answer) = client.answer()?;
    if let Answer::Continue(_) = answer {
        client.reply(id, mechanism.answer())?;
        (answered, answer) = client.answer()?;
    }
    assert_eq!(answered, id);
    let Answer::Fail(fields) = answer else {
        return Err(format!("{answer:?}").into());
    };
    assert!(
        fields
            .iter()
            .any(|field| field.starts_with("reason=") && field.len() > 12),
        "{fields:?}"
    );
    // The connection serves on.
    let response = mechanism.response(&token(lab, LONG));
    let id = client.request(mechanism.name(), &response)?;
    assert!(matches!(client.answer()?, (answered, Answer::Ok { .. }) if answered == id));
    Ok(())
}

/// An initial response longer than `line_length_limit` reaches Gatepost without its end.
fn survives_truncation(lab: &Lab, mechanism: Mechanism) -> Result<(), Failed> {
    let response = mechanism.response(&token(lab, LONG));
    let mut session = Session::open(&Address::port(UNIX))?;
    let when = InitialResponse::WithCommand;
    let ending = session.authenticate(mechanism.name(), &response, when, mechanism.answer())?;
    assert_eq!(ending.reply.code, 535, "{ending:?}");
    let when = InitialResponse::AfterChallenge;
    let ending = log_in(lab, UNIX, mechanism, Login::Good, "ES256", when)?;
    assert_ending(&ending, mechanism, Login::Good);
    Ok(())
}
