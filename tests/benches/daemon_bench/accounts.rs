//! Accounts: what Postfix's questions, a source's pushes and a start cost, with 100,000 of them.
//!
//! The database is on a disk, below Cargo's target directory: what is acknowledged is there after a power cut, and in
//! memory that would cost nothing.

mod beside;
mod filled;
mod passwords;

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use gatepost_tests::daemon::program;
use gatepost_tests::mint::Issuer;
use gatepost_tests::namespace::Namespace;
use gatepost_tests::process::run as run_program;
use gatepost_tests::roots;
use gatepost_tests::stream::{Address, Stream};
use serde_json::json;

use super::process::resident;
use super::servers::{Gatepost, static_keys};
use super::table::{Row, Table, Target, median};
use beside::{TABLES, Users, fill_tables, postmap};
use filled::{ACCOUNTS, GROUP, address, fill, id, user};

/// Where sources push to.
const PUSHED: u16 = 19_083;

/// Look-ups of one measurement.
const LOOKUPS: u32 = 100_000;

/// How many are on their way at once.
const PIPELINED: usize = 64;

/// Users of a first synchronisation over several connections, and one by one.
const SYNCED: u32 = 2_000;
const ONE_BY_ONE: u32 = 300;

/// Connections of a source that pushes as fast as it can.
const CONNECTIONS: usize = 16;

/// Members that come and go in one request.
const MEMBERS: u64 = 1_000;

const ROUNDS: u64 = 9;

pub(crate) fn run(
    table: &mut Table,
    namespace: &Namespace,
    directory: &Path,
    issuer: &Issuer,
) -> io::Result<()> {
    let disk = roots::directory()?.with_file_name("bench-accounts");
    let _ = fs::remove_dir_all(&disk);
    fs::create_dir_all(&disk)?;
    let keys = static_keys(directory, issuer)?;
    let empty = Desk::new(directory, &disk, "empty", &keys);
    let full = Desk::new(directory, &disk, "full", &keys);
    synchronise(table, &empty, &empty.start()?)?;
    println!("filling a database with {ACCOUNTS} accounts ..");
    fill(&full.database())?;
    let gatepost = start(table, directory, &full, &keys)?;
    look_up(table, namespace, &gatepost)?;
    push(table, &full, &gatepost)?;
    drop(gatepost);
    passwords::run(table, namespace, &full)?;
    fs::remove_dir_all(disk)
}

/// A configuration, and where its database is.
struct Desk {
    directory: PathBuf,
    disk: PathBuf,
    name: &'static str,
    text: String,
}

/// A daemon with its sockets.
struct Running {
    gatepost: Gatepost,
    map: Address,
    master: Address,
}

impl Desk {
    fn new(directory: &Path, disk: &Path, name: &'static str, keys: &str) -> Self {
        let [map, master] = ["map", "master"].map(|of| directory.join(format!("{name}-{of}")));
        let text = format!(
            "[accounts]\ndatabase = \"{}\"\nlisten = \"tcp:127.0.0.1:{PUSHED}\"\nuid = 8\ngid = 8\n\
             home = \"/var/mail/%{{id}}\"\n[[accounts.source]]\nname = \"idp\"\ndomains = [\"example.com\"]\n\
             public_url = \"http://127.0.0.1:{PUSHED}/scim/idp/v2\"\n\
             [[listener]]\naddress = \"unix:{}\"\nprotocol = \"socketmap\"\n\
             [[listener]]\naddress = \"unix:{}\"\nprotocol = \"master\"\n{keys}",
            disk.join(name).display(),
            map.display(),
            master.display()
        );
        Self {
            directory: directory.to_owned(),
            disk: disk.to_owned(),
            name,
            text,
        }
    }

    fn database(&self) -> PathBuf {
        self.disk.join(self.name)
    }

    fn start(&self) -> io::Result<Running> {
        // What a source does is in the log at `info`, as in operation.
        let gatepost = Gatepost::start(&self.directory, self.name, "info", &self.text)?;
        let [map, master] = ["map", "master"]
            .map(|of| Address::Unix(self.directory.join(format!("{}-{of}", self.name))));
        Ok(Running {
            gatepost,
            map,
            master,
        })
    }

    /// A new secret of the source.
    fn secret(&self) -> io::Result<String> {
        let config = self.directory.join(self.name).join("gatepost.toml");
        let mut command = Command::new(program()?);
        command.args(["scim-source", "--config"]).arg(config);
        let printed = run_program(command.args(["rotate", "idp"]))?;
        let secret = printed.lines().find_map(|line| line.strip_prefix("secret"));
        let secret = secret.map(|secret| secret.trim().to_owned());
        secret.ok_or_else(|| io::Error::other(printed))
    }
}

impl Running {
    /// What Postfix hears of an address.
    fn is_known(&self, address: &str) -> io::Result<bool> {
        let mut map = Map::open(&self.map)?;
        map.send(&[address])?;
        map.reply()
    }
}

/// A connection of Postfix's to the map of mailboxes.
struct Map(BufReader<Stream>);

