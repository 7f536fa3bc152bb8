//! A provider that is frozen, slow, talks garbage, is killed, restarted and rotated while logins go on.
//!
//! Whatever happens to it: no good token is refused for good, no bad one gets in, and nothing grows.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use gatepost_tests::auth_client::{Answer, AuthClient};
use gatepost_tests::lab::{Lab, ONLINE_GATEPOST};
use gatepost_tests::login::Mechanism;
use gatepost_tests::oidc_provider::Kind;
use gatepost_tests::stream::Address;
use libtest_mimic::Failed;

use crate::Case;
use crate::online::{self, Online};

/// How long each state of the provider lasts: longer than a question may take, and than a breaker's pause.
const STATE: Duration = Duration::from_millis(3500);

/// How often everything happens.
const TURNS: usize = 5;

/// Clients that log in all the time.
const CLIENTS: usize = 4;

/// Memory that may be added while caches fill, in kilobytes.
const MAX_GROWTH: usize = 12 * 1024;

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new(
        "chaos::no_good_token_is_refused_for_good_and_no_bad_one_gets_in",
        |lab| {
            let mut online = online::open(lab)?;
            run(lab, &mut online)
        },
    )]
}

/// What clients present at the moment; replaced while no login is under way.
struct Tokens {
    good: Vec<String>,
    bad: Vec<String>,
}

/// What came of all logins.
#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    temporary: AtomicUsize,
    refused: AtomicUsize,
    is_over: AtomicBool,
}

fn run(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    online.configure(&online::client_lines())?;
    let bad = vec![
        online.token(lab, Kind::Jwt("ES256"), "calendar")?,
        online.token(lab, Kind::Opaque, "calendar")?,
        "never-issued".to_owned(),
    ];
    let tokens = RwLock::new(Tokens {
        good: fresh(lab, online)?,
        bad,
    });
    let counts = Counts::default();
    let process = online.daemon.id();
    let before = Usage::of(process)?;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| log_in_until_over(&tokens, &counts)))
            .collect();
        let disturbed = disturb(lab, online, &tokens);
        counts.is_over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| "a client panicked")??;
        }
        disturbed
    })?;
    let after = Usage::of(process)?;
    let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    // All of it has happened: logins succeeded, were put off, and were refused.
    assert!(count(&counts.accepted) > 100, "{}", count(&counts.accepted));
    assert!(count(&counts.temporary) > 0 && count(&counts.refused) > 100);
    assert!(
        after.descriptors <= before.descriptors + 8,
        "{before:?} {after:?}"
    );
    assert!(
        after.kilobytes <= before.kilobytes + MAX_GROWTH,
        "{before:?} {after:?}"
    );
    Ok(())
}

/// Does everything to the provider, and gives clients new tokens where the old ones are gone with it.
fn disturb(lab: &Lab, online: &mut Online, tokens: &RwLock<Tokens>) -> Result<(), Failed> {
    let replace = |good: Vec<String>| {
        tokens.write().unwrap_or_else(PoisonError::into_inner).good = good;
    };
    for _ in 0..TURNS {
        thread::sleep(STATE);
        online.provider.freeze()?;
        thread::sleep(STATE);
        online.provider.thaw()?;
        thread::sleep(STATE);
        for kind in ["garbage", "slow"] {
            online.provider.disturb(Some(kind))?;
            thread::sleep(STATE);
        }
        online.provider.disturb(None)?;
        {
            let mut held = tokens.write().unwrap_or_else(PoisonError::into_inner);
            online.provider.rotate_keeping()?;
            held.good = fresh(lab, online)?;
        }
        thread::sleep(STATE);
        // Its opaque tokens do not outlive it; its keys do.
        let mut good = fresh(lab, online)?;
        good.truncate(1);
        replace(good);
        online.provider.kill();
        thread::sleep(STATE);
        online.provider.restart()?;
        replace(fresh(lab, online)?);
    }
    thread::sleep(STATE);
    Ok(())
}

/// A JWT, then an opaque token.
fn fresh(lab: &Lab, online: &Online) -> io::Result<Vec<String>> {
    Ok(vec![
        online.token(lab, Kind::Jwt("ES256"), "mail")?,
        online.token(lab, Kind::Opaque, "mail")?,
    ])
}

fn log_in_until_over(tokens: &RwLock<Tokens>, counts: &Counts) -> io::Result<()> {
    let mut client = AuthClient::open(&Address::port(ONLINE_GATEPOST))?;
    while !counts.is_over.load(Ordering::Relaxed) {
        // Held until the logins are over, so that no token is replaced under them.
        let tokens = tokens.read().unwrap_or_else(PoisonError::into_inner);
        for token in &tokens.good {
            match log_in(&mut client, token)? {
                End::Accepted => counts.accepted.fetch_add(1, Ordering::Relaxed),
                End::Temporary => counts.temporary.fetch_add(1, Ordering::Relaxed),
                End::Refused(fields) => panic!("a good token was refused: {fields:?}"),
            };
        }
        for token in &tokens.bad {
            match log_in(&mut client, token)? {
                End::Accepted => panic!("a bad token got in"),
                End::Temporary => counts.temporary.fetch_add(1, Ordering::Relaxed),
                End::Refused(_) => counts.refused.fetch_add(1, Ordering::Relaxed),
            };
        }
        drop(tokens);
        // A writer would never get its turn.
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

enum End {
    Accepted,
    Temporary,
    Refused(Vec<String>),
}

fn log_in(client: &mut AuthClient, token: &str) -> io::Result<End> {
    let id = client.request("XOAUTH2", &Mechanism::Xoauth2.response(token))?;
    loop {
        match client.answer()? {
            (_, Answer::Ok { .. }) => return Ok(End::Accepted),
            (_, Answer::Continue(_)) => client.reply(id, "")?,
            (_, Answer::Fail(fields)) => {
                let is_temporary = fields.iter().any(|field| field == "code=temp_fail");
                return Ok(if is_temporary {
                    End::Temporary
                } else {
                    End::Refused(fields)
                });
            }
        }
    }
}

/// What a process holds.
#[derive(Debug)]
struct Usage {
    descriptors: usize,
    kilobytes: usize,
}

impl Usage {
    fn of(process: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        Ok(Self {
            descriptors: fs::read_dir(format!("/proc/{process}/fd"))?.count(),
            kilobytes: kilobytes.unwrap_or_default(),
        })
    }
}
