//! What the daemon bears, beside Dovecot's own auth process on the same core with the same tokens.
//!
//! Both serve on core 0, one after the other in every round, and are asked from core 1; figures are medians
//! of the rounds. Run by `cargo xtask bench daemon`, in namespaces of its own.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use daemon_bench::load::{self, Load};
use daemon_bench::servers::{self, Gatepost};
use daemon_bench::tokens::{self, Tokens};
use gatepost_tests::dovecot::{self, Dovecot, Setup, Version};
use gatepost_tests::mint::Issuer;
use gatepost_tests::namespace::{self, Namespace, Network};
use gatepost_tests::roots::{self, DOVECOT_2_3};
use gatepost_tests::stub::{Behaviour, Page, Stub};
use serde_json::json;

#[path = "daemon_bench/mod.rs"]
mod daemon_bench;

const ROUNDS: usize = 5;

/// Logins of one round, each with a token of its own.
const LOGINS: usize = 1500;

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
    let namespace = Namespace::set_up(&roots::directory()?, &roots::SERVERS)?;
    load::pin_to_core(1)?;
    let issuer = Issuer::new();
    let directory = namespace.directory("bench")?;
    println!(
        "{:<44} {:>10} {:>10} {:>8}  target",
        "", "Gatepost", "Dovecot", "ratio"
    );
    beside_dovecot(&namespace, &directory, &issuer)?;
    introspection(&directory)?;
    flood(&directory, &issuer)?;
    memory(&directory, &issuer)
}

fn beside_dovecot(
    namespace: &Namespace,
    directory: &std::path::Path,
    issuer: &Issuer,
) -> io::Result<()> {
    let dovecot = start_dovecot(&namespace.root(&DOVECOT_2_3), issuer)?;
    let gatepost = Gatepost::start(
        directory,
        "local",
        &servers::static_keys(directory, issuer)?,
    )?;
    for (algorithm, target) in [("RS256", 3.0), ("ES256", 1.8)] {
        let tokens = Tokens::mint(issuer, algorithm, ROUNDS * LOGINS);
        let mut rates = [Vec::new(), Vec::new()];
        for round in &tokens.chunks(LOGINS) {
            rates[0].push(Load::of(round).rate(&gatepost.address)?);
            rates[1].push(Load::of(round).rate(&dovecot.auth_client())?);
        }
        row(
            &format!("{algorithm}, logins/s, each token new"),
            rates,
            Some(target),
            true,
        );
        let repeated = vec![tokens.first(); LOGINS];
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            rates[0].push(Load::repeating(&repeated, 8).rate(&gatepost.address)?);
            rates[1].push(Load::of(&repeated).rate(&dovecot.auth_client())?);
        }
        row(
            &format!("{algorithm}, logins/s, one token again and again"),
            rates,
            Some(20.0),
            true,
        );
        let mut latencies = [Vec::new(), Vec::new()];
        let fresh = Tokens::mint(issuer, algorithm, ROUNDS * LOGINS);
        for round in &fresh.chunks(LOGINS) {
            latencies[0].push(load::p99(round, &gatepost.address)?);
            latencies[1].push(load::p99(round, &dovecot.auth_client())?);
        }
        row(
            &format!("{algorithm}, p99 with one in flight, us"),
            latencies,
            Some(1.0),
            false,
        );
    }
    Ok(())
}

/// On the core that Gatepost is on in its turn, validating by itself with keys in files.
fn start_dovecot(root: &std::path::Path, issuer: &Issuer) -> io::Result<Dovecot> {
    for algorithm in ["RS256", "ES256"] {
        let directory = root.join("run/keys/default").join(algorithm);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(algorithm), issuer.spki_pem(algorithm))?;
    }
    let settings = "introspection_mode = local\n\
                    local_validation_key_dict = fs:posix:prefix=/run/keys/\n\
                    username_attribute = email\nactive_attribute =\nactive_value =\n";
    let setup = Setup {
        version: Version::V2_3,
        name: "bench",
        port: 14300,
        relay: 0,
        tokens: dovecot::Tokens::OAuth2(settings.to_owned()),
        users: &[],
        core: Some(0),
    };
    Dovecot::start(root, setup)
}