impl Map {
    fn open(address: &Address) -> io::Result<Self> {
        Ok(Self(BufReader::new(address.connect()?)))
    }

    fn send(&mut self, addresses: &[&str]) -> io::Result<()> {
        let mut requests = Vec::new();
        for address in addresses {
            let request = format!("mailbox {address}");
            write!(requests, "{}:{request},", request.len())?;
        }
        self.0.get_mut().write_all(&requests)
    }

    /// Whether the next answer is that there is such a mailbox.
    fn reply(&mut self) -> io::Result<bool> {
        let mut length = Vec::new();
        self.0.read_until(b':', &mut length)?;
        length.pop();
        let length = String::from_utf8_lossy(&length).parse::<usize>();
        let mut reply = vec![0; length.map_err(io::Error::other)? + 1];
        self.0.read_exact(&mut reply)?;
        Ok(reply.starts_with(b"OK "))
    }
}

/// How soon it is ready, with nothing of the database in the system's memory, and what it holds then.
fn start(table: &mut Table, directory: &Path, full: &Desk, keys: &str) -> io::Result<Running> {
    Table::section("100,000 accounts with 300,000 addresses", "");
    let nobody = Desk::new(directory, &full.disk, "nobody", keys);
    let alone = {
        let running = nobody.start()?;
        resident(running.gatepost.id())?
    };
    let path = full.database();
    let mut dd = Command::new("dd");
    dd.arg(format!("of={}", path.display()));
    dd.args([
        "oflag=nocache",
        "conv=notrunc,fdatasync",
        "count=0",
        "status=none",
    ]);
    run_program(&mut dd)?;
    let begun = Instant::now();
    let running = full.start()?;
    let known = address(ACCOUNTS - 1);
    while !running.is_known(&known)? {
        thread::sleep(Duration::from_millis(1));
    }
    let ready = begun.elapsed().as_secs_f64();
    table.print(
        &Row::alone("s until it is ready, cold", ready),
        Target::AtMost(1.0),
    );
    // What reading it has taken is given back within ten seconds.
    thread::sleep(Duration::from_secs(12));
    let index = (resident(running.gatepost.id())? - alone) / 1_000.0;
    let row = Row::alone("MB that it holds more than without accounts", index);
    table.print(&row, Target::AtMost(40.0));
    Ok(running)
}

/// Recipients, one in flight and many, and Postfix's own tables of the same addresses.
fn look_up(table: &mut Table, namespace: &Namespace, running: &Running) -> io::Result<()> {
    let mut map = Map::open(&running.map)?;
    let spread = |number: u32| address(u64::from(number) * 7_919 % ACCOUNTS);
    let addresses: Vec<_> = (0..LOOKUPS).map(spread).collect();
    let ours = |map: &mut Map, in_flight: usize| -> io::Result<(f64, f64)> {
        let (cpu, begun) = (running.gatepost.cpu()?, Instant::now());
        for chunk in addresses.chunks(in_flight) {
            let chunk: Vec<_> = chunk.iter().map(String::as_str).collect();
            map.send(&chunk)?;
            for _ in &chunk {
                assert!(map.reply()?, "an account is not known");
            }
        }
        let took = each(begun.elapsed(), LOOKUPS) * 1e3;
        let cpu = each(running.gatepost.cpu()?.saturating_sub(cpu), LOOKUPS) * 1e3;
        Ok((cpu, took))
    };
    ours(&mut map, PIPELINED)?;
    let (alone, _) = ours(&mut map, 1)?;
    let (pipelined, took) = ours(&mut map, PIPELINED)?;
    fill_tables(namespace)?;
    Table::section("a recipient looked up", "");
    let row = Row::alone("µs of the processor, one in flight", alone);
    table.print(&row, Target::AtMost(12.0));
    let row = Row::alone("µs of the processor, 64 in flight", pipelined);
    table.print(&row, Target::Reported);
    let row = Row::alone(
        "µs from question to question, 64 in flight: 150,000 a second",
        took,
    );
    table.print(&row, Target::AtMost(1e6 / 150_000.0));
    for name in TABLES {
        let theirs = postmap(namespace, name, &addresses)?;
        let row = Row::beside(
            format!("64 in flight, beside postmap {name}"),
            pipelined,
            theirs,
        );
        table.print(&row, Target::Reported);
    }
    let ours = beside::look_up(&running.master, &addresses, || running.gatepost.cpu())?;
    Table::section("a user looked up by a mail process", "Dovecot");
    let mut dovecot = Users::start(namespace)?;
    let theirs = dovecot.look_up(&addresses)?;
    let row = Row::beside("µs of the processor, its passwd-file", ours, theirs);
    table.print(&row, Target::Reported);
    dovecot.ask_database(namespace)?;
    let theirs = dovecot.look_up(&addresses)?;
    let row = Row::beside("µs of the processor, its sqlite", ours, theirs);
    table.print(&row, Target::Reported);
    Ok(())
}

/// A source: an agent that keeps its connection, and its secret.
struct Source {
    agent: ureq::Agent,
    secret: String,
}

