//! What the daemon bears, beside Dovecot's own auth process on the same core with the same tokens.
//!
//! All serve on core 0, one after the other in every round, and are asked from core 1; figures are medians of the
//! rounds, ratios those of each round. Run by `cargo xtask bench daemon`, in namespaces of its own: all of it, or the
//! parts that are named. `--profile` prints where the microseconds of a login go.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use daemon_bench::servers::CLIENTS_CORE;
use daemon_bench::table::Table;
use daemon_bench::verification::Verifications;
use daemon_bench::{accounts, beside, floods, memory, process, profile, relay, waiting};
use gatepost_tests::mint::Issuer;
use gatepost_tests::namespace::{self, Namespace, Network};
use gatepost_tests::roots::{self, DOVECOT_2_3, MAIL};

#[path = "daemon_bench/mod.rs"]
mod daemon_bench;

fn main() -> io::Result<()> {
    if !namespace::is_inside() {
        let lacking = namespace::lacking();
        if !lacking.is_empty() {
            println!("left out: bench daemon ({})", lacking.join(", "));
            return Ok(());
        }
        let status = namespace::reenter(Network::Own)?;
        return status
            .success()
            .then_some(())
            .ok_or_else(|| io::Error::other("it failed"));
    }
    let begun = Instant::now();
    let namespace = Namespace::set_up(&roots::directory()?, &[&MAIL, &DOVECOT_2_3])?;
    process::pin_to_core(CLIENTS_CORE)?;
    let issuer = Issuer::new();
    let directory = namespace.directory("bench")?;
    println!("load of the machine at the start: {}", load()?);
    let mut bench = Bench {
        table: Table::default(),
        verifications: Verifications::measure(&issuer),
        namespace,
        directory,
        issuer,
    };
    let named: Vec<String> = std::env::args().skip(1).collect();
    for (name, part, is_quick) in PARTS {
        let is_wanted = named.iter().any(|named| named == name);
        if is_wanted
            || is_quick
                && !named
                    .iter()
                    .any(|named| PARTS.iter().any(|part| part.0 == named))
        {
            part(&mut bench)?;
        }
    }
    bench.table.end();
    println!(
        "load of the machine at the end: {}; it took {} s",
        load()?,
        begun.elapsed().as_secs()
    );
    Ok(())
}

/// What the parts share.
struct Bench {
    table: Table,
    namespace: Namespace,
    directory: PathBuf,
    issuer: Issuer,
    verifications: Verifications,
}

type Part = fn(&mut Bench) -> io::Result<()>;

/// Each part, and whether it is run where none is named.
const PARTS: [(&str, Part, bool); 7] = [
    (
        "beside",
        |it| beside::run(&mut it.table, &it.namespace, &it.directory, &it.issuer),
        true,
    ),
    (
        "relay",
        |it| relay::run(&mut it.table, &it.namespace, &it.directory, &it.issuer),
        true,
    ),
    (
        "waiting",
        |it| {
            waiting::introspection(&mut it.table, &it.directory)?;
            waiting::shared_connection(&mut it.table, &it.directory, it.verifications.of("ES256"))
        },
        true,
    ),
    (
        "floods",
        |it| floods::run(&mut it.table, &it.directory, &it.verifications),
        true,
    ),
    (
        "memory",
        |it| memory::run(&mut it.table, &it.directory, &it.issuer),
        true,
    ),
    (
        "accounts",
        |it| accounts::run(&mut it.table, &it.namespace, &it.directory, &it.issuer),
        false,
    ),
    (
        "--profile",
        |it| profile::run(&it.directory, &it.issuer),
        false,
    ),
];

/// How many processes wanted to run, in the last minute, five and fifteen.
fn load() -> io::Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let figures: Vec<&str> = text.split(' ').take(3).collect();
    Ok(figures.join(" "))
}
