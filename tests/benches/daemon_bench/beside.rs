//! Beside Dovecot's own auth process: new tokens, repeated ones, and one login after the other.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use gatepost_tests::dovecot::{self, Dovecot, Setup, Version};
use gatepost_tests::mint::Issuer;
use gatepost_tests::namespace::Namespace;
use gatepost_tests::roots::DOVECOT_2_3;
use gatepost_tests::stream::Address;

use super::load::{self, Load};
use super::process;
use super::servers::{self, Gatepost, SERVERS_CORE};
use super::table::{Row, Table, Target, median};
use super::tokens::Tokens;

/// Rounds in each of which every server takes its turn.
pub(crate) const ROUNDS: usize = 5;

/// Logins of one round with tokens that are new, and of one with a token that comes again and again.
pub(crate) const NEW: usize = 1500;
pub(crate) const REPEATED: usize = 12_000;

/// What is wanted of one algorithm: ratios to Dovecot's rates with new and with repeated tokens.
const WANTED: [(&str, f64, f64); 2] = [("RS256", 3.0, 13.0), ("ES256", 1.8, 18.0)];

/// Microseconds of the processor's that a login may take beside its judging.
const BESIDE_JUDGING: f64 = 5.0;

/// The servers that take turns.
struct Servers {
    dovecot: Dovecot,
    info: Gatepost,
    warn: Gatepost,
}

/// What the rounds of one load gave for one server.
#[derive(Default)]
struct Measured {
    /// Logins a second.
    rates: Vec<f64>,
    /// Microseconds of the processor's a login.
    cpu: Vec<f64>,
    /// Microseconds of judging a login, as Gatepost itself counts.
    judging: Vec<f64>,
}

pub(crate) fn run(
    table: &mut Table,
    namespace: &Namespace,
    directory: &Path,
    issuer: &Issuer,
) -> io::Result<()> {
    let keys = servers::static_keys(directory, issuer)?;
    let servers = Servers {
        dovecot: start_dovecot(&namespace.root(&DOVECOT_2_3), issuer)?,
        info: Gatepost::start(directory, "info", "info", &keys)?,
        warn: Gatepost::start(directory, "warn", "warn", &keys)?,
    };
    for (algorithm, new, repeated) in WANTED {
        Table::section(
            &format!("{algorithm}; a line a login in the log, but with `warn`"),
            "Dovecot",
        );
        servers.new_tokens(table, issuer, algorithm, new)?;
        servers.repeated_tokens(table, issuer, algorithm, repeated)?;
        servers.latencies(table, issuer, algorithm)?;
    }
    Ok(())
}

/// On the core that Gatepost is on in its turn, validating by itself with keys in files.
fn start_dovecot(root: &Path, issuer: &Issuer) -> io::Result<Dovecot> {
    for (algorithm, ..) in WANTED {
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
        core: Some(SERVERS_CORE),
    };
    Dovecot::start(root, setup)
}

impl Servers {
    fn new_tokens(
        &self,
        table: &mut Table,
        issuer: &Issuer,
        algorithm: &str,
        target: f64,
    ) -> io::Result<()> {
        let tokens = Tokens::mint(issuer, algorithm, ROUNDS * NEW);
        let loads = tokens.chunks(NEW).into_iter().map(|round| Load::of(&round));
        let what = format!("{algorithm}, each token new");
        self.take_turns(&loads.collect::<Vec<_>>())?
            .print(table, &what, target);
        Ok(())
    }

    fn repeated_tokens(
        &self,
        table: &mut Table,
        issuer: &Issuer,
        algorithm: &str,
        target: f64,
    ) -> io::Result<()> {
        let token = Tokens::mint(issuer, algorithm, 1);
        let loads = [(); ROUNDS].map(|()| Load::of(&vec![token.first(); REPEATED]));
        let turns = self.take_turns(&loads)?;
        let what = format!("{algorithm}, one token again and again");
        turns.print(table, &what, target);
        // By the clock: least where nobody else on the machine has interrupted it.
        let rounds = turns.info.judging.iter().chain(&turns.warn.judging);
        let judging = rounds.copied().fold(f64::INFINITY, f64::min);
        let figure = format!("{what}, us of judging, the least of all rounds");
        table.print(&Row::alone(figure, judging), Target::Reported);
        for (measured, level, target) in [
            (&turns.info, "info", Target::AtMost(BESIDE_JUDGING)),
            (&turns.warn, "warn", Target::Reported),
        ] {
            let beside = median(measured.cpu.clone()) - judging;
            let figure = format!("{what}, us of CPU beside it, {level}");
            table.print(&Row::alone(figure, beside), target);
        }
        Ok(())
    }

