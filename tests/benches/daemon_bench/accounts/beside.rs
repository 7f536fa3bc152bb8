//! The same accounts in what mail servers have for them: Postfix's tables, a passwd-file and a database of Dovecot's.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use gatepost_tests::dovecot::{Dovecot, Setup, Tokens, Version};
use gatepost_tests::namespace::{Namespace, in_root};
use gatepost_tests::process::run as run_program;
use gatepost_tests::roots::{DOVECOT_2_3, MAIL};
use gatepost_tests::stream::{Address, Stream};

use super::super::load::Load;
use super::super::process;
use super::super::servers::SERVERS_CORE;
use super::filled::{ACCOUNTS, address};

/// How many questions of a mail process's are on their way at once, as many as Gatepost takes.
const PIPELINED: usize = 64;

/// The tables that Postfix has them in, each as `postmap` names it.
pub(super) const TABLES: [&str; 3] = ["hash:/tmp/known", "lmdb:/tmp/known", "sqlite:/tmp/known.cf"];

/// What the packages' maintainer scripts would have written.
const DYNAMIC: &str = "\
lmdb postfix-lmdb.so dict_lmdb_open mkmap_lmdb_open
sqlite postfix-sqlite.so dict_sqlite_open
";

/// Makes a database of the addresses in `/tmp/known`.
const DATABASE: &str = "\
import sqlite3
database = sqlite3.connect('/tmp/known.sqlite')
database.execute('CREATE TABLE known (address TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID')
with open('/tmp/known') as known:
    database.executemany('INSERT INTO known VALUES (?, ?)', (line.split() for line in known))
database.commit()
";

/// How Postfix asks it.
const QUERY: &str = "\
dbpath = /tmp/known.sqlite
query = SELECT value FROM known WHERE address = '%s'
";

/// Makes Postfix's tables of all addresses; a database of them is one.
pub(super) fn fill_tables(namespace: &Namespace) -> io::Result<()> {
    let root = namespace.root(&MAIL);
    let all = (0..ACCOUNTS).map(|number| format!("{} x\n", address(number)));
    let files = [
        ("tmp/known", all.collect::<String>()),
        ("tmp/known.cf", QUERY.to_owned()),
        ("etc/postfix/dynamicmaps.cf", DYNAMIC.to_owned()),
        (
            "etc/postfix/main.cf",
            "compatibility_level = 3.6\n".to_owned(),
        ),
    ];
    for (path, content) in files {
        fs::write(root.join(path), content)?;
    }
    for table in ["hash:/tmp/known", "lmdb:/tmp/known"] {
        run_program(in_root(&root, "/usr/sbin/postmap").arg(table))?;
    }
    let _ = fs::remove_file(root.join("tmp/known.sqlite"));
    run_program(in_root(&root, "/usr/bin/python3").args(["-c", DATABASE]))?;
    Ok(())
}

/// What a look-up in one of Postfix's tables costs `postmap`, in microseconds.
pub(super) fn postmap(namespace: &Namespace, table: &str, addresses: &[String]) -> io::Result<f64> {
    let root = namespace.root(&MAIL);
    let ask = |addresses: &[String]| -> io::Result<f64> {
        let mut command = in_root(&root, "/usr/sbin/postmap");
        command.args(["-q", "-", table]);
        let begun = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        (&input).write_all((addresses.join("\n") + "\n").as_bytes())?;
        drop(input);
        child.wait()?;
        Ok(begun.elapsed().as_secs_f64() * 1e6)
    };
    let few = addresses.get(..1).unwrap_or_default();
    let each =
        (ask(addresses)? - ask(few)?) / f64::from(u32::try_from(addresses.len()).unwrap_or(1));
    Ok(each)
}

/// What Dovecot's users are in: as it comes from the tests, and a database.
const PASSWD_FILE: &str = "driver = passwd-file\n  args = /run/bench-users.users\n}\npassdb";
const SQLITE: &str = "driver = sql\n  args = /run/bench-users.sql\n}\npassdb";

/// How it asks that.
const USER_QUERY: &str = "\
driver = sqlite
connect = /run/known.sqlite
user_query = SELECT 8 AS uid, 8 AS gid, '/var/mail/' || value AS home FROM known WHERE address = '%u'
";

/// A Dovecot whose users are the same addresses.
pub(super) struct Users(Dovecot);

