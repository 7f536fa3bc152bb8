//! What an operator does to the daemon, and what goes wrong around it: logs that nobody reads, signals at any
//! moment, file systems that hang, limits, and a second daemon.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gatepost_tests::mint::Issuer;
use nix::sys::stat;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serving::{Client, PATIENCE, Serving, command, now, refused};
use crate::sockets::{ALICE, Daemon, GOOD, auth, handshake, login};

/// Waits until the daemon whose `NOTIFY_SOCKET` this is says that it is ready.
fn wait_until_ready(notified: &UnixDatagram) {
    notified.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut message = [0; 512];
    loop {
        let length = notified.recv(&mut message).unwrap();
        if String::from_utf8_lossy(&message[..length]).contains("READY=1") {
            return;
        }
    }
}

/// N8: more lines than pipe and queue hold, and nobody who reads them.
#[test]
fn a_log_that_nobody_reads_stops_neither_logins_nor_the_end() {
    const LOGINS: usize = 8000;
    let daemon = Daemon::start("");
    let config = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    let config = config.replace("/auth\"", "/unread\"");
    fs::write(daemon.path("unread.toml"), config).unwrap();
    let notify = daemon.path("notify");
    let notified = UnixDatagram::bind(&notify).unwrap();
    let mut command = command("serve", &daemon.path("unread.toml"));
    command.env("NOTIFY_SOCKET", &notify).stderr(Stdio::piped());
    let mut child = Kill(command.spawn().unwrap());
    let mut unread = BufReader::new(child.0.stderr.take().unwrap());
    wait_until_ready(&notified);
    let token = daemon.token(ALICE);
    let mut client = handshake(Client::unix(&daemon.path("unread")));
    for _ in 0..LOGINS {
        assert_eq!(login(&mut client, 1, ALICE, &token), GOOD);
    }
    // What flows again says what is missing.
    let mut logins = 0;
    let dropped = loop {
        let mut line = String::new();
        assert_ne!(unread.read_line(&mut line).unwrap(), 0, "{logins}");
        let event: Value = serde_json::from_str(&line).unwrap();
        match event["message"].as_str().unwrap() {
            "login" => logins += 1,
            "log lines dropped" => break event["lines"].as_u64().unwrap(),
            _ => {}
        }
    };
    assert!(logins < LOGINS as u64 && dropped > 0, "{logins} {dropped}");
    // Again: the end waits for nobody either.
    for _ in 0..LOGINS {
        assert_eq!(login(&mut client, 1, ALICE, &token), GOOD);
    }
    let id = child.0.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &id]).status();
    assert!(sent.unwrap().success());
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

/// N19: one client in a loop, whose every line is worth one of the log's; a login's line is never left out.
#[test]
fn a_flood_of_lines_is_limited_and_counted_but_for_logins() {
    const LINES: u64 = 3000;
    const LOGINS: usize = 200;
    let daemon = Daemon::start("");
    let token = daemon.token(ALICE);
    let mut client = handshake(daemon.unix());
    for _ in 0..LINES / 100 {
        client.send("CONT\t77\t\n".repeat(100));
        for _ in 0..100 {
            assert!(client.line().starts_with("FAIL\t77"));
        }
    }
    for _ in 0..LOGINS {
        assert_eq!(login(&mut client, 1, ALICE, &token), GOOD);
    }
    let log = daemon.serving.stop();
    let events = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let events: Vec<Value> = events.collect();
    let said = |message| {
        let said = events
            .iter()
            .filter(move |event| event["message"] == message);
        said.count() as u64
    };
    let (said, logins) = (said("continuation refused"), said("login"));
    let reports = events
        .iter()
        .filter(|event| event["message"] == "similar lines left out");
    let left_out: u64 = reports
        .filter(|event| event["of"] == "continuation refused")
        .map(|event| event["lines"].as_u64().unwrap())
        .sum();
    assert!(said < LINES / 2, "{said}");
    assert_eq!(said + left_out, LINES);
    assert_eq!(logins, LOGINS as u64);
}

/// N10: a soft limit of descriptors below the connections that are allowed.
#[test]
fn the_limit_of_open_files_is_raised_and_what_does_not_fit_is_said() {
    let daemon = Daemon::start("");
    let config = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    fs::write(
        daemon.path("limited.toml"),
        config.replace("/auth\"", "/limited\""),
    )
    .unwrap();
    let gatepost = command("serve", &daemon.path("limited.toml"));
    let mut shell = Command::new("sh");
    let limits = "ulimit -Sn 64; ulimit -Hn 400; exec \"$0\" \"$@\"";
    shell.args(["-c", limits]).arg(gatepost.get_program());
    let mut serving = Serving::spawn(shell.args(gatepost.get_args()));
    let event = serving.wait_for("fewer files may be open than are needed at most");
    assert_eq!(event["limit"], 400);
    assert!(event["needed"].as_u64().unwrap() > 1024, "{event}");
    serving.wait_for("ready");
    let token = daemon.token(ALICE);
    let mut clients: Vec<_> = (0..150)
        .map(|_| handshake(Client::unix(&daemon.path("limited"))))
        .collect();
    for client in &mut clients {
        assert_eq!(login(client, 1, ALICE, &token), GOOD);
    }
}

