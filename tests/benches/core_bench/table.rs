//! Measuring, and the table with the targets beside the figures.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use super::{counting::heap_calls, instructions, subject::Subject};

/// Rounds in which every subject takes its turn.
const ROUNDS: usize = 41;
/// How long one turn lasts.
const TURN: Duration = Duration::from_millis(12);

/// A ratio or a time that the project has set itself.
struct Target {
    what: &'static str,
    subject: &'static str,
    /// The figure is a ratio to this subject's; `None` for microseconds.
    over: Option<&'static str>,
    bound: Bound,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Reported,
}

const TARGETS: [Target; 10] = [
    target(
        "everything but the signature, RS256 (µs)",
        "RS256 login without signature",
        None,
        Bound::AtMost(1.0),
    ),
    target(
        "everything but the signature, ES256 (µs)",
        "ES256 login without signature",
        None,
        Bound::AtMost(1.0),
    ),
    target(
        "login over bare RS256, aws-lc",
        "RS256 login, aws-lc",
        Some("RS256 signature, aws-lc"),
        Bound::AtMost(1.05),
    ),
    target(
        "login over bare RS256, core",
        "RS256 login, core",
        Some("RS256 signature, core"),
        Bound::AtMost(1.05),
    ),
    target(
        "login over bare ES256, aws-lc",
        "ES256 login, aws-lc",
        Some("ES256 signature, aws-lc"),
        Bound::AtMost(1.015),
    ),
    target(
        "login over bare ES256, core",
        "ES256 login, core",
        Some("ES256 signature, core"),
        Bound::AtMost(1.015),
    ),
    target(
        "jsonwebtoken over login, RS256",
        "RS256 jsonwebtoken, aws-lc",
        Some("RS256 login, aws-lc"),
        Bound::AtLeast(1.3),
    ),
    target(
        "jsonwebtoken over login, ES256",
        "ES256 jsonwebtoken, aws-lc",
        Some("ES256 login, aws-lc"),
        Bound::AtLeast(1.08),
    ),
    target(
        "core over ring, RSA-2048",
        "RSA-2048 signature, core",
        Some("RSA-2048 signature, ring"),
        Bound::AtMost(1.15),
    ),
    target(
        "core over ring, RSA-4096",
        "RSA-4096 signature, core",
        Some("RSA-4096 signature, ring"),
        Bound::Reported,
    ),
];

const fn target(
    what: &'static str,
    subject: &'static str,
    over: Option<&'static str>,
    bound: Bound,
) -> Target {
    Target {
        what,
        subject,
        over,
        bound,
    }
}

/// Measures `subjects` and prints what came out.
pub(crate) fn print(subjects: &[Subject], tokens: &Path) {
    let rounds = measure(subjects);
    println!(
        "\n{:<36} {:>10} {:>14} {:>11}",
        "subject", "µs", "instructions", "heap calls"
    );
    for subject in subjects {
        let name = subject.name.as_str();
        let count = instructions::count(name, tokens).map_or("-".into(), |count| count.to_string());
        let micros = median(rounds[name].clone());
        println!(
            "{name:<36} {micros:>10.2} {count:>14} {:>11}",
            heap_calls(&subject.work)
        );
    }
    println!(
        "\n{:<44} {:>8}   target",
        "figure (median of rounds)", "measured"
    );
    for target in &TARGETS {
        print_target(target, &rounds);
    }
}

fn print_target(target: &Target, rounds: &HashMap<&str, Vec<f64>>) {
    let ours = &rounds[target.subject];
    let figure = match target.over {
        Some(over) => median(
            ours.iter()
                .zip(&rounds[over])
                .map(|(ours, theirs)| ours / theirs)
                .collect(),
        ),
        None => median(ours.clone()),
    };
    let (bound, met) = match target.bound {
        Bound::AtMost(bound) => (format!("<= {bound}"), figure <= bound),
        Bound::AtLeast(bound) => (format!(">= {bound}"), figure >= bound),
        Bound::Reported => ("reported".into(), true),
    };
    println!(
        "{:<44} {figure:>8.3}   {bound}{}",
        target.what,
        if met { "" } else { "  MISSED" }
    );
}

/// Microseconds of one run, a round: the subjects take turns in every one.
fn measure(subjects: &[Subject]) -> HashMap<&str, Vec<f64>> {
    let runs: Vec<u32> = subjects
        .iter()
        .map(|subject| calibrate(&subject.work))
        .collect();
    let mut rounds: HashMap<&str, Vec<f64>> = HashMap::new();
    for _ in 0..ROUNDS {
        for (subject, &runs) in subjects.iter().zip(&runs) {
            let start = Instant::now();
            for _ in 0..runs {
                (subject.work)();
            }
            let micros = start.elapsed().as_secs_f64() * 1e6 / f64::from(runs);
            rounds.entry(&subject.name).or_default().push(micros);
        }
    }
    rounds
}

/// How many runs fill a turn.
fn calibrate(work: &dyn Fn()) -> u32 {
    let start = Instant::now();
    let mut runs = 0;
    while start.elapsed() < TURN {
        work();
        runs += 1;
    }
    runs
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
