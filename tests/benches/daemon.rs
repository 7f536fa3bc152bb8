//! What the daemon bears, beside Dovecot's own auth process on the same core with the same tokens.
//!
//! All serve on core 0, one after the other in every round, and are asked from core 1; figures are medians of the
//! rounds, ratios those of each round. Run by `cargo xtask bench daemon`, in namespaces of its own; with `--profile`
//! it prints where the microseconds of a login go instead.

use std::fs;
use std::io;
use std::time::Instant;

use daemon_bench::servers::CLIENTS_CORE;
use daemon_bench::table::Table;
use daemon_bench::verification::Verifications;
use daemon_bench::{beside, floods, memory, process, profile, relay, waiting};
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
    if std::env::args().any(|argument| argument == "--profile") {
        return profile::run(&directory, &issuer);
    }
    println!("load of the machine at the start: {}", load()?);
    let mut table = Table::default();
    beside::run(&mut table, &namespace, &directory, &issuer)?;
    relay::run(&mut table, &namespace, &directory, &issuer)?;
    let verifications = Verifications::measure(&issuer);
    waiting::introspection(&mut table, &directory)?;
    waiting::shared_connection(&mut table, &directory, verifications.of("ES256"))?;
    floods::run(&mut table, &directory, &verifications)?;
    memory::run(&mut table, &directory, &issuer)?;
    table.end();
    println!(
        "load of the machine at the end: {}; it took {} s",
        load()?,
        begun.elapsed().as_secs()
    );
    Ok(())
}

/// How many processes wanted to run, in the last minute, five and fifteen.
fn load() -> io::Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let figures: Vec<&str> = text.split(' ').take(3).collect();
    Ok(figures.join(" "))
}