/// A daemon that waits for a provider which accepts a connection and says nothing.
fn waiting_for_its_provider(root: &TempDir) -> (Serving, TcpListener) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "listen = \"unix:{}/auth\"\nlog = {{ format = \"json\" }}\n\
         [[provider]]\nissuer = \"http://{}\"\naudience = \"mail\"\nallow_http = true\n",
        root.path().display(),
        silent.local_addr().unwrap()
    );
    let path = root.path().join("gatepost.toml");
    fs::write(&path, text).unwrap();
    (Serving::start(&path), silent)
}

/// N11.
#[test]
fn signals_before_readiness_reload_and_end_a_daemon() {
    let root = TempDir::new().unwrap();
    let (mut serving, silent) = waiting_for_its_provider(&root);
    let connection = silent.accept().unwrap();
    serving.signal("HUP");
    serving.wait_for("ready");
    serving.wait_for("reloaded");
    serving.stop();
    drop(connection);

    let (serving, silent) = waiting_for_its_provider(&root);
    let _connection = silent.accept().unwrap();
    serving.signal("TERM");
    let (code, log) = serving.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("ready"), "{log}");
}

/// Puts something in the place of `path` that opens for nobody, as a file on a hung file system does.
fn hang(path: &Path) {
    fs::remove_file(path).unwrap();
    nix::unistd::mkfifo(path, stat::Mode::S_IRWXU).unwrap();
}

/// N14.
#[test]
fn a_file_that_hangs_delays_neither_logins_nor_signals() {
    for name in ["users", "jwks.json"] {
        let root = TempDir::new().unwrap();
        let (path, issuer) = (root.path(), Issuer::new());
        let shown = path.display();
        fs::write(path.join("users"), "alice@example.com:x:1000:1000::/home\n").unwrap();
        fs::write(path.join("jwks.json"), issuer.jwk_set().to_string()).unwrap();
        let text = format!(
            "log = {{ format = \"json\", level = \"debug\" }}\n\
             [users]\npasswd_file = \"{shown}/users\"\n\
             [[listener]]\naddress = \"unix:{shown}/auth\"\n\
             [[provider]]\nissuer = \"https://id.example.com\"\naudience = \"mail\"\n\
             keys = [\"{shown}/jwks.json\"]\nusername_claims = [\"email\"]\n"
        );
        fs::write(path.join("gatepost.toml"), text).unwrap();
        let mut serving = Serving::start(&path.join("gatepost.toml"));
        serving.wait_for("ready");
        hang(&path.join(name));
        serving.signal("HUP");
        let claims = json!({
            "iss": "https://id.example.com", "sub": "1", "aud": "mail", "email": ALICE, "exp": now() + 600,
        });
        let token = issuer.sign("ES256", &claims);
        let mut client = handshake(Client::unix(&path.join("auth")));
        assert_eq!(login(&mut client, 1, ALICE, &token), GOOD);
        if name == "users" {
            serving.wait_for("users not read in time: the old ones stay");
        } else {
            serving.wait_for("not reloaded: the old configuration stays");
        }
        assert_eq!(login(&mut client, 1, ALICE, &token), GOOD);
        serving.stop();
    }
}

/// A reload keeps what is still true: whoever has guessed waits as before.
#[test]
fn a_reload_forgives_no_guess() {
    let mut daemon = Daemon::start("");
    let good = daemon.token(ALICE);
    let forged = Issuer::new().sign("ES256", &json!({"iss": "https://id.example.com"}));
    let mut client = handshake(daemon.unix());
    assert!(login(&mut client, 1, ALICE, &forged).starts_with("CONT\t1\t"));
    daemon.serving.signal("HUP");
    daemon.serving.wait_for("reloaded");
    client.send(auth(2, ALICE, &forged));
    let first = login(&mut client, 3, ALICE, &good);
    assert!(first.starts_with("OK\t3\t"), "{first}");
    assert!(client.line().starts_with("CONT\t2\t"));
}

