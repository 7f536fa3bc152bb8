//! Floods of junk from one network, each kind by itself, and others who log in meanwhile.

use std::io;
use std::path::Path;
use std::time::Duration;

use gatepost_tests::flood::{Good, Junk, Pace, Provider, Site};
use gatepost_tests::stub::{Behaviour, Page};

use super::servers::Gatepost;
use super::table::{Row, Table, Target};
use super::verification::Verifications;

/// Good logins alone and in a flood: ten times a second, so that ten seconds have a 99th percentile.
const ALONE: Pace = Pace {
    times: 50,
    pause: Duration::from_millis(100),
};
const FLOODED: Pace = Pace {
    times: 100,
    pause: Duration::from_millis(100),
};

/// How long the provider takes for its keys while unknown ones are looked for.
const SLOW_KEYS: Duration = Duration::from_secs(2);

pub(crate) fn run(
    table: &mut Table,
    directory: &Path,
    verifications: &Verifications,
) -> io::Result<()> {
    for (number, junk) in Junk::ALL.into_iter().enumerate() {
        let provider = Provider::start()?;
        let text = provider.settings();
        let gatepost = Gatepost::start(directory, &format!("flood{number}"), "info", &text)?;
        let site = Site::open(&gatepost.address, provider)?;
        let alone = site.log_in(ALONE);
        if junk == Junk::UnknownKey {
            let page = Page::json(200, &site.provider.issuer.jwk_set());
            let slow = Behaviour::After(SLOW_KEYS, page);
            site.provider.stub.set("/jwks", slow);
        }
        let (flooded, rates) = site.flood(&[junk], FLOODED);
        let title = format!(
            "flood of {junk:?}: {}/s shared, {}/s apart; info",
            rates.shared, rates.apart
        );
        Table::section(&title, "alone");
        let verification = match junk {
            Junk::Forged(algorithm) => verifications.of(algorithm),
            _ => verifications.of("ES256"),
        };
        for good in Good::ALL {
            let [alone, flooded] =
                [&alone, &flooded].map(|times| times.quantile(good, 99).as_secs_f64() * 1e6);
            let row = Row::beside(format!("p99 of a good login, {good:?}, us"), flooded, alone);
            table.print(&row, Target::AtMost(alone + 2.0 * verification));
        }
        let refused = u32::try_from(flooded.refused.len()).unwrap_or(u32::MAX);
        let figure = format!("refused of {} good logins", flooded.count());
        table.print(&Row::alone(figure, refused.into()), Target::AtMost(0.0));
        if let Some(said) = flooded.refused.first() {
            println!("  {said}");
        }
    }
    Ok(())
}
