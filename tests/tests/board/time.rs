//! What becomes of a wrong time, on a board whose time passes as soon as it has nothing to do.

use std::time::{Duration, Instant};

use gatepost_tests::appliance::{Appliance, Boot, TimeServer};
use gatepost_tests::auth_client::{Answer, AuthClient};
use gatepost_tests::daemon::wait_until;
use gatepost_tests::flood::{Good, Junk, Message, Provider};
use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::{Behaviour, Stub};
use libtest_mimic::Failed;
use serde_json::json;

use crate::{Case, Lab};

/// Its image, by its configuration in `tests/appliance`.
pub(crate) const IMAGE: &str = "online";

const PROVIDER: u16 = 13200;
const TIME: u16 = 12300;
const PORT: u16 = 12374;

/// An instruction takes a nanosecond, and waiting for time takes none.
const AS_SOON_AS_IDLE: &str = "shift=0,sleep=off";

/// How far ahead the first answer is, in seconds.
const AHEAD: u64 = 400 * 86_400;

/// How often the board asks for the time as long as it is told another one than its own, in seconds.
const DOUBT: u64 = 60;

/// After how many seconds of the board's a wrong time may be refused for the last time that was set first.
const HEALED: i64 = 300;

/// How long that may take.
const LONG: Duration = Duration::from_mins(2);

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new(
        "a_wrong_first_answer_heals_and_keys_from_before_any_are_used",
        heals,
    )]
}

/// D6 and D11: the true time was too far away for ever, and keys of before looked a week old.
fn heals(lab: &Lab) -> Result<(), Failed> {
    let directory = lab.directory("time")?;
    let time = TimeServer::silent(TIME)?;
    let issuer = Issuer::new();
    let keys = json!({"keys": [issuer.jwk("ES256")]});
    let provider = Provider::behind(Stub::at(PROVIDER)?, issuer, &keys);
    let device = Appliance::start(&Boot {
        has_time: false,
        icount: Some(AS_SOON_AS_IDLE),
        ..Boot::new(IMAGE, "mps2-an386", PORT, &directory)
    })?;
    let outcome = heal(&device, &time, &provider);
    outcome.map_err(|error| {
        format!(
            "{}; it logged:\n{}",
            error.message().unwrap_or_default(),
            device.logged()
        )
        .into()
    })
}

fn heal(device: &Appliance, time: &TimeServer, provider: &Provider) -> Result<(), Failed> {
    device.wait_for("provider found")?;
    let good = || Good::Signed.message(1, provider);
    assert!(is_for_now(&asked(device, &good())), "it knows no time");
    time.tell(AHEAD);
    device.wait_for("clock set")?;
    let expired = asked(device, &good());
    assert!(format!("{expired:?}").contains("expired"), "{expired:?}");
    time.tell_in_steps(DOUBT);
    let since = Instant::now();
    while !device.logged().contains("clock corrected") {
        if since.elapsed() > LONG {
            return Err("it stays wrong".into());
        }
        // No other event tells.
        std::thread::sleep(Duration::from_millis(50));
    }
    let logged = device.logged();
    let (set, refused) = (
        told(&logged, "clock set; "),
        told(&logged, "too far from ours; "),
    );
    let took = refused.zip(set).map(|(refused, set)| refused - set);
    println!("a wrong first answer healed after {took:?} s of its own");
    assert!(took.is_some_and(|took| took < HEALED), "{took:?}");
    // What is known was fetched before the clock was set, and stays good where no look succeeds.
    provider
        .stub
        .set("/.well-known/openid-configuration", Behaviour::Reset);
    provider.stub.set("/jwks", Behaviour::Reset);
    let unknown = Junk::UnknownKey.message(1, &provider.stub.issuer());
    let answer = asked(device, &unknown);
    assert!(is_for_now(&answer), "{answer:?}");
    let accepted = asked(device, &good());
    assert!(matches!(accepted, Answer::Ok { .. }), "{accepted:?}");
    assert_eq!(device.starts(), 1);
    Ok(())
}

/// What time the board took it for when it last logged `words`.
fn told(logged: &str, words: &str) -> Option<i64> {
    let line = logged.lines().rfind(|line| line.contains(words))?;
    let (_, seconds) = line.split_once("unix=")?;
    seconds.parse().ok()
}

/// The end of a login. Its time passes so fast that a connection may be over before it has begun.
fn asked(device: &Appliance, (mechanism, message): &Message) -> Answer {
    let mut answer = None;
    let ended = wait_until("an answer", || {
        let ask = || {
            let mut client = device.client()?;
            let id = client.request(mechanism, message.as_bytes())?;
            match client.answer()?.1 {
                Answer::Continue(_) => client.reply(id, "").and_then(|()| Ok(client.answer()?.1)),
                answer => Ok(answer),
            }
        };
        answer = ask().ok();
        answer.is_some()
    });
    ended.expect("an answer");
    answer.expect("an answer")
}

fn is_for_now(answer: &Answer) -> bool {
    matches!(answer, Answer::Fail(fields) if fields.contains(&"code=temp_fail".to_owned()))
}
