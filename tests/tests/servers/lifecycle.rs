//! Gatepost restarted and reconfigured while clients log in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use gatepost_tests::daemon::{Daemon, wait_until};
use gatepost_tests::lab::{Lab, PROCESSES, RELOADED, RESTARTED_INET, RESTARTED_UNIX};
use gatepost_tests::login::{Login, Mechanism};
use gatepost_tests::smtp::{InitialResponse, Session};
use gatepost_tests::stream::Address;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::Case;
use crate::logins::{assert_ending, log_in};

/// Restarts under load.
const RESTARTS: usize = 5;
/// Logins before and after each event of a case under load.
const LOGINS: usize = 40;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("postfix_unix::a_restart_loses_no_login", restart_over_unix),
        Case::new(
            "postfix_inet::a_restart_loses_at_most_one_login_a_process",
            restart_over_inet,
        ),
        Case::new("postfix_unix::new_keys_lose_no_login", new_keys),
        Case::new(
            "postfix_unix::a_bad_configuration_changes_nothing",
            bad_configuration,
        ),
    ]
}

/// Clients that log in one after the other, until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    finished: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<Result<Outcome, String>>>>,
}

/// One login: whether its token was good, and the code it got.
#[derive(Clone, Copy)]
struct Outcome {
    login: Login,
    code: u16,
}

impl Load {
    /// As many clients as Postfix has processes for `port`; every fourth login is a bad one.
    fn start(lab: &Lab, port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let finished = Arc::new(AtomicUsize::new(0));
        let client = |number: usize| {
            let mechanism = Mechanism::ALL[number % 2];
            let response = |login| (login, lab.logins.response(login, mechanism, "ES256"));
            let good = Login::Good;
            let logins = [good, good, good, Login::WrongAudience].map(response);
            let (stop, finished) = (Arc::clone(&stop), Arc::clone(&finished));
            thread::spawn(move || {
                let mut outcomes = Vec::new();
                for (login, response) in logins.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    outcomes.push(one_login(port, mechanism, *login, response));
                    finished.fetch_add(1, Ordering::Relaxed);
                }
                outcomes
            })
        };
        let clients = (0..usize::from(PROCESSES)).map(client).collect();
        Self {
            stop,
            finished,
            clients,
        }
    }

    /// Waits until [`LOGINS`] more logins have ended.
    fn go_on(&self) -> Result<(), Failed> {
        let enough = self.finished.load(Ordering::Relaxed) + LOGINS;
        Ok(wait_until("more logins", || {
            self.finished.load(Ordering::Relaxed) >= enough
        })?)
    }

    fn stop(self) -> Result<Vec<Outcome>, Failed> {
        self.stop.store(true, Ordering::Relaxed);
        let mut outcomes = Vec::new();
        for client in self.clients {
            for outcome in client.join().map_err(|_| "a client panicked")? {
                outcomes.push(outcome?);
            }
        }
        Ok(outcomes)
    }
}

fn one_login(
    port: u16,
    mechanism: Mechanism,
    login: Login,
    response: &[u8],
) -> Result<Outcome, String> {
    let attempt = || {
        let mut session = Session::open(&Address::port(port))?;
        let when = InitialResponse::WithCommand;
        session.authenticate(mechanism.name(), response, when, mechanism.answer())
    };
    let ending = attempt().map_err(|error| error.to_string())?;
    Ok(Outcome {
        login,
        code: ending.reply.code,
    })
}

/// The logins that ended otherwise than they should, counted; no bad one may ever get in.
fn lost(outcomes: &[Outcome]) -> BTreeMap<(String, u16), usize> {
    let mut lost = BTreeMap::new();
    for &Outcome { login, code } in outcomes {
        let expected = if login == Login::Good { 235 } else { 535 };
        assert!(login == Login::Good || code != 235, "{login:?} got in");
        if code != expected {
            *lost.entry((format!("{login:?}"), code)).or_default() += 1;
        }
    }
    lost
}

