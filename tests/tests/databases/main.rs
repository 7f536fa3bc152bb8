//! Dovecot's own oauth2 database, of both versions, with Gatepost behind it.

mod doveconf;
mod ext;
mod grammar;
mod http;
mod keys;

use std::process::ExitCode;

use gatepost_tests::cases::{self, Program};
use gatepost_tests::databases::Databases;
use gatepost_tests::dovecot::Dovecot;
use gatepost_tests::imap::{Answer, Session};
use gatepost_tests::login::Mechanism;
use libtest_mimic::Failed;

/// A case in this lab.
type Case = cases::Case<Databases>;

fn main() -> ExitCode {
    Program {
        subject: "everything with Dovecot's own database",
        open: Databases::open,
        cases,
        needs: Vec::new(),
        logs: Databases::logs,
    }
    .main()
}

fn cases() -> Vec<Case> {
    let mut cases = http::cases();
    cases.extend(keys::cases());
    cases.extend(doveconf::cases());
    cases.extend(ext::cases());
    cases
}

/// Logs in over IMAP with a token of any bytes.
fn login(dovecot: &Dovecot, mechanism: Mechanism, token: &[u8]) -> Result<Answer, Failed> {
    let response = mechanism.response("TOKEN");
    let place = response.windows(5).position(|window| window == b"TOKEN");
    let (before, behind) = response.split_at(place.ok_or("a response without a token")?);
    let response = [before, token, &behind[5..]].concat();
    let mut session = Session::open(&dovecot.imap())?;
    Ok(session.authenticate(mechanism.name(), &response, mechanism.answer())?)
}

/// The mailbox opens, or the client is told that its token is bad, and no other thing.
fn expect(answer: &Answer, is_good: bool) -> Result<(), Failed> {
    let challenge = answer.challenge.clone().unwrap_or_default();
    let challenge = String::from_utf8_lossy(&challenge);
    let is_final = answer.text.starts_with("[AUTHENTICATIONFAILED]")
        && (challenge.is_empty()
            || challenge.contains("invalid_token")
            || challenge.contains("401"));
    if answer.is_ok == is_good && (is_good || is_final) {
        return Ok(());
    }
    Err(format!("{} {challenge}", answer.text).into())
}
