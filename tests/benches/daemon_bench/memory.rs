//! What connections hold while they are idle, and what is given back after a peak.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use gatepost_tests::daemon::wait_until;
use gatepost_tests::flood::{Connection as Stranger, Good, Provider};
use gatepost_tests::mint::Issuer;

use super::beside::{NEW, REPEATED};
use super::load::{Connection, Load};
use super::process::{allow_files, highest_resident, resident};
use super::servers::{self, Gatepost};
use super::table::{Row, Table, Target};
use super::tokens::Tokens;

/// Connections that are idle.
const IDLE: u32 = 10_000;

/// Files that this process and the daemon have open besides.
const OTHERS: u64 = 500;

/// Logins at once of one network: of more, some are refused.
const AT_ONCE: usize = 200;

/// Tokens that wait for the provider at the peak.
const OPAQUE: usize = 16_000;

/// How long after a peak memory is looked at: the daemon gives back what is free every ten seconds.
const CALM: Duration = Duration::from_secs(12);

/// How much later all answers are forgotten, and given back: they are remembered for a minute, and looked through every
/// ten seconds.
const REMEMBERED: Duration = Duration::from_secs(80);

pub(crate) fn run(table: &mut Table, directory: &Path, issuer: &Issuer) -> io::Result<()> {
    allow_files(u64::from(IDLE) + OTHERS)?;
    let provider = Provider::start()?;
    let text = format!(
        "limits.connections = {}\n{}{}",
        u64::from(IDLE) + OTHERS / 2,
        servers::static_keys(directory, issuer)?,
        provider.settings()
    );
    let gatepost = Gatepost::start(directory, "memory", "info", &text)?;
    // Caches and buffers as they are in use.
    let tokens = Tokens::mint(issuer, "RS256", NEW);
    Load::of(&tokens.all()).finish(&gatepost.address)?;
    let repeated = Load::of(&vec![tokens.first(); REPEATED]);
    repeated.finish(&gatepost.address)?;
    let before = highest_resident(gatepost.id(), CALM)?;
    Table::section("memory in KB; info", "before");

    let open = |_| Connection::open(&gatepost.address);
    let mut connections: Vec<_> = (0..IDLE).map(open).collect::<io::Result<_>>()?;
    let with_idle = highest_resident(gatepost.id(), CALM)?;
    let figure = format!("{IDLE} idle connections, each");
    let each = (with_idle - before) / f64::from(IDLE);
    table.print(&Row::alone(figure, each), Target::AtMost(3.0));

    let mut highest: f64 = 0.0;
    for some in connections.chunks_mut(AT_ONCE) {
        for connection in &mut *some {
            connection.log_in(tokens.first())?;
        }
        highest = highest.max(resident(gatepost.id())?);
        some.iter_mut()
            .try_for_each(|connection| connection.answers(1))?;
    }
    drop(connections);
    let row = Row::beside("resident while each of them logs in", highest, before);
    table.print(&row, Target::Reported);
    thread::sleep(CALM);
    let after = resident(gatepost.id())?;
    let row = Row::beside("resident 12 s after they have left", after, before);
    table.print(&row, Target::RatioAtMost(1.2));

    let stranger = Stranger::open(&gatepost.address)?;
    for number in 0..OPAQUE {
        let message = Good::Opaque.message(number as u64, &provider);
        stranger.throw(message, OPAQUE)?;
    }
    let highest = resident(gatepost.id())?;
    wait_until("answers", || stranger.answered() == OPAQUE as u64)?;
    drop(stranger);
    let row = Row::beside(
        format!("resident while {OPAQUE} logins are in flight"),
        highest,
        before,
    );
    table.print(&row, Target::Reported);
    thread::sleep(CALM);
    let after = resident(gatepost.id())?;
    let row = Row::beside(
        "resident 12 s after they are answered, each answer remembered",
        after,
        before,
    );
    table.print(&row, Target::Reported);
    thread::sleep(REMEMBERED);
    let after = resident(gatepost.id())?;
    let row = Row::beside("resident once they are forgotten", after, before);
    table.print(&row, Target::RatioAtMost(1.2));
    Ok(())
}