impl Users {
    /// Starts it on the servers' core, with a passwd-file.
    pub(super) fn start(namespace: &Namespace) -> io::Result<Self> {
        let root = namespace.root(&DOVECOT_2_3);
        fs::create_dir_all(root.join("run/keys"))?;
        let users = (0..ACCOUNTS).map(|number| (&*address(number).leak(), ""));
        let setup = Setup {
            version: Version::V2_3,
            name: "bench-users",
            port: 14500,
            relay: 0,
            tokens: Tokens::OAuth2(
                "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=/run/keys/\n"
                    .to_owned(),
            ),
            users: users.collect::<Vec<_>>().leak(),
            core: Some(SERVERS_CORE),
        };
        Dovecot::start(&root, setup).map(Self)
    }

    /// Has it ask the database that [`fill_tables`] has made instead.
    pub(super) fn ask_database(&mut self, namespace: &Namespace) -> io::Result<()> {
        let [mail, root] = [&MAIL, &DOVECOT_2_3].map(|recipe| namespace.root(recipe));
        fs::copy(mail.join("tmp/known.sqlite"), root.join("run/known.sqlite"))?;
        fs::write(root.join("run/bench-users.sql"), USER_QUERY)?;
        let path = root.join("run/bench-users.conf");
        let text = fs::read_to_string(&path)?;
        fs::write(path, text.replacen(PASSWD_FILE, SQLITE, 1))?;
        self.0.restart()
    }

    /// Gives all of them this password, as `scheme` has it.
    pub(super) fn hash(
        &mut self,
        namespace: &Namespace,
        scheme: &str,
        password: &str,
    ) -> io::Result<()> {
        let root = namespace.root(&DOVECOT_2_3);
        let mut doveadm = in_root(&root, "/usr/bin/doveadm");
        let configuration = ["-c", "/run/bench-users.conf"];
        doveadm
            .args(configuration)
            .args(["pw", "-s", scheme, "-p", password]);
        let hash = run_program(&mut doveadm)?;
        let line = |number| format!("{}:{}:8:8::/var/mail/x\n", address(number), hash.trim());
        let users: String = (0..ACCOUNTS).map(line).collect();
        fs::write(root.join("run/bench-users.users"), users)?;
        self.0.restart()
    }

    /// What a login with a password costs it, in microseconds of the processor, and how many there are a second.
    pub(super) fn log_in(&self, load: &Load) -> io::Result<(f64, f64)> {
        let all = self.0.processes(None)?;
        let cpu = || -> Duration {
            let ids = all.iter().map(|id| id.as_raw_nonzero().get());
            ids.map(|id| process::cpu(id.unsigned_abs()).unwrap_or_default())
                .sum()
        };
        let before = cpu();
        let rate = load.rate(&self.0.auth_client())?;
        let took = cpu().saturating_sub(before);
        Ok((took.as_secs_f64() * 1e6 / load.logins(), rate))
    }

    /// What a look-up costs it, in microseconds of the processor.
    pub(super) fn look_up(&self, addresses: &[String]) -> io::Result<f64> {
        // Its workers are there once they have been needed.
        let few = addresses.get(..2 * PIPELINED).unwrap_or(addresses);
        look_up(&self.0.auth_master(), few, || Ok(Duration::ZERO))?;
        let all = self.0.processes(None)?;
        let cpu = || {
            let ids = all.iter().map(|id| id.as_raw_nonzero().get());
            ids.map(|id| process::cpu(id.unsigned_abs())).sum()
        };
        look_up(&self.0.auth_master(), addresses, cpu)
    }
}

/// What a mail process's question about a user costs whoever answers at `socket`, in microseconds of the processor, the
/// first ones left out.
pub(super) fn look_up(
    socket: &Address,
    addresses: &[String],
    cpu: impl Fn() -> io::Result<Duration>,
) -> io::Result<f64> {
    let mut stream = BufReader::new(socket.connect()?);
    stream.get_mut().write_all(b"VERSION\t1\t1\n")?;
    while !next(&mut stream)?.starts_with("SPID\t") {}
    let (first, rest) = addresses.split_at(PIPELINED);
    ask(&mut stream, first)?;
    let before = cpu()?;
    for chunk in rest.chunks(PIPELINED) {
        ask(&mut stream, chunk)?;
    }
    let took = cpu()?.saturating_sub(before);
    Ok(took.as_secs_f64() * 1e6 / f64::from(u32::try_from(rest.len()).unwrap_or(1)))
}

fn ask(stream: &mut BufReader<Stream>, addresses: &[String]) -> io::Result<()> {
    let mut lines = Vec::new();
    for (number, address) in addresses.iter().enumerate() {
        writeln!(lines, "USER\t{}\t{address}\tservice=lmtp", number + 1)?;
    }
    stream.get_mut().write_all(&lines)?;
    for _ in addresses {
        let line = next(stream)?;
        assert!(line.starts_with("USER\t"), "a user is not known: {line}");
    }
    Ok(())
}

fn next(stream: &mut BufReader<Stream>) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}
