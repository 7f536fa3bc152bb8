//! Dovecot's own oauth2 database, which asks Gatepost's HTTP face instead of a provider: one URL is all that
//! changes, as with docker-mailserver's `OAUTH2_INTROSPECTION_URL`.

use gatepost_tests::dovecot::{Dovecot, Version};
use gatepost_tests::imap::{Answer, Session};
use gatepost_tests::login::{Login, Mechanism, USER};
use gatepost_tests::mailboxes::{Judge, Mailboxes};
use libtest_mimic::Failed;

use crate::Case;

pub(crate) fn cases() -> Vec<Case> {
    Version::ALL.into_iter().flat_map(of_version).collect()
}

fn of_version(version: Version) -> Vec<Case> {
    let case = |rule: &str, check: fn(&Mailboxes, &Dovecot) -> Result<(), Failed>| {
        Case::new(format!("face::{version:?}::{rule}"), move |lab: &Mailboxes| {
            check(lab, lab.dovecot_that_asks(version, Judge::Face))
        })
    };
    vec![
        case("a_good_token_opens_the_mailbox", good_token),
        case("a_bad_token_is_no_temporary_failure", bad_tokens),
        case("a_token_of_any_bytes_is_a_bad_token", any_bytes),
    ]
}

fn good_token(lab: &Mailboxes, dovecot: &Dovecot) -> Result<(), Failed> {
    for mechanism in Mechanism::ALL {
        let mut session = Session::open(&dovecot.imap())?;
        let token = lab.logins.token(Login::Good, "ES256");
        let login = authenticate(&mut session, mechanism, &mechanism.response(&token))?;
        println!("{mechanism:?} {login:?}");
        if !login.is_ok {
            return Err(format!("{login:?}").into());
        }
        session.command("SELECT INBOX")?;
    }
    Ok(())
}

fn bad_tokens(lab: &Mailboxes, dovecot: &Dovecot) -> Result<(), Failed> {
    for mechanism in Mechanism::ALL {
        for login in Login::BAD.into_iter().filter(|login| *login != Login::Malformed) {
            let mut session = Session::open(&dovecot.imap())?;
            let token = lab.logins.token(login, "ES256");
            let answer = authenticate(&mut session, mechanism, &mechanism.response(&token))?;
            println!("{login:?} {mechanism:?} {answer:?} {:?}", answer.challenge.as_ref().map(|c| String::from_utf8_lossy(c).into_owned()));
        }
    }
    Ok(())
}

fn any_bytes(lab: &Mailboxes, dovecot: &Dovecot) -> Result<(), Failed> {
    for mechanism in Mechanism::ALL {
        for byte in (2..=255u8).filter(|b| !b.is_ascii_alphanumeric()) {
            let mut session = Session::open(&dovecot.imap())?;
            let mut response = mechanism.response("tXt");
            for b in &mut response { if *b == b'X' { *b = byte; } }
            let answer = authenticate(&mut session, mechanism, &response)?;
            println!("{byte} {mechanism:?} {answer:?} {:?}", answer.challenge.as_ref().map(|c| String::from_utf8_lossy(c).into_owned()));
        }
    }
    let _ = (lab, USER);
    Ok(())
}

fn authenticate(session: &mut Session, mechanism: Mechanism, response: &[u8]) -> Result<Answer, Failed> {
    Ok(session.authenticate(mechanism.name(), response, mechanism.answer())?)
}