/// A provider that takes 50 ms for each question.
fn introspection(directory: &std::path::Path) -> io::Result<()> {
    let stub = Stub::provider()?;
    let answer = json!({"active": true, "aud": "mail", "email": tokens::USER});
    let page = Page::json(200, &answer);
    stub.set(
        "/introspect",
        Behaviour::After(Duration::from_millis(50), page),
    );
    for (concurrency, bound) in [(10, 200), (32, 640), (64, 1280)] {
        let text = servers::introspecting(&stub, concurrency);
        let gatepost = Gatepost::start(directory, &format!("ask{concurrency}"), &text)?;
        let tokens: Vec<String> = (0..concurrency * 20)
            .map(|n| format!("opaque-{concurrency}-{n}"))
            .collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let rate = Load::wide(&tokens, concurrency).rate(&gatepost.address)?;
        println!(
            "{:<44} {rate:>10.0} {:>10} {:>8}  {bound} bounded by the provider",
            format!("introspection, logins/s, {concurrency} at once"),
            "194*",
            "",
        );
    }
    println!("  * as measured of Dovecot 2.3, which asks ten at once");
    Ok(())
}

/// Ten thousand tokens with unknown keys, while the key endpoint takes two seconds.
fn flood(directory: &std::path::Path, issuer: &Issuer) -> io::Result<()> {
    let stub = Stub::provider()?;
    let keys = issuer.jwk_set();
    stub.set_json("/jwks", &keys);
    let gatepost = Gatepost::start(directory, "flood", &servers::discovering(&stub))?;
    let good = Tokens::mint_for(issuer, "ES256", 1000, &stub.issuer());
    let quiet = load::median(&good.all()[..500], &gatepost.address)?;
    stub.set(
        "/jwks",
        Behaviour::After(Duration::from_secs(2), Page::json(200, &keys)),
    );
    let unknown = Tokens::unknown(issuer, 10_000, &stub.issuer());
    let address = gatepost.address.clone();
    let begun = Instant::now();
    let flooding = std::thread::spawn(move || Load::of(&unknown.all()).finish(&address));
    let during = load::median(&good.all()[500..], &gatepost.address)?;
    let good_for = begun.elapsed();
    flooding.join().expect("a flood ends")?;
    let fetches = stub.seen("/jwks").len() - 1;
    println!(
        "{:<44} {during:>10.0} {:>10} {:>8.2}  {quiet:.0} us without; {fetches} fetch in {:.1} s, <= 1 in 30 s",
        "good login during 10,000 unknown keys, us",
        "5.7e6*",
        during / quiet,
        begun.elapsed().max(good_for).as_secs_f64(),
    );
    Ok(())
}

fn memory(directory: &std::path::Path, issuer: &Issuer) -> io::Result<()> {
    let gatepost = Gatepost::start(
        directory,
        "memory",
        &servers::static_keys(directory, issuer)?,
    )?;
    let connections = load::open_many(&gatepost.address, 1000)?;
    let resident = servers::resident_megabytes(gatepost.id())?;
    println!(
        "{:<44} {resident:>10.1} {:>10} {:>8}  < 25",
        format!("MB resident with {} connections", connections.len()),
        "",
        ""
    );
    Ok(())
}

fn row(what: &str, figures: [Vec<f64>; 2], target: Option<f64>, more_is_better: bool) {
    let [ours, theirs] = figures.map(load::median_of);
    let ratio = ours / theirs;
    let target = target.map_or_else(String::new, |target| {
        let sign = if more_is_better { ">=" } else { "<=" };
        let is_met = if more_is_better {
            ratio >= target
        } else {
            ratio <= target
        };
        format!("{sign} {target} {}", if is_met { "met" } else { "MISSED" })
    });
    println!("{what:<44} {ours:>10.0} {theirs:>10.0} {ratio:>8.2}  {target}");
}