    fn take_turns(&self, loads: &[Load]) -> io::Result<Turns> {
        let mut turns = Turns::default();
        for load in loads {
            turns.info.take_gatepost(load, &self.info)?;
            let dovecot = self.dovecot.auth_client();
            // Those that log and count for its auth process work on the same core.
            let all = self.dovecot.processes(None)?;
            let cpu = || {
                let ids = all.iter().map(|id| id.as_raw_nonzero().get());
                ids.map(|id| process::cpu(id.unsigned_abs())).sum()
            };
            turns.dovecot.take(load, &dovecot, cpu)?;
            turns.warn.take_gatepost(load, &self.warn)?;
        }
        Ok(turns)
    }

    /// One login after the other, each token new.
    fn latencies(&self, table: &mut Table, issuer: &Issuer, algorithm: &str) -> io::Result<()> {
        let tokens = Tokens::mint(issuer, algorithm, ROUNDS * NEW);
        let addresses = [
            &self.info.address,
            &self.dovecot.auth_client(),
            &self.warn.address,
        ];
        let mut times = [const { Vec::new() }; 3];
        for round in &tokens.chunks(NEW) {
            for (times, address) in times.iter_mut().zip(addresses) {
                times.push(load::p99(round, address)?);
            }
        }
        let [info, dovecot, warn] = times;
        let what = format!("{algorithm}, p99 with one in flight, us");
        table.print(
            &Row::rounds(format!("{what}, info"), &info, &dovecot),
            Target::RatioAtMost(1.0),
        );
        table.print(
            &Row::rounds(format!("{what}, warn"), &warn, &dovecot),
            Target::Reported,
        );
        Ok(())
    }
}

/// The same rounds of every server.
#[derive(Default)]
struct Turns {
    info: Measured,
    warn: Measured,
    dovecot: Measured,
}

impl Turns {
    /// What is judged are logins a second of the core's time, which others on the machine do not take away.
    fn print(&self, table: &mut Table, what: &str, target: f64) {
        let Self {
            info,
            warn,
            dovecot,
        } = self;
        for (ours, level, target) in [
            (info, "info", Target::RatioAtLeast(target)),
            (warn, "warn", Target::Reported),
        ] {
            let of_core = [ours, dovecot].map(|server| {
                let rates = server.cpu.iter().map(|micros| 1e6 / micros);
                rates.collect::<Vec<_>>()
            });
            let figure = format!("{what}, logins/s of CPU, {level}");
            table.print(&Row::rounds(figure, &of_core[0], &of_core[1]), target);
            let figure = format!("{what}, us of CPU, {level}");
            let row = Row::rounds(figure, &ours.cpu, &dovecot.cpu);
            table.print(&row, Target::Reported);
            let figure = format!("{what}, logins/s by the clock, {level}");
            let row = Row::rounds(figure, &ours.rates, &dovecot.rates);
            table.print(&row, Target::Reported);
        }
    }
}

impl Measured {
    fn take_gatepost(&mut self, load: &Load, gatepost: &Gatepost) -> io::Result<()> {
        let before = gatepost.judging()?;
        self.take(load, &gatepost.address, || gatepost.cpu())?;
        let judging = gatepost.judging()?.saturating_sub(before);
        self.judging.push(micros(judging) / load.logins());
        Ok(())
    }

    fn take(
        &mut self,
        load: &Load,
        address: &Address,
        cpu: impl Fn() -> io::Result<Duration>,
    ) -> io::Result<()> {
        let before = cpu()?;
        self.rates.push(load.rate(address)?);
        self.cpu
            .push(micros(cpu()?.saturating_sub(before)) / load.logins());
        Ok(())
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
