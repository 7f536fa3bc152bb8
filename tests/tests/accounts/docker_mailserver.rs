//! docker-mailserver, as far as its Postfix and its Dovecot go: what its page says to write makes mailboxes for users that
//! none of its files has.

use std::time::{SystemTime, UNIX_EPOCH};

use gatepost_tests::daemon::wait_until;
use gatepost_tests::dovecot::Version;
use gatepost_tests::imap::Session;
use gatepost_tests::login::{AUDIENCE, ISSUER, Mechanism};
use gatepost_tests::provisioned::{Provisioned, SOURCE, domain};
use libtest_mimic::Failed;
use serde_json::json;

use crate::Case;
use crate::pushed::deliver;

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new(
        "docker_mailserver::who_is_in_none_of_its_files_gets_mail_and_logs_in".to_owned(),
        users,
    )]
}

fn users(lab: &Provisioned) -> Result<(), Failed> {
    for version in Version::ALL {
        let domain = domain(version);
        let (fritz, alias) = (format!("fritz@{domain}"), format!("f@{domain}"));
        let nobody = format!("nobody@{domain}");
        let subject = format!("fritz-{version:?}");
        let words = ["--source", SOURCE, "--alias", &alias, "--external-id"];
        let arguments = [&["add", &*fritz], &words[..], &[&*subject]].concat();
        lab.gatepost(&["account"], &arguments)?;
        let asked = |setting: &str, key: &str| lab.docker_postfix(setting, key).unwrap_or_default();
        wait_until("the maps", || {
            asked("virtual_mailbox_maps", &fritz) == fritz
        })?;
        assert_ne!(asked("virtual_mailbox_domains", domain), "");
        assert_eq!(asked("virtual_mailbox_maps", &nobody), "");
        assert_eq!(asked("virtual_alias_maps", &alias), fritz);

        let dovecot = lab.docker_dovecot(version)?;
        deliver(&dovecot.lmtp(), &fritz, "before any login")?;
        let log_in = |subject: &str, user: &str| -> Result<(Session, bool), Failed> {
            let token = token(lab, subject, user);
            let response = format!("user={user}\x01auth=Bearer {token}\x01\x01");
            let mut session = Session::open(&dovecot.imap())?;
            let name = Mechanism::Xoauth2.name();
            let is_in = session.authenticate(name, response.as_bytes(), "")?.is_ok;
            Ok((session, is_in))
        };
        let (mut session, is_in) = log_in(&subject, &fritz)?;
        assert!(is_in, "{version:?}: {}", dovecot.logged());
        let inbox = session.command("SELECT INBOX")?;
        assert!(
            inbox.untagged.contains(&"* 1 EXISTS".to_owned()),
            "{inbox:?}"
        );
        let (_, is_in) = log_in("somebody", &nobody)?;
        assert!(!is_in, "{version:?}: who has no account is in");
        lab.gatepost(&["account"], &["disable", &fritz])?;
        wait_until("the end of logins", || {
            log_in(&subject, &fritz).is_ok_and(|(_, is_in)| !is_in)
        })?;
    }
    Ok(())
}

fn token(lab: &Provisioned, subject: &str, email: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "email": email, "iat": now, "exp": now + 600,
    });
    lab.issuer.sign("ES256", &claims)
}
