//! Whatever is started again, logins go on.

use gatepost_tests::daemon::wait_until;
use gatepost_tests::dovecot::Version;
use gatepost_tests::login::{Login, Mechanism};
use gatepost_tests::relayed::{PASSWORD_USER, Relayed, Site};
use gatepost_tests::smtp::{InitialResponse, Session};
use libtest_mimic::Failed;

use crate::Case;
use crate::logins::{Credentials, expect, log_in};

pub(crate) fn cases() -> Vec<Case> {
    type Check = fn(&Relayed, &Site) -> Result<(), Failed>;
    let rules: [(&str, Check); 4] = [
        ("a_restart_of_gatepost_costs_no_login_after_it", gatepost),
        (
            "an_end_of_dovecot_s_auth_process_costs_no_login_after_it",
            auth_process,
        ),
        (
            "a_postfix_that_stays_connected_finds_dovecot_again",
            connected,
        ),
        ("a_restart_of_dovecot_costs_no_login_after_it", dovecot),
    ];
    let of_version = |version: Version| {
        rules.map(|(rule, check)| {
            let name = format!("restarts::{version:?}::{rule}");
            Case::new(name, move |lab: &Relayed| check(lab, lab.site(version)))
        })
    };
    Version::ALL.into_iter().flat_map(of_version).collect()
}

/// Both kinds of credentials open the mailbox, at the first attempt if `at_once`.
fn both_log_in(lab: &Relayed, site: &Site, at_once: bool) -> Result<(), Failed> {
    let imap = site.dovecot().imap();
    let (user, password) = PASSWORD_USER;
    for credentials in [
        Credentials::token(lab, Login::Good, Mechanism::Xoauth2),
        Credentials::password(user, password),
    ] {
        if !at_once {
            wait_until("a login", || {
                log_in(&imap, &credentials).is_ok_and(|login| login.is_ok)
            })?;
        }
        let login = log_in(&imap, &credentials)?;
        expect(&login, login.is_ok)?;
    }
    Ok(())
}

fn gatepost(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    both_log_in(lab, site, true)?;
    site.restart_daemon()?;
    both_log_in(lab, site, false)
}

fn auth_process(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    both_log_in(lab, site, true)?;
    site.end_auth_process()?;
    both_log_in(lab, site, false)
}

fn connected(_: &Relayed, site: &Site) -> Result<(), Failed> {
    let (user, password) = PASSWORD_USER;
    let response = format!("\0{user}\0{password}");
    let log_in = || {
        let mut session = Session::open(&site.postfix())?;
        let when = InitialResponse::WithCommand;
        let login = session.authenticate("PLAIN", response.as_bytes(), when, "")?;
        Ok::<_, std::io::Error>(login.reply.code)
    };
    let code = log_in()?;
    expect(&code, code == 235)?;
    site.end_auth_process()?;
    wait_until("a login", || log_in().is_ok_and(|code| code == 235))?;
    Ok(())
}

fn dovecot(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    site.dovecot().restart()?;
    site.wait_for_greeting()?;
    both_log_in(lab, site, false)
}
