//! Who exists: users of our own, and what Postfix is told of them.

use super::*;

#[test]
fn users_of_our_own_need_no_dovecot() {
    let daemon = Daemon::start(TempDir::new().unwrap(), USERS);
    let (mut client, greeting) = daemon.auth(77);
    assert_eq!(client.ask(daemon.token(1)), format!("OK\t1\tuser={ALICE}"));
    let mut master = daemon.master();
    assert_eq!(
        master.ask(format!("REQUEST\t1\t77\t1\t{}\n", cookie(&greeting))),
        format!("USER\t1\t{ALICE}\tuid=5000\thome=/v/alice\tauth_mech=XOAUTH2")
    );
    for (asked, answer) in [
        (
            "USER\t2\tBob@EXAMPLE.com\tservice=lmtp\n",
            "USER\t2\tbob@example.com\tuid=5000\thome=/v/bob",
        ),
        ("USER\t3\tbob@example.org\tservice=lmtp\n", "NOTFOUND\t3"),
        ("USER\t4\t../bob@example.com\tservice=lmtp\n", "NOTFOUND\t4"),
        ("PASS\t5\tbob@example.com\tservice=doveadm\n", "NOTFOUND\t5"),
        ("LIST\t6\tuser=*\n", "DONE\t6\tfail"),
    ] {
        assert_eq!(master.ask(asked), answer);
    }
    let mode = |name: &str| {
        fs::metadata(daemon.path(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("gatepost-master"), mode("map")), (0o600, 0o660));
}

#[test]
fn a_passwd_file_is_read_again_when_it_changes_and_kept_when_it_is_gone() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("users");
    fs::write(
        &file,
        "bob@example.com:{PLAIN}s3cret:7:7::/h/bob::\nroot:x:0:0::::\n",
    )
    .unwrap();
    let mut daemon = Daemon::start(root, "[users]\npasswd_file = \"%/users\"\ngid = 9\n");
    let mut master = daemon.master();
    let bob = "USER\t1\tbob@example.com\tuid=7\tgid=7\thome=/h/bob";
    assert_eq!(master.ask("USER\t1\tbob@example.com\tservice=x\n"), bob);
    assert_eq!(master.ask("USER\t2\troot\tservice=x\n"), "NOTFOUND\t2");
    assert_eq!(master.ask("LIST\t3\tuser=*\n"), "LIST\t3\tbob@example.com");
    assert_eq!(master.line(), "DONE\t3");
    fs::write(&file, "carol@example.com:x:8:::::\n").unwrap();
    daemon.serving.wait_for("users read again");
    assert_eq!(
        master.ask("USER\t4\tbob@example.com\tservice=x\n"),
        "NOTFOUND\t4"
    );
    let carol = "USER\t5\tcarol@example.com\tuid=8\tgid=9";
    assert_eq!(master.ask("USER\t5\tcarol@example.com\tservice=x\n"), carol);
    fs::remove_file(&file).unwrap();
    daemon
        .serving
        .wait_for("users not read again: the old ones stay");
    assert_eq!(master.ask("USER\t5\tcarol@example.com\tservice=x\n"), carol);
}

#[test]
fn postfix_is_told_who_gets_mail_and_who_sends_it() {
    let (daemon, dovecot) = with_dovecot();
    let mut map = daemon.connect("map");
    for (request, answer) in [
        ("mailbox bob@example.com", "OK bob@example.com"),
        ("sender_login bob@example.com", "OK bob@example.com"),
        ("mailbox nobody@example.com", "NOTFOUND "),
        ("mailbox @example.com", "NOTFOUND "),
        (
            "mailbox broken@example.com",
            "TEMP users cannot be looked up now",
        ),
        (
            "aliases bob@example.com",
            "PERM there are the maps mailbox and sender_login",
        ),
    ] {
        assert_eq!(look_up(&mut map, request), answer, "{request}");
    }
    drop(dovecot);
    assert_eq!(
        look_up(&mut map, "mailbox bob@example.com"),
        "TEMP users cannot be looked up now"
    );
    let _dovecot = Dovecot::start(daemon.root.path());
    while look_up(&mut map, "mailbox bob@example.com").starts_with("TEMP ") {}
    assert_eq!(
        look_up(&mut map, "mailbox bob@example.com"),
        "OK bob@example.com"
    );

    let daemon = Daemon::start(TempDir::new().unwrap(), USERS);
    let mut map = daemon.connect("map");
    assert_eq!(
        look_up(&mut map, "mailbox Bob@example.com"),
        "OK bob@example.com"
    );
    assert_eq!(
        look_up(&mut map, "sender_login bob@example.org"),
        "NOTFOUND "
    );
}

