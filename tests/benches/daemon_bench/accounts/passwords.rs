//! Logins with application passwords, two of each account, beside Dovecot's with passwords of its own.

use std::io;
use std::thread;
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_accounts::app_password::{KeyId, Services, Verifier};
use gatepost_accounts::scim::Effect;
use gatepost_accounts::time::Timestamp;
use gatepost_core::app_password::{AppPassword, VerifierKey};
use gatepost_store::{NewPassword, Role, Settings, Sqlite, run as in_one};
use gatepost_tests::namespace::Namespace;

use super::super::load::Load;
use super::beside::Users;
use super::filled::{ACCOUNTS, address, fresh};
use super::{Desk, Row, Running, Table, Target, resident};

/// Passwords of an account.
const EACH: u64 = 2;

/// Accounts of one transaction.
const AT_ONCE: u64 = 500;

/// Logins of one measurement; of those that cost Dovecot milliseconds, fewer.
const LOGINS: u64 = 60_000;
const SLOW: u64 = 1_000;

const KEY: [u8; 32] = [7; 32];

pub(super) fn run(table: &mut Table, namespace: &Namespace, full: &Desk) -> io::Result<()> {
    let key = full.directory.join("app-password.key");
    std::fs::write(&key, STANDARD.encode(KEY))?;
    let accounts = format!("[accounts]\napp_password_key = \"{}\"\n", key.display());
    let desk = Desk {
        directory: full.directory.clone(),
        disk: full.disk.clone(),
        name: full.name,
        text: full.text.replacen("[accounts]\n", &accounts, 1),
    };
    let running = desk.start()?;
    while !running.is_known(&address(ACCOUNTS - 1))? {
        thread::sleep(Duration::from_millis(1));
    }
    // What reading it has taken is given back within ten seconds.
    thread::sleep(Duration::from_secs(12));
    let before = resident(running.gatepost.id())?;
    println!("adding {EACH} application passwords to each ..");
    add(&desk)?;
    let last = [pair(ACCOUNTS - 1, EACH - 1)];
    let last = Load::of_passwords(&last, true);
    while last.finish(&running.gatepost.address).is_err() {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_secs(12));
    let more = (resident(running.gatepost.id())? - before) / 1_000.0;
    Table::section("200,000 application passwords", "");
    let row = Row::alone("MB that they take", more);
    table.print(&row, Target::AtMost(32.0));
    log_in(table, namespace, &running)
}

/// The name and a password of an account.
fn pair(number: u64, which: u64) -> (String, String) {
    let mut shown = [0; AppPassword::SHOWN_LEN];
    let password = password(number, which).show(&mut shown).to_owned();
    (address(number), password)
}

fn password(number: u64, which: u64) -> AppPassword {
    let mut random = [b'r'; 14];
    let drawn = (number * EACH + which).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for (place, byte) in random.iter_mut().zip(drawn.to_be_bytes()) {
        *place = byte;
    }
    AppPassword::from_random(random)
}

/// Adds all, beside the daemon.
fn add(desk: &Desk) -> io::Result<()> {
    let settings = Settings {
        role: Role::Command,
        ..Settings::default()
    };
    let store = Sqlite::open(&desk.database(), settings, ()).map_err(io::Error::other)?;
    for from in (0..ACCOUNTS).step_by(usize::try_from(AT_ONCE).unwrap_or(1)) {
        let added = in_one(&store, move |session| {
            let key = VerifierKey::new(&KEY);
            let all = (from..from + AT_ONCE).flat_map(|number| (0..EACH).map(move |n| (number, n)));
            for (number, which) in all {
                let account = fresh(number);
                let verifier = key.verifier(account.as_bytes(), &password(number, which));
                let new = NewPassword {
                    account,
                    key: KeyId(1),
                    verifier: Verifier(verifier),
                    label: "Phone",
                    services: Services::default(),
                    networks: &[],
                    now: Timestamp::from_millis(0),
                    expires: None,
                };
                if let Err(error) = session.add_password(&new) {
                    return (Effect::RollBack, Err(error));
                }
            }
            (Effect::Commit, Ok(()))
        });
        added.map_err(io::Error::other)?.map_err(io::Error::other)?;
    }
    Ok(())
}

fn log_in(table: &mut Table, namespace: &Namespace, running: &Running) -> io::Result<()> {
    let spread = |number: u64| number * 7_919 % ACCOUNTS;
    let good: Vec<_> = (0..LOGINS).map(|n| pair(spread(n), n % EACH)).collect();
    let wrong = good.iter().zip(good.iter().skip(1));
    let wrong: Vec<_> = wrong
        .map(|((user, _), (_, another_s))| (user.clone(), another_s.clone()))
        .collect();
    let unknown = good.iter().map(|(user, password)| {
        let nobody = user.replace("firstname", "nobodyxyz");
        (nobody, password.clone())
    });
    let unknown: Vec<_> = unknown.collect();
    let measure = |pairs: &[_], is_good| -> io::Result<(f64, f64)> {
        let load = Load::of_passwords(pairs, is_good);
        load.finish(&running.gatepost.address)?;
        let before = running.gatepost.cpu()?;
        let rate = load.rate(&running.gatepost.address)?;
        let took = running.gatepost.cpu()?.saturating_sub(before);
        Ok((took.as_secs_f64() * 1e6 / load.logins(), rate))
    };
    let (cpu, rate) = measure(&good, true)?;
    Table::section("a login with an application password", "Dovecot");
    let row = Row::alone("µs of the processor", cpu);
    table.print(&row, Target::AtMost(12.0));
    let row = Row::alone("µs from login to login: 60,000 a second", 1e6 / rate);
    table.print(&row, Target::AtMost(1e6 / 60_000.0));
    for (what, pairs) in [("a wrong password", wrong), ("an unknown user", unknown)] {
        let (refused, _) = measure(&pairs, false)?;
        let row = Row::alone(format!("µs of the processor, {what}"), refused);
        table.print(&row, Target::Reported);
    }
    let mut dovecot = Users::start(namespace)?;
    for (scheme, logins) in [("SSHA256", LOGINS), ("SHA512-CRYPT", SLOW)] {
        dovecot.hash(namespace, scheme, "theirs")?;
        let pairs = (0..logins).map(|n| (address(spread(n)), "theirs".to_owned()));
        let load = Load::of_passwords(&pairs.collect::<Vec<_>>(), true);
        // It reads its file at the first login.
        dovecot.log_in(&Load::of_passwords(
            &[(address(0), "theirs".to_owned())],
            true,
        ))?;
        let (theirs, _) = dovecot.log_in(&load)?;
        let row = Row::beside(
            format!("µs of the processor, its passwd-file, {scheme}"),
            cpu,
            theirs,
        );
        table.print(&row, Target::Reported);
    }
    Ok(())
}
