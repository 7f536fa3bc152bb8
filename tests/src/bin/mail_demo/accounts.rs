//! The second act: canaille pushes a user over SCIM, who gets mail without ever having logged in.

use std::io;

use gatepost_tests::daemon::wait_until;
use gatepost_tests::dovecot::Version;
use gatepost_tests::provisioned::{Provisioned, SMTP};
use gatepost_tests::smtp::{Reply, Session};
use gatepost_tests::stream::Address;

const ANNA: &str = "anna@d23.test";

/// How a recipient is taken, and how one who is unknown is refused.
const TAKEN: u16 = 250;
const UNKNOWN: u16 = 550;

/// Shows it; whether everything came as it should.
pub(super) fn show() -> io::Result<bool> {
    let lab = Provisioned::open()?;
    println!(
        "\nUsers before their first login: canaille, an identity provider, pushes them over SCIM to a Gatepost that \
         Postfix and Dovecot ask who exists.\n"
    );
    let mut is_right = true;
    let mut line = |what: &str, came: &str, expected: bool| {
        let mark = if expected { "" } else { "  <- WRONG" };
        println!("{what:<34} {came}{mark}");
        is_right &= expected;
    };
    // Somebody has to be known: of nobody at all, mail is to come again.
    create(&lab, "carol")?;
    wait_until("somebody", || {
        recipient("carol@d23.test").is_ok_and(|reply| reply.code == TAKEN)
    })?;
    let mut rcpt = |what: &str, code: u16| {
        let reply = recipient(ANNA)?;
        line(
            what,
            &format!("{} {}", reply.code, reply.text),
            reply.code == code,
        );
        Ok::<_, io::Error>(())
    };
    rcpt("SMTP, to Anna, who is not there", UNKNOWN)?;
    create(&lab, "anna")?;
    rcpt("SMTP, once canaille has made her", TAKEN)?;
    send()?;
    let home = lab.doveadm(Version::V2_3, &["user", "-f", "home", ANNA])?;
    let id = home.trim().rsplit('/').next().unwrap_or_default();
    wait_until("the message", || {
        let inbox = lab.inbox(Version::V2_3, id).unwrap_or_default();
        inbox.iter().any(|message| message.contains("Welcome"))
    })?;
    let everybody = lab.doveadm(Version::V2_3, &["user", "*@d23.test"])?;
    println!("{:<34} the message", "Dovecot, her inbox, no login yet");
    println!(
        "{:<34} {}",
        "Dovecot, doveadm user",
        everybody.trim().replace('\n', " ")
    );
    lab.canaille()?
        .run(&["delete", "user", "--user-name", "anna", "--noconfirm"])?;
    rcpt("SMTP, once she is deleted", UNKNOWN)?;
    if !is_right {
        for (name, log) in lab.logs() {
            println!("{name}:\n{log}");
        }
    }
    Ok(is_right)
}

/// Has canaille make a user, whom it pushes before it ends.
fn create(lab: &Provisioned, name: &str) -> io::Result<()> {
    let address = format!("{name}@d23.test");
    let user = [
        "--user-name",
        name,
        "--family-name",
        "Doe",
        "--emails",
        &address,
    ];
    let done = lab
        .canaille()?
        .run(&[&["create", "user"], &user[..]].concat())?;
    if done.said.contains("WARNING in client") {
        return Err(io::Error::other(done.said));
    }
    Ok(())
}

/// What Postfix says to a recipient.
fn recipient(address: &str) -> io::Result<Reply> {
    let mut session = Session::open(&Address::port(SMTP))?;
    session.command("MAIL FROM:<>")?;
    session.command(&format!("RCPT TO:<{address}>"))
}

fn send() -> io::Result<()> {
    let mut session = Session::open(&Address::port(SMTP))?;
    for line in ["MAIL FROM:<>", &format!("RCPT TO:<{ANNA}>"), "DATA"] {
        session.command(line)?;
    }
    session.command("Subject: Welcome\r\n\r\nYou have mail.\r\n.")?;
    Ok(())
}
