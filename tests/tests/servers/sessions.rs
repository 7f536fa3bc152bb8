//! What clients do after a failure challenge, and many of them behind one process of Postfix.
//!
//! Such a process has one connection to Gatepost for its life.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_tests::lab::{Lab, SERIAL};
use gatepost_tests::login::{Login, Mechanism};
use gatepost_tests::smtp::{InitialResponse, Session};
use gatepost_tests::stream::Address;
use libtest_mimic::Failed;

use crate::Case;
use crate::logins::{SERVERS, assert_ending, log_in};

/// Logins over one process.
const LOGINS: usize = 200;
/// Clients that leave without an answer to the challenge: more than a connection's requests.
const LEAVING: usize = 300;

pub(crate) fn cases() -> Vec<Case> {
    let serial = |name, check| Case::new(format!("postfix_serial::{name}"), check);
    let mut cases = vec![
        serial(
            "one_process_serves_200_logins",
            one_process as fn(&Lab) -> _,
        ),
        serial("clients_that_leave_never_block_a_login", leaving_clients),
        serial(
            "clients_that_cancel_never_block_a_login",
            cancelling_clients,
        ),
    ];
    for (server, port) in SERVERS {
        for mechanism in Mechanism::ALL {
            let lower = mechanism.name().to_lowercase();
            let name = format!("{server}::{lower}::takes_any_answer_to_the_challenge");
            cases.push(Case::new(name, move |lab| any_answer(lab, port, mechanism)));
        }
    }
    cases
}

/// Nothing that follows the challenge turns a refused login into a good one, or harms the next.
fn any_answer(lab: &Lab, port: u16, mechanism: Mechanism) -> Result<(), Failed> {
    let good = lab.logins.response(Login::Good, mechanism, "ES256");
    let bad = lab.logins.response(Login::Expired, mechanism, "ES256");
    let when = InitialResponse::WithCommand;
    // The last is one byte that is not base64.
    for answer in ["", "AQ==", &STANDARD.encode(&good), "\x01"] {
        let mut session = Session::open(&Address::port(port))?;
        let ending = session.authenticate(mechanism.name(), &bad, when, answer)?;
        assert_ending(&ending, mechanism, Login::Expired);
        let ending = session.authenticate(mechanism.name(), &good, when, answer)?;
        assert_ending(&ending, mechanism, Login::Good);
    }
    Ok(())
}

fn one_process(lab: &Lab) -> Result<(), Failed> {
    for number in 0..LOGINS {
        let login = if number % 2 == 0 {
            Login::Good
        } else {
            Login::BAD[number % 11]
        };
        let mechanism = Mechanism::ALL[number / 2 % 2];
        let when = InitialResponse::WithCommand;
        let ending = log_in(lab, SERIAL, mechanism, login, "ES256", when)?;
        assert_ending(&ending, mechanism, login);
    }
    assert_eq!(processes(&lab.postfix.logged()), 1);
    Ok(())
}

fn leaving_clients(lab: &Lab) -> Result<(), Failed> {
    for number in 0..LEAVING {
        let mechanism = Mechanism::ALL[number % 2];
        let response = lab.logins.response(Login::Expired, mechanism, "HS256");
        let mut session = Session::open(&Address::port(SERIAL))?;
        let when = InitialResponse::WithCommand;
        let reply = session.initial_response(mechanism.name(), &response, when)?;
        assert_eq!(reply.code, 334, "{reply:?}");
    }
    serves_on(lab)
}

fn cancelling_clients(lab: &Lab) -> Result<(), Failed> {
    for mechanism in Mechanism::ALL {
        let response = lab.logins.response(Login::Expired, mechanism, "ES256");
        let mut session = Session::open(&Address::port(SERIAL))?;
        for _ in 0..20 {
            let when = InitialResponse::WithCommand;
            let ending = session.authenticate(mechanism.name(), &response, when, "*")?;
            // RFC 4954 section 4: a cancelled exchange is answered with 501.
            assert_eq!(ending.reply.code, 501, "{ending:?}");
        }
        let response = lab.logins.response(Login::Good, mechanism, "ES256");
        let when = InitialResponse::WithCommand;
        let ending = session.authenticate(mechanism.name(), &response, when, "")?;
        assert_ending(&ending, mechanism, Login::Good);
    }
    serves_on(lab)
}

fn serves_on(lab: &Lab) -> Result<(), Failed> {
    for mechanism in Mechanism::ALL {
        for login in [Login::Good, Login::Expired] {
            let when = InitialResponse::AfterChallenge;
            let ending = log_in(lab, SERIAL, mechanism, login, "ES256", when)?;
            assert_ending(&ending, mechanism, login);
        }
    }
    Ok(())
}

/// How many processes of the serial service have logged something.
fn processes(log: &str) -> usize {
    let name = format!("postfix/{SERIAL}/smtpd[");
    let ids = log
        .lines()
        .filter_map(|line| line.split_once(&name)?.1.split_once(']'));
    ids.map(|(id, _)| id).collect::<BTreeSet<_>>().len()
}