/// The new instance takes over the address before the old one goes.
fn restarted_under_load(lab: &Lab, port: u16) -> Result<Vec<Outcome>, Failed> {
    let configuration = lab.configuration_for(port)?;
    let text = configuration.text();
    let listener = "[[listener]]\n";
    configuration.write_file(&text.replace(listener, &format!("{listener}take_over = true\n")))?;
    let mut daemon = Daemon::start(&configuration)?;
    let load = Load::start(lab, port);
    load.go_on()?;
    for _ in 0..RESTARTS {
        let mut old = std::mem::replace(&mut daemon, Daemon::start(&configuration)?);
        load.go_on()?;
        let status = old.terminate()?;
        assert!(status.success(), "{status}\n{}", old.logged());
        load.go_on()?;
    }
    load.stop()
}

fn restart_over_unix(lab: &Lab) -> Result<(), Failed> {
    let outcomes = restarted_under_load(lab, RESTARTED_UNIX)?;
    let lost = lost(&outcomes);
    assert!(lost.is_empty(), "{lost:?} of {}", outcomes.len());
    Ok(())
}

fn restart_over_inet(lab: &Lab) -> Result<(), Failed> {
    let outcomes = restarted_under_load(lab, RESTARTED_INET)?;
    let lost = lost(&outcomes);
    let told_to_come_back = lost.keys().all(|(_, code)| *code == 454);
    let most = RESTARTS * usize::from(PROCESSES);
    assert!(
        told_to_come_back && lost.values().sum::<usize>() <= most,
        "{lost:?} of {}",
        outcomes.len()
    );
    Ok(())
}

fn new_keys(lab: &Lab) -> Result<(), Failed> {
    let configuration = lab.configuration_for(RELOADED)?;
    let all = lab.logins.jwk_set();
    let few = without(&all, "PS256");
    configuration.write_keys(&few)?;
    let daemon = Daemon::start(&configuration)?;
    let load = Load::start(lab, RELOADED);
    load.go_on()?;
    for (keys, expected) in [(&few, 535), (&all, 235), (&few, 535), (&all, 235)] {
        configuration.write_keys(keys)?;
        daemon.reload()?;
        let mut code = Ok(0);
        let waited = wait_until("the new keys", || {
            code = code_of(lab, "PS256");
            !matches!(code, Ok(code) if code != expected)
        });
        assert_eq!(code?, expected);
        waited?;
        load.go_on()?;
    }
    let outcomes = load.stop()?;
    let lost = lost(&outcomes);
    assert!(lost.is_empty(), "{lost:?} of {}", outcomes.len());
    Ok(())
}

fn bad_configuration(lab: &Lab) -> Result<(), Failed> {
    let configuration = lab.configuration_for(RELOADED)?;
    let daemon = Daemon::start(&configuration)?;
    let good = configuration.text();
    let bad = [
        "[[listener]".to_owned(),
        good.replace("audience", "audiences"),
        good.replace("keys.json", "keys-that-are-not-there.json"),
    ];
    for text in bad {
        let before = complaints(&daemon);
        configuration.write_file(&text)?;
        daemon.reload()?;
        wait_until("a complaint", || complaints(&daemon) > before)?;
        assert_eq!(code_of(lab, "ES256")?, 235);
        assert_eq!(code_of(lab, "none")?, 535);
    }
    configuration.write_file(&good)?;
    daemon.reload()?;
    let when = InitialResponse::WithCommand;
    let mechanism = Mechanism::Xoauth2;
    let ending = log_in(lab, RELOADED, mechanism, Login::Good, "ES256", when)?;
    assert_ending(&ending, mechanism, Login::Good);
    Ok(())
}

/// The code that a good token gets which is signed with `algorithm`, or an expired one for `none`.
fn code_of(lab: &Lab, algorithm: &str) -> Result<u16, Failed> {
    let (login, algorithm) = match algorithm {
        "none" => (Login::Expired, "ES256"),
        algorithm => (Login::Good, algorithm),
    };
    let when = InitialResponse::WithCommand;
    Ok(
        log_in(lab, RELOADED, Mechanism::Xoauth2, login, algorithm, when)?
            .reply
            .code,
    )
}

/// How many errors a daemon has logged.
fn complaints(daemon: &Daemon) -> usize {
    let events = daemon.events();
    events
        .iter()
        .filter(|event| event["level"] == "ERROR")
        .count()
}

fn without(keys: &Value, kid: &str) -> Value {
    let mut keys = keys.clone();
    if let Some(list) = keys["keys"].as_array_mut() {
        list.retain(|key| key["kid"] != kid);
    }
    keys
}