/// N15: whoever answers at the path keeps it.
#[test]
fn a_second_daemon_at_the_same_path_is_refused_and_told_who_is_there() {
    let daemon = Daemon::start("");
    let told = refused(&daemon.path("gatepost.toml"));
    let holder = format!("gatepost (process {}) listens there", daemon.serving.id());
    assert!(told.contains(&holder), "{told}");
    assert!(told.contains("take_over = true"), "{told}");
    let mut client = handshake(daemon.unix());
    assert_eq!(login(&mut client, 1, ALICE, &daemon.token(ALICE)), GOOD);
}

/// N15.
#[test]
fn a_socket_that_nobody_listens_at_is_replaced() {
    let daemon = Daemon::start("");
    let (path, config) = (daemon.path("stale"), daemon.path("stale.toml"));
    drop(UnixListener::bind(&path).unwrap());
    let text = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    fs::write(&config, text.replace("/auth\"", "/stale\"")).unwrap();
    Serving::start(&config).wait_for("ready");
}

/// N15: two daemons would each get a share of the connections.
#[test]
fn a_second_daemon_at_the_same_port_needs_a_word() {
    let daemon = Daemon::start("");
    let text = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    let text = text
        .replace("/auth\"", "/other\"")
        .replace("127.0.0.1:0", &daemon.tcp);
    let config = daemon.path("other.toml");
    fs::write(&config, &text).unwrap();
    let told = refused(&config);
    let holder = format!("gatepost (process {}) listens there", daemon.serving.id());
    assert!(told.contains(&holder), "{told}");
    let text = text.replace(
        "[[listener]]\naddress = \"tcp",
        "[[listener]]\ntake_over = true\naddress = \"tcp",
    );
    fs::write(&config, &text).unwrap();
    // The first did not say that it shares its port.
    let told = refused(&config);
    assert!(told.contains(&holder), "{told}");
}

/// N15: the words of both let one take over from the other.
#[test]
fn a_port_is_handed_over_where_both_say_so() {
    let daemon = Daemon::start("");
    let text = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let start = |name: &str| {
        let text = text
            .replace("/auth\"", &format!("/{name}\""))
            .replace(
                "[[listener]]\naddress = \"tcp",
                "[[listener]]\ntake_over = true\naddress = \"tcp",
            )
            .replace("127.0.0.1:0", &address);
        let path = daemon.path(name).with_extension("toml");
        fs::write(&path, text).unwrap();
        let mut serving = Serving::start(&path);
        let looser = serving.line("take_over = true");
        assert!(looser.contains("looser than the default"), "{looser}");
        serving.wait_for("ready");
        serving
    };
    let old = start("old");
    let _new = start("new");
    old.stop();
    let mut client = handshake(Client::tcp(&address));
    assert_eq!(login(&mut client, 1, ALICE, &daemon.token(ALICE)), GOOD);
}

/// N15: so it is with every socket.
#[test]
fn every_socket_is_kept_by_its_daemon_and_handed_over_where_a_word_says_so() {
    let root = TempDir::new().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = format!("tcp:{}", free.local_addr().unwrap());
    drop(free);
    let dict = format!("unix:{}", root.path().join("dict").display());
    let path = root.path().join("gatepost.toml");
    let own = root.path().join("own").display().to_string();
    for (table, key, address) in [
        ("http", "listen", &tcp),
        ("metrics", "listen", &tcp),
        ("dict", "address", &dict),
    ] {
        let write = |name: &str, word: &str| {
            let text = format!(
                "log = {{ format = \"json\" }}\nlisten = \"unix:{own}-{name}\"\n[{table}]\n{key} = \"{address}\"\n{word}\
                 [[provider]]\nname = \"p\"\nissuer = \"https://127.0.0.1:1\"\naudience = \"mail\"\n"
            );
            fs::write(&path, text).unwrap();
        };
        let start = |name: &str, word: &str| {
            write(name, word);
            let mut serving = Serving::start(&path);
            serving.wait_for("ready");
            serving
        };
        let first = start("a", "take_over = true\n");
        write("b", "");
        let told = refused(&path);
        let holder = format!("gatepost (process {}) listens there", first.id());
        assert!(told.contains(&holder), "{table}: {told}");
        assert!(told.contains("take_over = true"), "{table}: {told}");
        let second = start("b", "take_over = true\n");
        let (log, word) = (first.stop(), format!("{address}: take_over = true"));
        assert!(log.contains(&word), "{table}: {log}");
        second.stop();
    }
}

