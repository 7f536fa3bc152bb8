//! Questions to a provider: as many a second as it bears, and a login that needs none beside those that wait.

use std::io;
use std::path::Path;
use std::time::Duration;

use gatepost_tests::daemon::wait_until;
use gatepost_tests::flood::{Connection, Good, Provider, STRANGER};
use gatepost_tests::stream::PATIENCE;
use gatepost_tests::stub::{Behaviour, Page, Stub};
use serde_json::json;

use super::load::Load;
use super::servers::{self, Gatepost};
use super::table::{Row, Table, Target};
use super::tokens::USER;

/// Questions to a Dovecot 2.3 that has ten at once, with a provider that takes 50 ms each.
const DOVECOT_ASKS: f64 = 194.0;

/// Opaque tokens that wait, and how long the provider takes for each.
const WAITING: usize = 100;
const SLOWNESS: Duration = Duration::from_millis(2500);

/// Logins whose times are compared.
const LOGINS: u64 = 200;

/// A provider that takes 50 ms for each question.
pub(crate) fn introspection(table: &mut Table, directory: &Path) -> io::Result<()> {
    Table::section(
        "introspection, a provider that takes 50 ms; info",
        "measured*",
    );
    let stub = Stub::provider()?;
    let answer = json!({"active": true, "aud": "mail", "email": USER});
    let page = Page::json(200, &answer);
    stub.set(
        "/introspect",
        Behaviour::After(Duration::from_millis(50), page),
    );
    for concurrency in [10_u32, 32, 64] {
        let at_once = concurrency as usize;
        let text = servers::introspecting(&stub, at_once);
        let gatepost = Gatepost::start(directory, &format!("ask{concurrency}"), "info", &text)?;
        let tokens: Vec<String> = (0..at_once * 20)
            .map(|n| format!("opaque-{concurrency}-{n}"))
            .collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let rate = Load::wide(&tokens, at_once).rate(&gatepost.address)?;
        let bound = f64::from(concurrency) * 20.0;
        let figure = format!("logins/s, {concurrency} at once; the provider's bound is {bound}");
        table.print(&Row::beside(figure, rate, DOVECOT_ASKS), Target::Reported);
    }
    println!("  * of Dovecot 2.3, which asks ten at once");
    Ok(())
}

/// A JWT beside opaque tokens that wait on the same connection. `verification` is what one takes, in microseconds.
pub(crate) fn shared_connection(
    table: &mut Table,
    directory: &Path,
    verification: f64,
) -> io::Result<()> {
    let provider = Provider::start()?;
    let slow = Page::json(200, &json!({"active": false}));
    let question = "/introspect";
    provider
        .stub
        .set(question, Behaviour::After(SLOWNESS, slow));
    let gatepost = Gatepost::start(directory, "shared", "info", &provider.settings())?;
    let connection = Connection::open(&gatepost.address)?;
    let alone = signed(&connection, &provider, 0)?;
    for number in 0..WAITING {
        let token = format!("user={USER}\x01auth=Bearer slow-{number}\x01\x01");
        connection.throw(("XOAUTH2", token), WAITING)?;
    }
    wait_until("a question", || !provider.stub.seen(question).is_empty())?;
    let beside = signed(&connection, &provider, LOGINS)?;
    if connection.answered() > 0 {
        return Err(io::Error::other("the opaque tokens did not wait"));
    }
    Table::section(
        &format!("ES256 beside {WAITING} opaque tokens that wait; info"),
        "alone",
    );
    for (name, hundredths) in [("median", 50), ("p99", 99)] {
        let [alone, beside] = [&alone, &beside].map(|times| times[times.len() * hundredths / 100]);
        table.print(
            &Row::beside(
                format!("{name} on the shared connection, us"),
                beside,
                alone,
            ),
            Target::AtMost(alone + verification),
        );
    }
    Ok(())
}

/// How long each of some logins by a JWT takes, in microseconds, the shortest first.
fn signed(connection: &Connection, provider: &Provider, first: u64) -> io::Result<Vec<f64>> {
    let mut times = Vec::new();
    for number in first..first + LOGINS {
        let message = Good::Signed.message(number, provider);
        // From where the others come: the worst that can be.
        let answer = connection.log_in(message, STRANGER)?;
        let took = answer.recv_timeout(PATIENCE).map_err(io::Error::other)?;
        times.push(took.map_err(io::Error::other)?.as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}