impl Source {
    fn new(secret: &str) -> Self {
        Self {
            agent: ureq::Agent::new_with_defaults(),
            secret: format!("Bearer {secret}"),
        }
    }

    fn create(&self, number: u32) -> io::Result<()> {
        let request = self.agent.post(url("/Users"));
        let request = request.header("Authorization", &self.secret);
        let request = request.content_type("application/scim+json");
        let answer = request.send(user(number.into())).map_err(io::Error::other);
        answer?.body_mut().read_to_vec().map_err(io::Error::other)?;
        Ok(())
    }

    fn patch(&self, path: &str, operations: &serde_json::Value) -> io::Result<()> {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        let body = json!({"schemas": schemas, "Operations": operations}).to_string();
        let request = self.agent.patch(url(path));
        let request = request.header("Authorization", &self.secret);
        let request = request.content_type("application/scim+json");
        let answer = request.send(body).map_err(io::Error::other);
        answer?.body_mut().read_to_vec().map_err(io::Error::other)?;
        Ok(())
    }
}

/// Milliseconds that each of so many took.
fn each(took: Duration, number: u32) -> f64 {
    took.as_secs_f64() * 1e3 / f64::from(number)
}

fn url(path: &str) -> String {
    format!("http://127.0.0.1:{PUSHED}/scim/idp/v2{path}")
}

/// A first synchronisation: one by one, and over several connections.
fn synchronise(table: &mut Table, desk: &Desk, running: &Running) -> io::Result<()> {
    let secret = desk.secret()?;
    Table::section(
        "a first synchronisation, each user on disk once it is acknowledged",
        "",
    );
    let source = Source::new(&secret);
    let begun = Instant::now();
    (0..ONE_BY_ONE).try_for_each(|number| source.create(number))?;
    let took = each(begun.elapsed(), ONE_BY_ONE);
    let row = Row::alone("ms a user, one by one: 100 a second", took);
    table.print(&row, Target::AtMost(10.0));
    let (next, cpu) = (AtomicU32::new(ONE_BY_ONE), running.gatepost.cpu()?);
    let begun = Instant::now();
    thread::scope(|scope| {
        let push = || -> io::Result<()> {
            let source = Source::new(&secret);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= ONE_BY_ONE + SYNCED {
                    return Ok(());
                }
                source.create(number)?;
            }
        };
        let pushing: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(push)).collect();
        let mut ended = pushing.into_iter().map(ScopedJoinHandle::join);
        ended.try_for_each(|one| one.map_err(|_| io::Error::other("a thread has panicked"))?)
    })?;
    let took = each(begun.elapsed(), SYNCED);
    let cpu = each(running.gatepost.cpu()?.saturating_sub(cpu), SYNCED);
    let row = Row::alone("ms a user, over 16 connections: 500 a second", took);
    table.print(&row, Target::AtMost(2.0));
    let row = Row::alone("ms of the processor a user", cpu);
    table.print(&row, Target::Reported);
    Ok(())
}

/// Changes among many: how soon a map knows, and a large group.
fn push(table: &mut Table, desk: &Desk, running: &Running) -> io::Result<()> {
    let source = Source::new(&desk.secret()?);
    Table::section("a change among 100,000 accounts", "");
    let mut visible = Vec::new();
    for round in 0..ROUNDS {
        let new = format!("renamed-{round}@example.com");
        let operation = json!([{"op": "replace", "path": "userName", "value": new}]);
        let begun = Instant::now();
        source.patch(&format!("/Users/{}", id(round)), &operation)?;
        while !running.is_known(&new)? {}
        visible.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let row = Row::alone("ms from a PATCH to the map that knows it", median(visible));
    table.print(&row, Target::AtMost(100.0));
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let op = if round % 2 == 0 { "remove" } else { "add" };
        let members: Vec<_> = (0..MEMBERS)
            .map(|number| json!({"value": id(number)}))
            .collect();
        let operation = json!([{"op": op, "path": "members", "value": members}]);
        let begun = Instant::now();
        source.patch(&format!("/Groups/{}", id(GROUP)), &operation)?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let row = Row::alone("ms for a PATCH of 1,000 members of 100,000", median(took));
    table.print(&row, Target::AtMost(50.0));
    let before = resident(running.gatepost.id())?;
    let request = source.agent.get(url(&format!("/Groups/{}", id(GROUP))));
    let request = request.header("Authorization", &source.secret);
    let begun = Instant::now();
    let mut answer = request.call().map_err(io::Error::other)?;
    let first = begun.elapsed().as_secs_f64() * 1e3;
    let mut read = answer.body_mut().as_reader();
    let length = io::copy(&mut read, &mut io::sink())?;
    let whole = begun.elapsed().as_secs_f64() * 1e3;
    let row = Row::alone("ms until the group's answer begins", first);
    table.print(&row, Target::Reported);
    let row = Row::alone(
        format!("ms until it is read whole, {} MB", length / 1_000_000),
        whole,
    );
    table.print(&row, Target::Reported);
    let more = (resident(running.gatepost.id())? - before) / 1_000.0;
    table.print(&Row::alone("MB that it took more", more), Target::Reported);
    Ok(())
}
