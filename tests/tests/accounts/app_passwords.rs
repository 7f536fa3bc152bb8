//! Application passwords over every protocol that Dovecot logs in for, each version.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_tests::daemon::wait_until;
use gatepost_tests::dovecot::Version;
use gatepost_tests::imap;
use gatepost_tests::provisioned::{Provisioned, SOURCE, domain};
use gatepost_tests::smtp::{self, InitialResponse};
use gatepost_tests::stream::Talk;
use libtest_mimic::Failed;

use crate::Case;

pub(crate) fn cases() -> Vec<Case> {
    let of_version = |version: Version| {
        let name = format!(
            "app_passwords::{version:?}::each_is_good_for_its_services_until_it_is_revoked"
        );
        Case::new(name, move |lab: &Provisioned| check(lab, version))
    };
    Version::ALL.into_iter().map(of_version).collect()
}

/// Somebody with passwords.
struct User<'l> {
    lab: &'l Provisioned,
    version: Version,
    address: String,
}

impl User<'_> {
    /// Makes a password; gives its number and itself.
    fn issue(&self, words: &[&str]) -> Result<(String, String), Failed> {
        let words = [&["add", &self.address], words].concat();
        let printed = self.lab.gatepost(&["app-password"], &words)?;
        let row = |name| {
            let mut lines = printed.lines();
            let found = lines.find_map(|line| line.strip_prefix(name));
            found.map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        Ok((row("number"), row("password")))
    }

    fn plain(&self, password: &str) -> Vec<u8> {
        format!("\0{}\0{password}", self.address).into_bytes()
    }

    /// Whether each service lets them in: IMAP, POP3, submission, `ManageSieve`.
    fn let_in(&self, password: &str) -> Result<[bool; 4], Failed> {
        let response = self.plain(password);
        let encoded = STANDARD.encode(&response);
        let dovecot = self.lab.dovecot(self.version);
        let mut pop3 = Talk::open(&dovecot.pop3())?;
        pop3.line()?;
        let pop3 = pop3.ask(&format!("AUTH PLAIN {encoded}"))?;
        let mut submission = smtp::Session::open(&dovecot.submission())?;
        let submission =
            submission.authenticate("PLAIN", &response, InitialResponse::WithCommand, "")?;
        let mut sieve = Talk::open(&dovecot.sieve())?;
        while !sieve.line()?.starts_with("OK") {}
        let mut answer = sieve.ask(&format!("AUTHENTICATE \"PLAIN\" \"{encoded}\""))?;
        while !answer.starts_with("OK") && !answer.starts_with("NO") {
            answer = sieve.line()?;
        }
        Ok([
            self.over_imap(password)?,
            pop3.starts_with("+OK"),
            submission.reply.code == 235,
            answer.starts_with("OK"),
        ])
    }

    /// Whether IMAP opens their mailbox.
    fn over_imap(&self, password: &str) -> Result<bool, Failed> {
        let mut session = imap::Session::open(&self.lab.dovecot(self.version).imap())?;
        let login = session.authenticate("PLAIN", &self.plain(password), "")?;
        if login.is_ok {
            let selected = session.command("SELECT INBOX")?;
            assert!(selected.is_ok, "{selected:?}");
        }
        Ok(login.is_ok)
    }
}

fn check(lab: &Provisioned, version: Version) -> Result<(), Failed> {
    let address = format!("otto@{}", domain(version));
    lab.gatepost(&["account"], &["add", &address, "--source", SOURCE])?;
    let otto = User {
        lab,
        version,
        address,
    };
    let (number, all) = otto.issue(&[])?;
    wait_until("the password", || otto.over_imap(&all).unwrap_or_default())?;
    assert_eq!(otto.let_in(&all)?, [true; 4]);
    let (_, reading) = otto.issue(&["--service", "imap", "--service", "pop3"])?;
    let (_, sending) = otto.issue(&["--service", "smtp", "--network", "127.0.0.0/8"])?;
    let (_, editing) = otto.issue(&["--service", "sieve"])?;
    let (_, elsewhere) = otto.issue(&["--network", "10.0.0.0/8"])?;
    let (_, last) = otto.issue(&[])?;
    wait_until("the last", || otto.over_imap(&last).unwrap_or_default())?;
    assert_eq!(otto.let_in(&reading)?, [true, true, false, false]);
    assert_eq!(otto.let_in(&sending)?, [false, false, true, false]);
    assert_eq!(otto.let_in(&editing)?, [false, false, false, true]);
    assert_eq!(otto.let_in(&elsewhere)?, [false; 4]);
    lab.gatepost(&["app-password"], &["revoke", &otto.address, &number])?;
    wait_until("the end", || !otto.over_imap(&all).unwrap_or(true))?;
    let log = lab.daemon().logged();
    for reason in ["wrong_service", "wrong_network", "revoked"] {
        assert!(log.contains(&format!("app_password_{reason}")), "{reason}");
    }
    for password in [&all, &reading, &sending, &editing, &elsewhere] {
        let characters = password.replace('-', "");
        assert!(!log.contains(&**password) && !log.contains(&characters));
        assert!(!lab.is_kept(password)? && !lab.is_kept(&characters)?);
    }
    Ok(())
}
