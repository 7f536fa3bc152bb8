//! canaille pushes people and groups. Nobody of them ever logs in: there is a mailbox for each at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use gatepost_tests::canaille::Done;
use gatepost_tests::daemon::wait_until;
use gatepost_tests::dovecot::Version;
use gatepost_tests::provisioned::{LIST, Provisioned, SMTP, domain};
use gatepost_tests::smtp::Session;
use gatepost_tests::stream::{Address, Talk};
use libtest_mimic::Failed;

use crate::Case;

/// The ids of the accounts of those who have been pushed, by their names.
static KNOWN: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, check: fn(&Provisioned) -> Result<(), Failed>| {
        Case::new(format!("pushed::{name}"), check)
    };
    vec![
        case("who_was_pushed_has_a_mailbox_before_any_login", created),
        case("lmtp_delivers_to_whom_was_pushed_and_refuses_others", lmtp),
        case("who_gets_another_address_keeps_the_mailbox", changed),
        case("who_is_locked_gets_mail_and_sends_none", locked),
        case(
            "a_group_is_a_distribution_list_and_dovecot_s_acl_hears_of_it",
            group,
        ),
        case(
            "who_is_deleted_is_unknown_and_leaves_nothing_to_who_follows",
            deleted,
        ),
        case("what_was_pushed_survives_a_kill_of_gatepost", killed),
        case("no_password_of_the_provider_s_is_kept_or_logged", secrets),
    ]
}

/// A person of that name, pushed once, whose mail goes to the Dovecot of a version.
struct Person {
    name: String,
    address: String,
    version: Version,
}

impl Person {
    fn push(lab: &Provisioned, name: &str, version: Version) -> Result<Self, Failed> {
        let name = format!("{name}{}", if version == Version::V2_3 { 23 } else { 24 });
        let address = format!("{name}@{}", domain(version));
        let person = Self {
            name,
            address,
            version,
        };
        let is_known = known().contains_key(&person.name);
        if !is_known {
            let names = ["--user-name", &person.name, "--family-name", "Doe"];
            let rest = ["--emails", &person.address, "--password", PASSWORD];
            run(lab, &[&["create", "user"], &names[..], &rest].concat())?;
            let id = id(lab, version, &person.address)?;
            known().insert(person.name.clone(), id);
        }
        Ok(person)
    }

    /// The id of their account.
    fn id(&self) -> String {
        known().get(&self.name).cloned().unwrap_or_default()
    }

    /// Sends a message to `address`, and waits until it is in their mailbox.
    fn gets(&self, lab: &Provisioned, address: &str, words: &str) -> Result<(), Failed> {
        send(address, words)?;
        self.has(lab, words)
    }

    fn has(&self, lab: &Provisioned, words: &str) -> Result<(), Failed> {
        let is_there = || {
            let inbox = lab.inbox(self.version, &self.id()).unwrap_or_default();
            inbox.iter().any(|message| message.contains(words))
        };
        Ok(wait_until("the message", is_there)?)
    }
}

/// What canaille hashes, and pushes the hash of.
const PASSWORD: &str = "correct-horse-battery-staple";

fn known() -> std::sync::MutexGuard<'static, BTreeMap<String, String>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a command of canaille's that pushes; a push that fails is a warning of its own.
fn run(lab: &Provisioned, arguments: &[&str]) -> Result<Done, Failed> {
    let done = lab.canaille()?.run(arguments)?;
    if done.said.contains("WARNING in client") || done.said.contains("not supported by client") {
        return Err(done.said.into());
    }
    Ok(done)
}

/// The id of the account with that mailbox, by which its home is named.
fn id(lab: &Provisioned, version: Version, address: &str) -> Result<String, Failed> {
    let mut id = String::new();
    wait_until("the account", || {
        let home = lab.doveadm(version, &["user", "-f", "home", address]);
        let home = home.unwrap_or_default();
        let last = home.trim().rsplit('/').next();
        last.unwrap_or_default().clone_into(&mut id);
        !id.is_empty()
    })?;
    Ok(id)
}

