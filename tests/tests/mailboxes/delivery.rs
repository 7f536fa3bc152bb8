//! From a submission with a token to the inbox of another.

use gatepost_tests::daemon::wait_until;
use gatepost_tests::dovecot::Version;
use gatepost_tests::login::{Mechanism, USER};
use gatepost_tests::mailboxes::Mailboxes;
use gatepost_tests::smtp::{InitialResponse, Session};
use gatepost_tests::stream::Address;
use libtest_mimic::Failed;

use crate::Case;

pub(crate) fn cases() -> Vec<Case> {
    let of_version = |version: Version| {
        let name = |rule: &str| format!("delivery::{version:?}::{rule}");
        [
            Case::new(
                name("mail_sent_with_a_token_over_postfix_arrives"),
                move |lab: &Mailboxes| {
                    let postfix = lab.submission(lab.dovecot(version));
                    arrives(lab, version, &postfix, "over Postfix")
                },
            ),
            Case::new(
                name("mail_sent_with_a_token_over_dovecot_arrives"),
                move |lab: &Mailboxes| {
                    let submission = lab.dovecot(version).submission();
                    arrives(lab, version, &submission, "over Dovecot")
                },
            ),
        ]
    };
    Version::ALL.into_iter().flat_map(of_version).collect()
}

fn arrives(lab: &Mailboxes, version: Version, server: &Address, words: &str) -> Result<(), Failed> {
    let dovecot = lab.dovecot(version);
    let recipient = format!("bob@{}.test", dovecot.setup().name);
    let mut session = Session::open(server)?;
    let mechanism = Mechanism::Xoauth2;
    let login = session.authenticate(
        mechanism.name(),
        &mechanism.response("token"),
        InitialResponse::WithCommand,
        mechanism.answer(),
    )?;
    let message = format!("Subject: {words}\r\n\r\n{words}\r\n.");
    let dialogue = [
        (format!("MAIL FROM:<{USER}>"), 250),
        (format!("RCPT TO:<{recipient}>"), 250),
        ("DATA".to_owned(), 354),
        (message, 250),
    ];
    if login.reply.code != 235 {
        return Err(format!("{login:?}").into());
    }
    for (command, code) in dialogue {
        let reply = session.command(&command)?;
        if reply.code != code {
            return Err(format!("{command}: {reply:?}").into());
        }
    }
    wait_until("the message", || {
        let inbox = dovecot.inbox(&recipient).unwrap_or_default();
        inbox.iter().any(|message| message.contains(words))
    })?;
    Ok(())
}
