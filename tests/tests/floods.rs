//! Floods of junk from one network, and others who log in every second meanwhile (invariant 7).
//!
//! All kinds of junk at once for half a minute; with `GATEPOST_FLOOD_SECONDS`, each kind alone for so long. What is
//! asserted is that nobody of the others is refused; how long they wait is printed.

use std::env;
use std::time::Duration;

use gatepost_tests::corpora::{self, trial};
use gatepost_tests::daemon::{Configuration, Daemon};
use gatepost_tests::flood::{Good, Junk, Pace, Provider, Site};
use gatepost_tests::stream::Address;
use tempfile::TempDir;

/// How long the flood of all kinds lasts, in seconds.
const SECONDS: u32 = 30;

/// Those who log in while there is no flood.
const ALONE: Pace = Pace {
    times: 10,
    pause: Duration::from_millis(100),
};

fn flood(junk: &[Junk], seconds: u32) {
    let root = TempDir::new().expect("a directory");
    let provider = Provider::start().expect("a provider");
    let path = root.path().join("auth");
    // A line a login would be most of what the disk has to bear.
    let text = format!(
        "listen = \"unix:{}\"\nlog.level = \"warn\"\n{}",
        path.display(),
        provider.settings()
    );
    let address = Address::Unix(path);
    let configuration =
        Configuration::write_text(root.path().to_owned(), address.clone(), &text).expect("a file");
    let _daemon = Daemon::start(&configuration).expect("a daemon");
    let site = Site::open(&address, provider).expect("connections");

    let alone = site.log_in(ALONE);
    assert_eq!(alone.refused, [""; 0]);
    let pace = Pace {
        times: seconds,
        pause: Duration::from_secs(1),
    };
    let (flooded, rates) = site.flood(junk, pace);
    assert_eq!(flooded.refused, [""; 0]);
    assert_eq!(flooded.count(), pace.logins());
    println!(
        "{junk:?}: {} a second on the shared connection, {} on another",
        rates.shared, rates.apart
    );
    for good in Good::ALL {
        println!(
            "{good:?}: median {:?}, p99 {:?}; alone {:?}, {:?}",
            flooded.quantile(good, 50),
            flooded.quantile(good, 99),
            alone.quantile(good, 50),
            alone.quantile(good, 99)
        );
    }
}

fn main() {
    let trials = match env::var("GATEPOST_FLOOD_SECONDS") {
        Err(_) => vec![trial(
            "invariant_7_a_flood_of_all_kinds_of_junk_refuses_nobody_else",
            || flood(&Junk::ALL, SECONDS),
        )],
        Ok(seconds) => {
            let seconds = seconds.parse().expect("GATEPOST_FLOOD_SECONDS: seconds");
            let each = Junk::ALL.iter().map(|junk| {
                let name = format!("invariant_7_a_flood_of_{junk:?}_refuses_nobody_else");
                trial(name, move || flood(std::slice::from_ref(junk), seconds))
            });
            each.collect()
        }
    };
    corpora::run(trials, &[]);
}