/// What Postfix says to a recipient.
fn recipient(address: &str) -> Result<u16, Failed> {
    let mut session = Session::open(&Address::port(SMTP))?;
    session.command("MAIL FROM:<>")?;
    Ok(session.command(&format!("RCPT TO:<{address}>"))?.code)
}

fn send(address: &str, words: &str) -> Result<(), Failed> {
    let mut session = Session::open(&Address::port(SMTP))?;
    for (command, code) in [
        ("MAIL FROM:<>".to_owned(), 250),
        (format!("RCPT TO:<{address}>"), 250),
        ("DATA".to_owned(), 354),
        (format!("Subject: {words}\r\n\r\n{words}\r\n."), 250),
    ] {
        let reply = session.command(&command)?;
        assert_eq!(reply.code, code, "{command}: {reply:?}");
    }
    Ok(())
}

/// Whom Dovecot lists.
fn listed(lab: &Provisioned, version: Version) -> Result<Vec<String>, Failed> {
    let listed = lab.doveadm(version, &["user", "*"])?;
    Ok(listed.lines().map(str::to_owned).collect())
}

fn created(lab: &Provisioned) -> Result<(), Failed> {
    for version in Version::ALL {
        let anna = Person::push(lab, "anna", version)?;
        assert_eq!(recipient(&format!("nobody@{}", domain(version)))?, 550);
        anna.gets(lab, &anna.address, "before any login")?;
        let tagged = anna.address.replace('@', "+shop@");
        anna.gets(lab, &tagged, "with an extension")?;
    }
    for version in Version::ALL {
        let listed = listed(lab, version)?;
        for name in ["anna23@d23.test", "anna24@d24.test"] {
            assert!(
                listed.iter().any(|one| one == name),
                "{version:?}: {listed:?}"
            );
        }
        assert!(lab.doveadm(version, &["user", "nobody@d23.test"]).is_err());
    }
    Ok(())
}

fn lmtp(lab: &Provisioned) -> Result<(), Failed> {
    for version in Version::ALL {
        let anna = Person::push(lab, "anna", version)?;
        let server = lab.dovecot(version).lmtp();
        let nobody = format!("nobody@{}", domain(version));
        let (_, reply) = begin(&server, &nobody)?;
        assert!(reply.starts_with("550 5.1.1"), "{reply}");
        deliver(&server, &anna.address, "by LMTP alone")?;
        anna.has(lab, "by LMTP alone")?;
    }
    Ok(())
}

/// Delivers a message by LMTP.
pub(crate) fn deliver(server: &Address, recipient: &str, words: &str) -> Result<(), Failed> {
    let (mut session, reply) = begin(server, recipient)?;
    assert!(reply.starts_with("250 "), "{reply}");
    for (command, code) in [
        ("DATA".to_owned(), "354 "),
        (format!("Subject: direct\r\n\r\n{words}\r\n."), "250 "),
    ] {
        let reply = session.ask(&command)?;
        assert!(reply.starts_with(code), "{command}: {reply}");
    }
    Ok(())
}

/// A session of LMTP, and what it says to a recipient.
fn begin(server: &Address, recipient: &str) -> Result<(Talk, String), Failed> {
    let mut session = Talk::open(server)?;
    session.line()?;
    let mut reply = session.ask("LHLO client.example.test")?;
    while reply.starts_with("250-") {
        reply = session.line()?;
    }
    session.ask("MAIL FROM:<>")?;
    let reply = session.ask(&format!("RCPT TO:<{recipient}>"))?;
    Ok((session, reply))
}

fn changed(lab: &Provisioned) -> Result<(), Failed> {
    for version in Version::ALL {
        let ben = Person::push(lab, "ben", version)?;
        ben.gets(lab, &ben.address, "to the old address")?;
        let new = format!("ben.new@{}", domain(version));
        run(lab, &["set", "user", &ben.name, "--emails", &new])?;
        wait_until("the new address", || {
            recipient(&new).is_ok_and(|code| code == 250)
        })?;
        assert_eq!(recipient(&ben.address)?, 550);
        ben.gets(lab, &new, "to the new address")?;
        assert_eq!(id(lab, version, &new)?, ben.id());
        ben.has(lab, "to the old address")?;
    }
    Ok(())
}

