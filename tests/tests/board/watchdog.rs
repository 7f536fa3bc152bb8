//! What the watchdog takes for a hang, and what not (D9).

use std::time::{Duration, Instant};

use gatepost_tests::certificates::Certificate;
use gatepost_tests::daemon::wait_until;
use gatepost_tests::flood::Good;
use gatepost_tests::stub::{Behaviour, Page};
use libtest_mimic::Failed;
use serde_json::json;

use crate::debugger::hang_thread_mode;
use crate::site::{DEBUGGER, Site};
use crate::{Case, shared};

/// Connections beside the mail server's two, and logins that each of them has at once.
const CONNECTIONS: u64 = 6;
const AT_ONCE: u64 = 2;

/// Milliseconds of silence after which the board restarts at the latest: sooner where it hangs with interrupts masked,
/// as its time stands still then.
const PATIENCE: u64 = 8_000;

/// How long the provider may be left alone, and some logins more.
const LEFT_ALONE: Duration = Duration::from_mins(1);

pub(crate) fn cases() -> Vec<Case> {
    vec![
        shared("no_legal_load_restarts_it", legal_load),
        shared(
            "a_provider_that_stops_midway_is_given_up_and_restarts_nothing",
            stuck_provider,
        ),
        shared("a_hang_restarts_it_within_eight_seconds", hang),
    ]
}

/// As many of the slowest logins as there may be, while the provider presents the slowest chain.
fn legal_load(site: &mut Site) -> Result<(), Failed> {
    site.present(Certificate::Forged)?;
    let connections = (0..CONNECTIONS).map(|_| site.connect());
    let connections = connections.collect::<Result<Vec<_>, _>>()?;
    let mut answers = Vec::new();
    for round in 0..3_u64 {
        for (place, connection) in (0_u64..).zip(&connections) {
            for turn in 0..AT_ONCE {
                let number = (round * CONNECTIONS + place) * AT_ONCE + turn;
                let remote = format!("203.0.113.{}", 1 + number);
                let message = Good::signed("ES384", number, &site.provider);
                answers.push(connection.log_in(message, &remote)?);
            }
        }
        // It has to be asked about, which takes a handshake.
        let asked = site.log_in(&[Good::Opaque], 1, Duration::ZERO);
        assert_eq!(asked.refused.len(), 1);
    }
    for answer in answers {
        let answer = answer.recv_timeout(gatepost_tests::stream::PATIENCE)?;
        answer?;
    }
    for connection in connections {
        connection.close();
    }
    site.present(Certificate::Good)?;
    assert_eq!(site.appliance.starts(), 1);
    Ok(())
}

fn stuck_provider(site: &mut Site) -> Result<(), Failed> {
    wait_for_provider(site)?;
    let page = Page::json(200, &json!({"active": false, "x": "x".repeat(500)}));
    let stub = &site.provider.stub;
    // One byte, and then nothing.
    stub.set("/introspect", Behaviour::Drip(Duration::from_mins(1), page));
    let asked = site.log_in(&[Good::Opaque], 1, Duration::ZERO);
    site.provider.behave();
    let refused = asked.refused.concat();
    assert!(refused.contains("temp_fail"), "{refused}");
    let signed = site.log_in(&[Good::Signed], 1, Duration::ZERO);
    assert_eq!(signed.refused, [""; 0]);
    wait_for_provider(site)?;
    assert_eq!(site.appliance.starts(), 1);
    Ok(())
}

/// Waits until it is asked again.
fn wait_for_provider(site: &mut Site) -> Result<(), Failed> {
    let since = Instant::now();
    let pause = Duration::from_millis(250);
    while !site.log_in(&[Good::Opaque], 1, pause).refused.is_empty() {
        if since.elapsed() > LEFT_ALONE {
            return Err("the provider is left alone for ever".into());
        }
    }
    Ok(())
}

fn hang(site: &mut Site) -> Result<(), Failed> {
    // What it is busy with then.
    let connection = site.connect()?;
    for number in 0..2 * AT_ONCE {
        let message = Good::signed("ES512", number, &site.provider);
        drop(connection.log_in(message, "203.0.113.1")?);
    }
    hang_thread_mode(DEBUGGER)?;
    wait_until("another start", || site.appliance.starts() == 2)?;
    let logged = site.appliance.logged();
    let (_, rest) = logged
        .split_once("thread mode silent for ")
        .ok_or("no word of the watchdog")?;
    let silent: u64 = rest.split(' ').next().unwrap_or_default().parse()?;
    println!("thread mode was silent for {silent} ms");
    assert!(silent <= PATIENCE, "{silent} ms");
    // It is whole again.
    site.appliance.wait_for_again("provider found", 2)?;
    site.reconnect()?;
    let found = site.log_in(&[Good::Signed, Good::Opaque], 1, Duration::ZERO);
    assert_eq!(found.refused, [""; 0]);
    Ok(())
}
