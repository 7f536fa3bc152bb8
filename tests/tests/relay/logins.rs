//! Tokens and passwords side by side, over every protocol that Dovecot and Postfix log in for.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_tests::daemon::wait_until;
use gatepost_tests::dovecot::Version;
use gatepost_tests::imap;
use gatepost_tests::login::{Login, Mechanism, USER};
use gatepost_tests::relayed::{OPAQUE, PASSWORD_USER, Relayed, Site};
use gatepost_tests::smtp::{self, InitialResponse};
use gatepost_tests::stream::{Address, Talk};
use libtest_mimic::Failed;

use crate::Case;

/// Somebody who logs in: the mechanism and its response, and what a client answers to a failure.
pub(crate) struct Credentials {
    mechanism: &'static str,
    response: Vec<u8>,
    answer: &'static str,
}

impl Credentials {
    pub(crate) fn token(lab: &Relayed, login: Login, mechanism: Mechanism) -> Self {
        Self {
            mechanism: mechanism.name(),
            response: lab.logins.response(login, mechanism, "ES256"),
            answer: mechanism.answer(),
        }
    }

    pub(crate) fn password(user: &str, password: &str) -> Self {
        Self {
            mechanism: "PLAIN",
            response: format!("\0{user}\0{password}").into_bytes(),
            answer: "",
        }
    }

    fn good(lab: &Relayed) -> [Self; 3] {
        let (user, password) = PASSWORD_USER;
        let [first, second] =
            Mechanism::ALL.map(|mechanism| Self::token(lab, Login::Good, mechanism));
        [first, Self::password(user, password), second]
    }

    fn bad(lab: &Relayed) -> [Self; 3] {
        let [first, second] =
            Mechanism::ALL.map(|mechanism| Self::token(lab, Login::Expired, mechanism));
        [first, Self::password(PASSWORD_USER.0, "guessed"), second]
    }

    fn encoded(&self) -> String {
        STANDARD.encode(&self.response)
    }
}

pub(crate) fn cases() -> Vec<Case> {
    type Check = fn(&Relayed, &Site) -> Result<(), Failed>;
    let rules: [(&str, Check); 7] = [
        (
            "imap_opens_the_mailbox_of_a_token_and_of_a_password",
            imap_opens,
        ),
        (
            "imap_says_why_a_token_is_refused_and_refuses_a_wrong_password",
            imap_refuses,
        ),
        ("pop3_takes_tokens_and_passwords", pop3),
        ("submission_takes_tokens_and_passwords", submission),
        ("managesieve_takes_tokens_and_passwords", sieve),
        ("postfix_takes_tokens_and_passwords", postfix),
        ("many_log_in_at_the_same_time", at_once),
    ];
    let of_version = |version: Version| {
        rules.map(|(rule, check)| {
            let name = format!("logins::{version:?}::{rule}");
            Case::new(name, move |lab: &Relayed| check(lab, lab.site(version)))
        })
    };
    let mut cases: Vec<Case> = Version::ALL.into_iter().flat_map(of_version).collect();
    cases.push(Case::new(
        "logins::invariant_7_strangers_on_the_one_connection_of_imap_login_delay_nobody",
        |lab: &Relayed| beside_strangers(lab, lab.site(Version::V2_3)),
    ));
    cases
}

pub(crate) fn log_in(imap: &Address, credentials: &Credentials) -> Result<imap::Answer, Failed> {
    let mut session = imap::Session::open(imap)?;
    let Credentials {
        mechanism,
        response,
        answer,
    } = credentials;
    let login = session.authenticate(mechanism, response, answer)?;
    if login.is_ok {
        // The mail process runs now, and has looked its user up.
        let selected = session.command("SELECT INBOX")?;
        if !selected.is_ok {
            return Err(format!("{selected:?}").into());
        }
    }
    Ok(login)
}

fn imap_opens(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    let imap = site.dovecot().imap();
    for credentials in Credentials::good(lab) {
        let login = log_in(&imap, &credentials)?;
        expect(&login, login.is_ok)?;
    }
    Ok(())
}

fn imap_refuses(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    let imap = site.dovecot().imap();
    for credentials in Credentials::bad(lab) {
        let login = log_in(&imap, &credentials)?;
        let is_told = login.challenge.is_some() == (credentials.mechanism != "PLAIN");
        let is_refused = !login.is_ok && login.text.starts_with("[AUTHENTICATIONFAILED]");
        expect(&login, is_refused && is_told)?;
    }
    Ok(())
}