/// Postfix makes no partial keys of what it asks a socketmap (A18).
#[test]
fn an_address_with_an_extension_is_its_users() {
    let check = |daemon: &Daemon, rows: &[(&str, &str)]| {
        let mut map = daemon.connect("map");
        for (address, user) in rows {
            let expected = match *user {
                "" => "NOTFOUND ".to_owned(),
                user => format!("OK {user}"),
            };
            for name in ["mailbox", "sender_login"] {
                let request = format!("{name} {address}");
                assert_eq!(look_up(&mut map, &request), expected, "{request}");
            }
        }
    };
    let start = |top: &str, tables: &str| {
        let root = TempDir::new().unwrap();
        let users = "bob@example.com:x\nbob+own@example.com:x\nalice:x\n+@example.com:x\n";
        fs::write(root.path().join("users"), users).unwrap();
        Daemon::start_with(root, top, tables)
    };
    let listed = "[users]\npasswd_file = \"%/users\"\n";
    let daemon = start("", listed);
    check(
        &daemon,
        &[
            ("bob@example.com", "bob@example.com"),
            ("Bob+Tag@Example.com", "bob@example.com"),
            ("bob+a+b@example.com", "bob@example.com"),
            ("bob+@example.com", "bob@example.com"),
            // Whoever has a name of his own is himself.
            ("bob+own@example.com", "bob+own@example.com"),
            ("bob+own+tag@example.com", "bob@example.com"),
            ("alice+tag", "alice"),
            ("alice+tag@example.com", ""),
            ("+@example.com", "+@example.com"),
            ("+bob@example.com", ""),
            ("bob-tag@example.com", ""),
            ("carol+tag@example.com", ""),
            ("bob@exa+mple.com", ""),
            ("@example.com", ""),
            ("+tag@example.com", ""),
        ],
    );
    let daemon = start("recipient_delimiter = \"-_\"\n", listed);
    check(
        &daemon,
        &[
            ("bob-tag@example.com", "bob@example.com"),
            ("bob_tag-x@example.com", "bob@example.com"),
            ("bob+tag@example.com", ""),
        ],
    );
    let daemon = start("recipient_delimiter = \"\"\n", listed);
    check(&daemon, &[("bob+tag@example.com", "")]);
    // Where every name exists, nobody is called like an extension.
    let daemon = start("", USERS);
    check(
        &daemon,
        &[
            ("bob+tag@example.com", "bob@example.com"),
            ("+tag@example.com", "+tag@example.com"),
            ("bob+tag@example.org", ""),
        ],
    );
    let (daemon, _dovecot) = with_dovecot();
    check(
        &daemon,
        &[
            ("bob+tag@example.com", "bob@example.com"),
            ("nobody+tag@example.com", ""),
            ("bob@example.com", "bob@example.com"),
        ],
    );
}

/// Puts something in the place of `path` that opens for nobody, as a file on a hung file system does.
fn hang(path: &std::path::Path) {
    fs::remove_file(path).unwrap();
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

/// What hangs for ever is one reading, and not the ones after it.
#[test]
fn a_passwd_file_is_read_again_after_one_that_hung() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("users");
    fs::write(&file, "bob@example.com:x:7:7::/h::\n").unwrap();
    let mut daemon = Daemon::start(root, "[users]\npasswd_file = \"%/users\"\n");
    let mut master = daemon.master();
    for (name, signal) in [("carol", None), ("david", Some("HUP"))] {
        hang(&file);
        daemon
            .serving
            .wait_for("users not read in time: the old ones stay");
        fs::remove_file(&file).unwrap();
        fs::write(&file, format!("{name}@example.com:x:8:8::/h::\n")).unwrap();
        if let Some(signal) = signal {
            daemon.serving.signal(signal);
        }
        daemon.serving.wait_for("users read again");
        assert_eq!(
            master.ask(format!("USER\t1\t{name}@example.com\tservice=x\n")),
            format!("USER\t1\t{name}@example.com\tuid=8\tgid=8\thome=/h")
        );
    }
}

/// A file whose length and time say nothing of its change, as after a copy that keeps times.
#[test]
fn a_signal_has_the_passwd_file_read_again_whatever_its_time_is() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("users");
    fs::write(&file, "carol@example.com:x:7:7::/h::\n").unwrap();
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    let mut daemon = Daemon::start(root, "[users]\npasswd_file = \"%/users\"\n");
    let new = daemon.path("users.new");
    fs::write(&new, "david@example.com:x:7:7::/h::\n").unwrap();
    let opened = fs::File::options().write(true).open(&new).unwrap();
    opened.set_modified(written).unwrap();
    fs::rename(&new, &file).unwrap();
    daemon.serving.signal("HUP");
    daemon.serving.wait_for("users read again");
    assert_eq!(
        daemon
            .master()
            .ask("USER\t1\tdavid@example.com\tservice=x\n"),
        "USER\t1\tdavid@example.com\tuid=7\tgid=7\thome=/h"
    );
}

/// A configuration that hung is no reason to refuse the next one.
#[test]
fn a_configuration_is_read_again_after_one_that_hung() {
    let mut daemon = Daemon::start(TempDir::new().unwrap(), USERS);
    let path = daemon.path("gatepost.toml");
    let text = fs::read_to_string(&path).unwrap();
    hang(&path);
    daemon.serving.signal("HUP");
    daemon
        .serving
        .wait_for("not reloaded: the old configuration stays");
    fs::remove_file(&path).unwrap();
    fs::write(&path, text).unwrap();
    daemon.serving.signal("HUP");
    daemon.serving.wait_for("reloaded");
}