/// Who may send as an address, as Postfix hears it.
fn senders(lab: &Provisioned, address: &str) -> Result<String, Failed> {
    Ok(lab.postfix.look_up("gatepost-map:sender_login", address)?)
}

fn locked(lab: &Provisioned) -> Result<(), Failed> {
    let cara = Person::push(lab, "cara", Version::V2_3)?;
    assert_eq!(senders(lab, &cara.address)?, cara.address);
    let since = "2020-01-01T00:00:00+00:00";
    run(lab, &["set", "user", &cara.name, "--lock-date", since])?;
    wait_until("the lock", || {
        senders(lab, &cara.address).is_ok_and(|found| found.is_empty())
    })?;
    cara.gets(lab, &cara.address, "to somebody who left")
}

fn group(lab: &Provisioned) -> Result<(), Failed> {
    let (group, list) = LIST;
    let [first, second] = Version::ALL.map(|version| Person::push(lab, "dora", version));
    let (first, second) = (first?, second?);
    assert_eq!(recipient(list)?, 550);
    let members = ["--members", &first.name, "--members", &second.name];
    run(
        lab,
        &[&["create", "group", "--display-name", group], &members[..]].concat(),
    )?;
    wait_until("the list", || recipient(list).is_ok_and(|code| code == 250))?;
    send(list, "to all of the staff")?;
    for dora in [&first, &second] {
        dora.has(lab, "to all of the staff")?;
        let groups = lab.doveadm(dora.version, &["user", "-f", "acl_groups", &dora.address])?;
        assert_eq!(groups.trim(), group);
    }
    assert!(senders(lab, list)?.contains(&second.address));
    run(lab, &["set", "group", group, "--members", &first.name])?;
    wait_until("the smaller list", || {
        senders(lab, list).is_ok_and(|found| found == first.address)
    })?;
    first.gets(lab, list, "to one who is left")?;
    run(
        lab,
        &["delete", "group", "--display-name", group, "--noconfirm"],
    )?;
    wait_until("the end of the list", || {
        recipient(list).is_ok_and(|code| code == 550)
    })?;
    Ok(())
}

fn deleted(lab: &Provisioned) -> Result<(), Failed> {
    for version in Version::ALL {
        let emma = Person::push(lab, "emma", version)?;
        emma.gets(lab, &emma.address, "the first emma's")?;
        run(
            lab,
            &["delete", "user", "--user-name", &emma.name, "--noconfirm"],
        )?;
        wait_until("the deletion", || {
            recipient(&emma.address).is_ok_and(|code| code == 550)
        })?;
        assert!(!listed(lab, version)?.contains(&emma.address));
        emma.has(lab, "the first emma's")?;
        let first = known().remove(&emma.name).unwrap_or_default();
        let another = Person::push(lab, "emma", version)?;
        assert_ne!(another.id(), first);
        another.gets(lab, &another.address, "the second emma's")?;
        let inbox = lab.inbox(version, &another.id())?;
        assert!(!inbox.concat().contains("the first emma's"), "{inbox:?}");
    }
    Ok(())
}

fn killed(lab: &Provisioned) -> Result<(), Failed> {
    for version in Version::ALL {
        let anna = Person::push(lab, "anna", version)?;
        lab.kill_daemon()?;
        wait_until("the maps", || {
            recipient(&anna.address).is_ok_and(|code| code == 250)
        })?;
        assert_eq!(recipient(&format!("nobody@{}", domain(version)))?, 550);
        anna.gets(lab, &anna.address, "after the kill")?;
    }
    Ok(())
}

fn secrets(lab: &Provisioned) -> Result<(), Failed> {
    let anna = Person::push(lab, "anna", Version::V2_3)?;
    let shown = lab.gatepost(&["account"], &["show", &anna.address])?;
    for text in [&shown, &lab.daemon().logged()] {
        assert!(
            !text.contains("pbkdf2") && !text.contains(PASSWORD),
            "{text}"
        );
    }
    assert!(!lab.is_kept("pbkdf2")?, "a hash is in the database");
    Ok(())
}
