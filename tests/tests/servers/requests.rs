//! Requests on the auth socket itself, where a mail server is not there to tidy up.

use gatepost_tests::auth_client::{Answer, AuthClient};
use gatepost_tests::daemon::{Backend, Daemon};
use gatepost_tests::lab::Lab;
use gatepost_tests::login::{Login, Mechanism, USER};
use gatepost_tests::mint::ALGORITHMS;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::Case;

/// Logins of one connection whose failure challenge the client leaves unanswered.
const UNANSWERED: usize = 2_000;

/// What clients send after the failure challenge; none of it counts as a second attempt.
const BEHAVIOURS: [(&str, Behaviour); 6] = [
    ("answers_with_one_separator", |client, id, _| {
        client.reply(id, "AQ==")
    }),
    ("answers_with_an_empty_line", |client, id, _| {
        client.reply(id, "")
    }),
    ("answers_with_a_byte_that_is_not_base64", |client, id, _| {
        client.reply(id, "\x01")
    }),
    ("answers_with_a_whole_response", |client, id, response| {
        client.reply(id, response)
    }),
    ("cancels", |client, id, _| {
        client.send(&format!("CANCEL\t{id}\n"))
    }),
    ("stays_silent", |_, _, _| Ok(())),
];

/// Does something about the challenge of a request; the text is a good response in base64.
type Behaviour = fn(&mut AuthClient, u32, &str) -> std::io::Result<()>;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for mechanism in Mechanism::ALL {
        let lower = mechanism.name().to_lowercase();
        for (number, (name, behaviour)) in BEHAVIOURS.into_iter().enumerate() {
            let answered = number < 4;
            cases.push(Case::new(format!("socket::{lower}::{name}"), move |lab| {
                after_challenge(lab, mechanism, behaviour, answered)
            }));
        }
        let name = format!("socket::{lower}::closes_the_connection");
        cases.push(Case::new(name, move |lab| {
            closes_the_connection(lab, mechanism)
        }));
        let name = format!("socket::{lower}::unanswered_challenges_never_block_a_login");
        cases.push(Case::new(name, move |lab| {
            unanswered_challenges(lab, mechanism)
        }));
    }
    for backend in [Backend::AwsLc, Backend::RustCrypto] {
        let name = format!("socket::{backend:?}_judges_every_algorithm");
        cases.push(Case::new(name, move |lab| {
            judges_every_algorithm(lab, backend)
        }));
    }
    cases.push(Case::new("socket::offers_both_mechanisms", |lab| {
        let client = AuthClient::open(&lab.unix_tap.address)?;
        let mut offered = client.mechanisms;
        offered.sort();
        assert_eq!(offered, ["OAUTHBEARER", "XOAUTH2"]);
        Ok(())
    }));
    cases
}

fn judges_every_algorithm(lab: &Lab, backend: Backend) -> Result<(), Failed> {
    let (configuration, address) = lab.configuration_with(backend)?;
    let _daemon = Daemon::start(&configuration)?;
    let mut client = AuthClient::open(&address)?;
    let mechanism = Mechanism::OauthBearer;
    for algorithm in ALGORITHMS {
        let good = lab.logins.response(Login::Good, mechanism, algorithm);
        let id = client.request(mechanism.name(), &good)?;
        assert_eq!(
            client.answer()?,
            (
                id,
                Answer::Ok {
                    user: USER.to_owned()
                }
            ),
            "{algorithm}"
        );
        let altered = lab
            .logins
            .response(Login::AlteredSignature, mechanism, algorithm);
        let id = client.request(mechanism.name(), &altered)?;
        let answer = client.answer()?;
        assert!(
            matches!(answer, (to, Answer::Continue(_)) if to == id),
            "{algorithm}: {answer:?}"
        );
    }
    Ok(())
}

fn after_challenge(
    lab: &Lab,
    mechanism: Mechanism,
    behaviour: Behaviour,
    is_answered: bool,
) -> Result<(), Failed> {
    let mut client = AuthClient::open(&lab.unix_tap.address)?;
    let id = refused(lab, &mut client, mechanism)?;
    let good = lab.logins.response(Login::Good, mechanism, "ES256");
    behaviour(&mut client, id, &base64(&good))?;
    if is_answered {
        let (answered, answer) = client.answer()?;
        assert_eq!(answered, id);
        assert!(matches!(answer, Answer::Fail(_)), "{answer:?}");
    }
    // Whatever became of that request, the next one is judged on its own.
    accepted(lab, &mut client, mechanism)?;
    refused(lab, &mut client, mechanism).map(drop)
}

fn closes_the_connection(lab: &Lab, mechanism: Mechanism) -> Result<(), Failed> {
    for _ in 0..50 {
        let mut client = AuthClient::open(&lab.unix_tap.address)?;
        refused(lab, &mut client, mechanism)?;
    }
    accepted(
        lab,
        &mut AuthClient::open(&lab.unix_tap.address)?,
        mechanism,
    )
}

fn unanswered_challenges(lab: &Lab, mechanism: Mechanism) -> Result<(), Failed> {
    let mut client = AuthClient::open(&lab.unix_tap.address)?;
    let response = lab.logins.response(Login::Expired, mechanism, "HS256");
    for _ in 0..UNANSWERED {
        let id = client.request(mechanism.name(), &response)?;
        // The oldest requests may be given up to make room; this one is answered all the same.
        while client.answer()?.0 != id {}
    }
    let good = lab.logins.response(Login::Good, mechanism, "ES256");
    let id = client.request(mechanism.name(), &good)?;
    loop {
        match client.answer()? {
            (answered, answer) if answered == id => {
                assert_eq!(
                    answer,
                    Answer::Ok {
                        user: USER.to_owned()
                    }
                );
                return Ok(());
            }
            (_, Answer::Fail(_)) => {}
            other => return Err(format!("{other:?}").into()),
        }
    }
}

/// A refused login up to its challenge.
fn refused(lab: &Lab, client: &mut AuthClient, mechanism: Mechanism) -> Result<u32, Failed> {
    let response = lab.logins.response(Login::Expired, mechanism, "ES256");
    let id = client.request(mechanism.name(), &response)?;
    let (answered, answer) = client.answer()?;
    assert_eq!(answered, id);
    let Answer::Continue(challenge) = answer else {
        return Err(format!("{answer:?}").into());
    };
    let challenge: Value = serde_json::from_slice(&challenge)?;
    assert_eq!(challenge, Login::Expired.challenge(mechanism));
    Ok(id)
}

fn accepted(lab: &Lab, client: &mut AuthClient, mechanism: Mechanism) -> Result<(), Failed> {
    let response = lab.logins.response(Login::Good, mechanism, "ES256");
    let id = client.request(mechanism.name(), &response)?;
    assert_eq!(
        client.answer()?,
        (
            id,
            Answer::Ok {
                user: USER.to_owned()
            }
        )
    );
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
