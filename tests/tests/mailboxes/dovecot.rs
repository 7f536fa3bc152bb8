//! Dovecot alone, with its own oauth2 database: what everything else is compared with.

use gatepost_tests::dovecot::Version;
use gatepost_tests::imap::{Answer, Session};
use gatepost_tests::login::{Mechanism, USER};
use gatepost_tests::mailboxes::{Mailboxes, PASSWORD_USER};
use libtest_mimic::Failed;

use crate::Case;

pub(crate) fn cases() -> Vec<Case> {
    let of_version = |version: Version| {
        let name = |rule: &str| format!("dovecot::{version:?}::{rule}");
        [
            Case::new(
                name("a_token_that_the_provider_knows_opens_the_mailbox"),
                move |lab: &Mailboxes| token_opens(lab, version),
            ),
            Case::new(
                name("a_token_of_another_is_refused_for_good"),
                move |lab: &Mailboxes| token_of_another(lab, version),
            ),
            Case::new(
                name("a_password_opens_the_mailbox"),
                move |lab: &Mailboxes| password_opens(lab, version),
            ),
        ]
    };
    Version::ALL.into_iter().flat_map(of_version).collect()
}

fn token_opens(lab: &Mailboxes, version: Version) -> Result<(), Failed> {
    for mechanism in Mechanism::ALL {
        let mut session = Session::open(&lab.dovecot(version).imap())?;
        let response = mechanism.response("token");
        let login = session.authenticate(mechanism.name(), &response, mechanism.answer())?;
        expect(&login, true)?;
        expect(&session.command("SELECT INBOX")?, true)?;
    }
    Ok(())
}

fn token_of_another(lab: &Mailboxes, version: Version) -> Result<(), Failed> {
    for mechanism in Mechanism::ALL {
        let mut session = Session::open(&lab.dovecot(version).imap())?;
        let response = String::from_utf8(mechanism.response("token"))?;
        let response = response.replace(USER, "bob@example.test");
        let login =
            session.authenticate(mechanism.name(), response.as_bytes(), mechanism.answer())?;
        expect(&login, false)?;
        if !login.text.starts_with("[AUTHENTICATIONFAILED]") {
            return Err(login.text.into());
        }
    }
    Ok(())
}

fn password_opens(lab: &Mailboxes, version: Version) -> Result<(), Failed> {
    let (user, password) = PASSWORD_USER;
    let mut session = Session::open(&lab.dovecot(version).imap())?;
    expect(
        &session.command(&format!("LOGIN {user} \"{password}\""))?,
        true,
    )?;
    expect(&session.command("SELECT INBOX")?, true)
}

fn expect(answer: &Answer, is_ok: bool) -> Result<(), Failed> {
    if answer.is_ok == is_ok {
        return Ok(());
    }
    Err(format!("{answer:?}").into())
}
