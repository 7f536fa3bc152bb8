//! Who exists: what mail processes, `doveadm` and Postfix are told.

use gatepost_tests::daemon::wait_until;
use gatepost_tests::dovecot::Version;
use gatepost_tests::login::{Login, Mechanism, USER};
use gatepost_tests::relayed::{PASSWORD_USER, Relayed, Site};
use gatepost_tests::smtp::{InitialResponse, Session};
use gatepost_tests::stream::{Address, Talk};
use libtest_mimic::Failed;

use crate::Case;
use crate::logins::{Credentials, expect, log_in as log_in_imap};

pub(crate) fn cases() -> Vec<Case> {
    type Check = fn(&Relayed, &Site) -> Result<(), Failed>;
    let rules: [(&str, Check); 5] = [
        ("doveadm_finds_users_and_lists_them", doveadm),
        ("lmtp_takes_mail_for_users_and_refuses_it_for_nobody", lmtp),
        (
            "postfix_takes_mail_for_users_and_refuses_it_for_nobody",
            recipients,
        ),
        ("postfix_lets_nobody_send_in_another_s_name", senders),
        ("mail_sent_with_a_token_arrives", delivery),
    ];
    let of_version = |version: Version| {
        rules.map(|(rule, check)| {
            let name = format!("users::{version:?}::{rule}");
            Case::new(name, move |lab: &Relayed| check(lab, lab.site(version)))
        })
    };
    let mut cases: Vec<_> = Version::ALL.into_iter().flat_map(of_version).collect();
    cases.extend(Version::ALL.map(|version| {
        let rule = "users_of_gatepost_s_own_are_dovecot_s";
        Case::new(
            format!("users::{version:?}::{rule}"),
            move |lab: &Relayed| own_users(lab, lab.site_without_users(version)),
        )
    }));
    cases
}

/// Its users are a template's, or a passwd-file's.
fn own_users(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    for mechanism in Mechanism::ALL {
        let credentials = Credentials::token(lab, Login::Good, mechanism);
        let login = log_in_imap(&site.dovecot().imap(), &credentials)?;
        expect(&login, login.is_ok)?;
    }
    let user = site.doveadm(&["user", "Alice@Example.TEST"])?;
    let name = site.dovecot().setup().name;
    let is_told = user.contains("uid\t8\n") && user.contains(&format!("/var/mail/{name}/alice\n"));
    expect(&user, is_told)?;
    is_delivered(site, "nobody@elsewhere.test")
}

fn doveadm(_: &Relayed, site: &Site) -> Result<(), Failed> {
    let user = site.doveadm(&["user", USER])?;
    let has = |name: &str, value: &str| {
        user.lines()
            .any(|line| line.starts_with(name) && line.ends_with(value))
    };
    expect(&user, has("uid", "8") && has("home", "/alice/example.test"))?;
    let listed = site.doveadm(&["user", "*"])?;
    let mut names: Vec<&str> = listed.lines().collect();
    names.sort_unstable();
    expect(
        &names,
        names == [USER, "bob@f23.test", "bob@f24.test", PASSWORD_USER.0],
    )?;
    let nobody = site.doveadm(&["user", "nobody@example.test"]);
    expect(&nobody, nobody.is_err())
}

fn lmtp(_: &Relayed, site: &Site) -> Result<(), Failed> {
    is_delivered(site, "nobody@example.test")
}

fn is_delivered(site: &Site, nobody: &str) -> Result<(), Failed> {
    let mut session = Talk::open(&site.dovecot().lmtp())?;
    session.line()?;
    let mut reply = session.ask("LHLO client.example.test")?;
    while reply.starts_with("250-") {
        reply = session.line()?;
    }
    for (command, code) in [
        ("MAIL FROM:<>".to_owned(), "250 "),
        (format!("RCPT TO:<{USER}>"), "250 "),
        (format!("RCPT TO:<{nobody}>"), "550 5.1.1"),
    ] {
        let reply = session.ask(&command)?;
        expect(&reply, reply.starts_with(code))?;
    }
    Ok(())
}

fn recipients(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    let mut session = log_in(lab, &site.postfix())?;
    for (command, code) in [
        (format!("MAIL FROM:<{USER}>"), 250),
        ("RCPT TO:<carol@example.test>".to_owned(), 250),
        ("RCPT TO:<nobody@example.test>".to_owned(), 550),
        ("RCPT TO:<bob@f24.test>".to_owned(), 250),
    ] {
        let reply = session.command(&command)?;
        expect(&reply, reply.code == code)?;
    }
    Ok(())
}

fn senders(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    let mut session = log_in(lab, &site.postfix())?;
    for (sender, code) in [("carol@example.test", 553), (USER, 250)] {
        session.command(&format!("MAIL FROM:<{sender}>"))?;
        let reply = session.command("RCPT TO:<carol@example.test>")?;
        expect(&reply, reply.code == code)?;
        session.command("RSET")?;
    }
    Ok(())
}

fn delivery(lab: &Relayed, site: &Site) -> Result<(), Failed> {
    let recipient = format!("bob@{}.test", site.dovecot().setup().name);
    let submission = site.dovecot().submission();
    for (server, words) in [
        (site.postfix(), "over Postfix"),
        (submission, "over Dovecot"),
    ] {
        let mut session = log_in(lab, &server)?;
        for (command, code) in [
            (format!("MAIL FROM:<{USER}>"), 250),
            (format!("RCPT TO:<{recipient}>"), 250),
            ("DATA".to_owned(), 354),
            (format!("Subject: {words}\r\n\r\n{words}\r\n."), 250),
        ] {
            let reply = session.command(&command)?;
            expect(&reply, reply.code == code)?;
        }
        wait_until("the message", || {
            let inbox = site.dovecot().inbox(&recipient).unwrap_or_default();
            inbox.iter().any(|message| message.contains(words))
        })?;
    }
    Ok(())
}

fn log_in(lab: &Relayed, server: &Address) -> Result<Session, Failed> {
    let mut session = Session::open(server)?;
    let mechanism = Mechanism::OauthBearer;
    let response = lab.logins.response(Login::Good, mechanism, "ES256");
    let when = InitialResponse::WithCommand;
    let login = session.authenticate(mechanism.name(), &response, when, mechanism.answer())?;
    expect(&login, login.reply.code == 235)?;
    Ok(session)
}