fn pop3(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    for credentials in Credentials::good(lab) {
        let mut session = Talk::open(&site.dovecot().pop3())?;
        let greeting = session.line()?;
        expect(&greeting, greeting.starts_with("+OK"))?;
        let (mechanism, response) = (credentials.mechanism, credentials.encoded());
        let login = session.ask(&format!("AUTH {mechanism} {response}"))?;
        expect(&login, login.starts_with("+OK"))?;
        let listed = session.ask("STAT")?;
        expect(&listed, listed.starts_with("+OK"))?;
    }
    for credentials in Credentials::bad(lab) {
        let mut session = Talk::open(&site.dovecot().pop3())?;
        session.line()?;
        let (mechanism, response) = (credentials.mechanism, credentials.encoded());
        let mut login = session.ask(&format!("AUTH {mechanism} {response}"))?;
        if login.starts_with("+ ") {
            login = session.ask(credentials.answer)?;
        }
        expect(&login, login.starts_with("-ERR [AUTH]"))?;
    }
    Ok(())
}

fn submission(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    let submission = site.dovecot().submission();
    over_smtp(lab, &submission)
}

fn postfix(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    over_smtp(lab, &site.postfix())
}

fn over_smtp(lab: &Relayed, server: &Address) -> Result<(), Failed> {
    for (all, code) in [(Credentials::good(lab), 235), (Credentials::bad(lab), 535)] {
        for credentials in all {
            for when in [
                InitialResponse::WithCommand,
                InitialResponse::AfterChallenge,
            ] {
                let mut session = smtp::Session::open(server)?;
                let Credentials {
                    mechanism,
                    response,
                    answer,
                } = &credentials;
                let login = session.authenticate(mechanism, response, when, answer)?;
                expect(&login, login.reply.code == code)?;
            }
        }
    }
    Ok(())
}

fn sieve(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    for (all, is_good) in [
        (Credentials::good(lab), true),
        (Credentials::bad(lab), false),
    ] {
        for credentials in all {
            let mut session = Talk::open(&site.dovecot().sieve())?;
            while !session.line()?.starts_with("OK") {}
            let (mechanism, response) = (credentials.mechanism, credentials.encoded());
            // Longer than a quoted string may be (RFC 5804 section 4).
            let length = response.len();
            let mut login = session.ask(&format!(
                "AUTHENTICATE \"{mechanism}\" {{{length}+}}\r\n{response}"
            ))?;
            if login.starts_with('"') || login.starts_with('{') {
                login = session.ask(&format!("\"{}\"", credentials.answer))?;
            }
            while !login.starts_with("OK") && !login.starts_with("NO") {
                login = session.line()?;
            }
            expect(&login, login.starts_with("OK") == is_good)?;
            if is_good {
                let listed = session.ask("LISTSCRIPTS")?;
                expect(&listed, !listed.starts_with("NO"))?;
            }
        }
    }
    Ok(())
}

/// N1: Dovecot 2.3 has one process for all clients, and it has one connection.
fn beside_strangers(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    const STRANGERS: usize = 30;
    let imap = &site.dovecot().imap();
    let answered = &AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let strangers: Vec<_> = (0..STRANGERS)
            .map(|number| {
                scope.spawn(move || {
                    let response = format!("user={USER}\x01auth=Bearer opaque-{number}\x01\x01");
                    let mut session = imap::Session::open(imap)?;
                    let login = session.authenticate("XOAUTH2", response.as_bytes(), "");
                    answered.fetch_add(1, Ordering::Relaxed);
                    login
                })
            })
            .collect();
        wait_until("the strangers' questions", || {
            lab.slow.seen(OPAQUE).len() >= STRANGERS
        })?;
        let good = Credentials::token(lab, Login::Good, Mechanism::ALL[0]);
        let login = log_in(imap, &good)?;
        expect(&login, login.is_ok)?;
        assert_eq!(
            answered.load(Ordering::Relaxed),
            0,
            "it has waited for strangers"
        );
        for stranger in strangers {
            let login = stranger.join().map_err(|_| "a thread has panicked")??;
            expect(&login, !login.is_ok)?;
        }
        Ok(())
    })
}

fn at_once(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    let imap = &site.dovecot().imap();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).flat_map(|_| Credentials::good(lab)).collect();
        let logins: Vec<_> = all
            .into_iter()
            .map(|credentials| scope.spawn(move || log_in(imap, &credentials)))
            .collect();
        for login in logins {
            let login = login.join().map_err(|_| "a thread has panicked")??;
            expect(&login, login.is_ok)?;
        }
        Ok(())
    })
}

pub(crate) fn expect(what: &impl std::fmt::Debug, is_so: bool) -> Result<(), Failed> {
    if is_so {
        return Ok(());
    }
    Err(format!("{what:?} of {USER}").into())
}