/// N15: both families of one port are two sockets of one daemon, not two daemons.
#[test]
fn both_families_of_a_port_are_served() {
    let Ok(free) = TcpListener::bind("[::1]:0") else {
        return;
    };
    let port = free.local_addr().unwrap().port();
    drop(free);
    let daemon = Daemon::start("");
    let text = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    for (order, first, second) in [("one", "[::]", "0.0.0.0"), ("two", "0.0.0.0", "[::]")] {
        let listener = |host| {
            format!("[[listener]]\naddress = \"tcp:{host}:{port}\"\nallow_remote = true\n[[")
        };
        let text = text
            .replace("/auth\"", &format!("/{order}\""))
            .replacen("[[", &listener(first), 1)
            .replacen("[[", &listener(second), 1);
        let config = daemon.path(order).with_extension("toml");
        fs::write(&config, text).unwrap();
        let mut both = Serving::start(&config);
        both.wait_for("ready");
        for address in ["127.0.0.1", "[::1]"] {
            handshake(Client::tcp(&format!("{address}:{port}")));
        }
        both.stop();
    }
}

/// N9: figures are for whoever is meant to see them.
#[test]
fn metrics_beyond_loopback_need_a_word() {
    let daemon = Daemon::start("");
    let text = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    let config = daemon.path("open.toml");
    let text = text.replace("/auth\"", "/open\"");
    let open = |word: &str| format!("{text}[metrics]\nlisten = \"tcp:0.0.0.0:0\"\n{word}");
    fs::write(&config, open("")).unwrap();
    let told = refused(&config);
    assert!(told.contains("allow_remote = true"), "{told}");
    fs::write(&config, open("allow_remote = true\n")).unwrap();
    let mut serving = Serving::start(&config);
    let event = serving.wait_for("looser than the default");
    let word = event["word"].as_str().unwrap();
    assert!(word.contains("[metrics]: allow_remote = true"), "{word}");
    serving.wait_for("ready");
}

/// A14, and the protocol of `Type=notify-reload` (`sd_notify(3)`).
#[test]
fn systemd_is_told_whether_a_reload_succeeded() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("notify");
    let notified = UnixDatagram::bind(&path).unwrap();
    notified.set_read_timeout(Some(PATIENCE)).unwrap();
    let states = || {
        let mut message = [0; 512];
        let length = notified.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let daemon = Daemon::start_with("", &[("NOTIFY_SOCKET", &path)]);
    assert!(states().contains("READY=1"));
    let config = daemon.path("gatepost.toml");
    let good = fs::read_to_string(&config).unwrap();
    for (text, status) in [
        ("nonsense = 1\n".to_owned(), "STATUS=not reloaded"),
        (good, "STATUS=serving"),
    ] {
        fs::write(&config, text).unwrap();
        daemon.serving.signal("HUP");
        let reloading = states();
        let microseconds = reloading
            .lines()
            .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(microseconds.unwrap().parse::<u64>().unwrap() > 0);
        assert!(reloading.contains("RELOADING=1"), "{reloading}");
        let ready = states();
        assert!(
            ready.contains("READY=1") && ready.contains(status),
            "{ready}"
        );
    }
    daemon.serving.signal("TERM");
    assert!(states().contains("STOPPING=1"));
}

/// The journal reads priorities from the lines, and knows the time itself (`sd-daemon(3)`).
#[test]
fn lines_for_the_journal_have_a_priority_and_no_time() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("gatepost.toml");
    fs::write(
        root.path().join("jwks.json"),
        Issuer::new().jwk_set().to_string(),
    )
    .unwrap();
    let text = format!(
        "listen = \"unix:{0}/auth\"\ncompat = \"dovecot\"\n[[provider]]\nissuer = \"https://id.example.com\"\n\
         audience = \"mail\"\nkeys = [\"{0}/jwks.json\"]\n",
        root.path().display()
    );
    fs::write(&path, text).unwrap();
    let (journal, log) = UnixStream::pair().unwrap();
    journal.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut journal = BufReader::new(journal);
    let log = OwnedFd::from(log);
    let socket = File::from(log.try_clone().unwrap()).metadata().unwrap();
    for matches in [true, false] {
        let stream = format!("{}:{}", socket.dev(), socket.ino() + u64::from(!matches));
        let mut command = command("serve", &path);
        command
            .env("JOURNAL_STREAM", stream)
            .stderr(log.try_clone().unwrap());
        let daemon = Kill(command.spawn().unwrap());
        let mut line = |words: &str| loop {
            let mut line = String::new();
            assert_ne!(journal.read_line(&mut line).unwrap(), 0);
            if line.contains(words) {
                break line;
            }
        };
        let (looser, ready) = (line("looser"), line("ready"));
        drop(daemon);
        if matches {
            assert!(
                looser.starts_with("<4>looser than the default word="),
                "{looser}"
            );
            assert!(ready.starts_with("<6>ready version="), "{ready}");
        } else {
            assert!(
                looser.starts_with("20") && looser.contains(" WARN looser"),
                "{looser}"
            );
            assert!(ready.starts_with("20"), "{ready}");
        }
    }
}

/// A process that ends with its test.
struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
