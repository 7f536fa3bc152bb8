//! Where the microseconds of a login go, by what `perf` sees: functions by group.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gatepost_tests::mint::Issuer;
use gatepost_tests::process::{is_installed, run as succeed};

use super::beside::REPEATED;
use super::load::Load;
use super::servers::{self, Gatepost};
use super::tokens::Tokens;

/// Samples a second: more would cost the kernel as much as the logins do.
const FREQUENCY: &str = "999";

/// New tokens, of which there have to be enough for some seconds.
const NEW: usize = 40_000;

/// How often the repeated ones come.
const TURNS: usize = 20;

/// Functions by a part of their names, as `perf` writes them; the first that fits names the group.
const GROUPS: [(&str, &str); 43] = [
    ("sha2::", "SHA-256"),
    ("sha256", "SHA-256"),
    ("aws_lc", "verification"),
    ("base64", "base64"),
    ("wire::json", "JSON"),
    ("policy::members", "JSON"),
    ("policy::rules", "judging"),
    ("__memmove", "copies"),
    ("__memset", "copies"),
    ("__memcmp", "copies"),
    ("memcpy", "copies"),
    ("malloc", "heap"),
    ("cfree", "heap"),
    ("realloc", "heap"),
    ("calloc", "heap"),
    ("_int_", "heap"),
    ("unlink_chunk", "heap"),
    ("__rust", "heap"),
    ("drop_in_place", "heap"),
    ("tracing", "the log"),
    ("gatepost::log", "the log"),
    ("core::fmt", "the log"),
    ("fmt::Write", "the log"),
    ("gatepost_core::dovecot", "lines"),
    ("gatepost_mail", "lines"),
    ("memchr", "lines"),
    ("gatepost_core", "judging"),
    ("gatepost_tokio", "judging"),
    ("quick_cache", "judging"),
    ("hashbrown", "judging"),
    ("SipHash", "judging"),
    ("prometheus", "peer and metrics"),
    ("gatepost::", "peer and metrics"),
    ("tokio", "tokio"),
    ("mio::", "tokio"),
    ("epoll_wait", "calls into the kernel"),
    ("syscall", "calls into the kernel"),
    ("recv", "calls into the kernel"),
    ("send", "calls into the kernel"),
    ("__write", "calls into the kernel"),
    ("libc_write", "calls into the kernel"),
    ("clock_gettime", "the clock"),
    ("Instant", "the clock"),
];

/// Functions of no group that are named, those that take most.
const NAMED: usize = 12;

pub(crate) fn run(directory: &Path, issuer: &Issuer) -> io::Result<()> {
    if !is_installed("perf") {
        println!("left out: where the microseconds go (no perf)");
        return Ok(());
    }
    let keys = servers::static_keys(directory, issuer)?;
    let gatepost = Gatepost::start(directory, "profile", "info", &keys)?;
    let token = Tokens::mint(issuer, "RS256", 1);
    let repeated = Load::of(&vec![token.first(); REPEATED]);
    let repeated: Vec<&Load> = vec![&repeated; TURNS];
    profile(
        directory,
        &gatepost,
        "RS256, one token again and again",
        &repeated,
    )?;
    let tokens = Tokens::mint(issuer, "RS256", NEW);
    let new = Load::of(&tokens.all());
    profile(directory, &gatepost, "RS256, each token new", &[&new])
}

fn profile(directory: &Path, gatepost: &Gatepost, what: &str, loads: &[&Load]) -> io::Result<()> {
    let data = directory.join("perf.data");
    let mut perf = Command::new("perf")
        .args(["record", "-q", "-e", "cpu-clock", "-F", FREQUENCY, "-o"])
        .arg(&data)
        .args(["-p", &gatepost.id().to_string()])
        .stdin(Stdio::null())
        .spawn()?;
    // Before it has attached, logins would not be seen: shares are of what was.
    std::thread::sleep(Duration::from_millis(500));
    let (before, begun) = (gatepost.cpu()?, Instant::now());
    for load in loads {
        load.finish(&gatepost.address)?;
    }
    let (cpu, took) = (gatepost.cpu()?.saturating_sub(before), begun.elapsed());
    let interrupt = rustix::process::Pid::from_child(&perf);
    rustix::process::kill_process(interrupt, rustix::process::Signal::INT)?;
    perf.wait()?;
    let report = succeed(
        Command::new("perf")
            .args(["report", "--stdio", "--no-children", "-g", "none", "-i"])
            .arg(&data)
            .args([
                "-F",
                "overhead,comm,dso,symbol",
                "-t",
                "\t",
                "--percent-limit",
                "0",
            ]),
    )?;
    let logins: f64 = loads.iter().map(|load| load.logins()).sum();
    let each = cpu.as_secs_f64() * 1e6 / logins;
    println!(
        "\n{what}: {each:.1} us of CPU a login, {:.0} % of a core",
        100.0 * cpu.as_secs_f64() / took.as_secs_f64()
    );
    print(&report, each);
    Ok(())
}

fn print(report: &str, each: f64) {
    let mut groups: BTreeMap<&str, f64> = BTreeMap::new();
    let mut others = Vec::new();
    for line in report.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split('\t').map(str::trim);
        let fields = [(); 4].map(|()| words.next());
        let [Some(share), Some(thread), Some(object), Some(symbol)] = fields else {
            continue;
        };
        let Ok(share) = share.trim_end_matches('%').parse::<f64>() else {
            continue;
        };
        let name = symbol.split_once("] ").map_or(symbol, |(_, name)| name);
        let group = group(thread, object, name);
        *groups.entry(group).or_default() += share;
        if group == "other" {
            others.push((share, name));
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|one, other| other.1.total_cmp(&one.1));
    for (group, share) in groups {
        println!("  {:>6.2} us {share:>5.1} %  {group}", each * share / 100.0);
    }
    others.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (share, name) in others.iter().take(NAMED) {
        println!("      {:>6.2} us of other: {name}", each * share / 100.0);
    }
}

fn group(thread: &str, object: &str, name: &str) -> &'static str {
    if object.starts_with("[kernel") {
        return if thread == "log" {
            "kernel, the log's thread"
        } else {
            "kernel"
        };
    }
    let fits = |(part, _): &&(&str, &'static str)| name.contains(part);
    GROUPS.iter().find(fits).map_or("other", |(_, group)| group)
}
