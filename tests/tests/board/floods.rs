//! Floods by strangers, and others who log in every second meanwhile (invariant 7).
//!
//! All kinds at once for half a minute; with `GATEPOST_FLOOD_SECONDS`, each kind alone for so long. What is asserted is
//! that nobody of the others is refused and that the board does not restart; how long they wait is printed.

use std::env;
use std::io::{ErrorKind, Read as _, Write as _};
use std::iter;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use gatepost_tests::certificates::Certificate;
use gatepost_tests::daemon::wait_until;
use gatepost_tests::flood::{Connection, Good, Junk, Times};
use gatepost_tests::frames;
use gatepost_tests::stream::Address;
use libtest_mimic::Failed;

use crate::frames::is_answered;
use crate::site::{Site, TIME};
use crate::{Case, shared};

/// How long the flood of all kinds lasts, in seconds.
const SECONDS: u32 = 30;

/// Connections over which junk comes, and others that are opened as often as there is room: with the mail server's two
/// they are more than the board has.
const TALKING: usize = 3;
const HOLDING: usize = 8;

/// Logins of one connection that are not over, as many as the board takes.
const AT_ONCE: usize = 2;

/// Frames that are sent in a row, and the pause behind them: some hundred a second. QEMU drops none, and keeps those
/// that are too many ahead of all others.
const FRAMES: usize = 4;
const PAUSE: Duration = Duration::from_millis(10);

/// What strangers do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Flood {
    /// Connections that say nothing, or half a line.
    Connections,
    /// Logins with junk for tokens.
    Tokens(Junk),
    /// A provider, by somebody on the way to it, that presents a forged chain at each handshake.
    Chains,
    /// Answers of a time server that nobody asked, and any other frame that no honest neighbour would send.
    Frames,
}

impl Flood {
    const ALL: [Self; 7] = [
        Self::Connections,
        Self::Tokens(Junk::Opaque),
        Self::Tokens(Junk::UnknownKey),
        Self::Tokens(Junk::Forged("RS256")),
        Self::Tokens(Junk::Forged("ES512")),
        Self::Chains,
        Self::Frames,
    ];
}

/// How much of everything there was.
#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    frames: AtomicU64,
}

pub(crate) fn cases() -> Vec<Case> {
    let Ok(seconds) = env::var("GATEPOST_FLOOD_SECONDS") else {
        let all = "invariant_7_a_flood_of_all_kinds_at_once_refuses_nobody_else";
        return vec![shared(all, |site| {
            let honest = Flood::ALL.iter().filter(|flood| **flood != Flood::Chains);
            let honest: Vec<Flood> = honest.copied().collect();
            flood(site, &honest, SECONDS / 2)?;
            flood(site, &Flood::ALL, SECONDS / 2)
        })];
    };
    let seconds = seconds.parse().expect("GATEPOST_FLOOD_SECONDS: seconds");
    let each = Flood::ALL.iter().map(|kind| {
        let name = format!("invariant_7_a_flood_of_{kind:?}_refuses_nobody_else");
        Case::new(name, move |lab: &crate::Lab| {
            let kinds: &[Flood] = match kind {
                // Handshakes are made where somebody asks.
                Flood::Chains => &[Flood::Chains, Flood::Tokens(Junk::Opaque)],
                _ => std::slice::from_ref(kind),
            };
            flood(&mut *lab.site()?, kinds, seconds)
        })
    });
    each.collect()
}

fn flood(site: &mut Site, floods: &[Flood], seconds: u32) -> Result<(), Failed> {
    // Nobody can be asked whose server is somebody else's.
    let ways: &[Good] = if floods.contains(&Flood::Chains) {
        &[Good::Signed]
    } else {
        &[Good::Signed, Good::Opaque]
    };
    let alone = site.log_in(ways, 10, Duration::ZERO);
    assert_eq!(alone.refused, [""; 0]);
    if floods.contains(&Flood::Chains) {
        site.present(Certificate::Forged)?;
    }
    let talking = (0..TALKING).map(|_| site.connect());
    let talking = talking.collect::<Result<Vec<_>, _>>()?;
    let (is_over, counts) = (AtomicBool::new(false), Counts::default());
    let flooded = thread::scope(|scope| {
        let address = site.address().clone();
        let issuer = site.provider.stub.issuer();
        let wire = site.wire.another().expect("a socket");
        let (is_over, counts) = (&is_over, &counts);
        if floods.contains(&Flood::Connections) {
            scope.spawn(move || hold(&address, is_over, counts));
        }
        if floods.contains(&Flood::Frames) {
            scope.spawn(move || {
                send(&wire, is_over, counts);
            });
        }
        let junk = floods.iter().filter_map(|flood| match flood {
            Flood::Tokens(junk) => Some(*junk),
            _ => None,
        });
        let junk: Vec<Junk> = junk.collect();
        for (place, connection) in talking.iter().enumerate() {
            let (junk, issuer) = (junk.clone(), issuer.clone());
            scope.spawn(move || throw(connection, place, &junk, &issuer, is_over));
        }
        let flooded = site.log_in(ways, seconds, Duration::from_secs(1));
        is_over.store(true, Ordering::Relaxed);
        flooded
    });
    let junk: u64 = talking.iter().map(|connection| connection.answered()).sum();
    print(floods, ways, &alone, &flooded);
    println!("{junk} tokens answered, {counts:?}");
    assert_eq!(flooded.refused, [""; 0]);
    assert_eq!(flooded.count(), seconds as usize);
    assert_eq!(site.appliance.starts(), 1, "it restarted");
    site.present(Certificate::Good)?;
    for connection in talking {
        connection.close();
    }
    let address = site.address().clone();
    let answered = wait_until("a login over a new connection", || is_answered(&address));
    Ok(answered?)
}

fn print(floods: &[Flood], ways: &[Good], alone: &Times, flooded: &Times) {
    println!("{floods:?}:");
    for way in ways {
        println!(
            "{way:?}: median {:?}, p99 {:?}; alone {:?}, {:?}",
            flooded.quantile(*way, 50),
            flooded.quantile(*way, 99),
            alone.quantile(*way, 50),
            alone.quantile(*way, 99)
        );
    }
}

/// Keeps as many connections as there is room for, which say nothing or half a line.
fn hold(address: &Address, is_over: &AtomicBool, counts: &Counts) {
    const SAID: [&[u8]; 4] = [
        b"",
        b"VERSION\t1\t1\nCPID\t1\n",
        b"VERSION\t1\t1\nCPID\t1\nAUTH\t1\tXOAUTH2\tservice=smtp\tresp=QUFB",
        b"\xff\xff\xff",
    ];
    let Address::Tcp(address) = address else {
        unreachable!("a board has no other");
    };
    let mut held: Vec<TcpStream> = Vec::new();
    let mut said = SAID.iter().cycle();
    while !is_over.load(Ordering::Relaxed) {
        held.retain_mut(|stream| match stream.read(&mut [0; 1024]) {
            Ok(length) => length > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        if held.len() < HOLDING
            && let Ok(mut stream) = TcpStream::connect(address)
        {
            counts.connections.fetch_add(1, Ordering::Relaxed);
            // Whoever is refused is so while it speaks.
            let _ = stream.write_all(said.next().copied().unwrap_or_default());
            let _ = stream.set_nonblocking(true);
            held.push(stream);
        }
        thread::sleep(PAUSE);
    }
    // Whose end is lost is noticed by the board after a minute; this one is told until it is heard.
    for mut stream in held {
        let _ = stream.set_nonblocking(false);
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

fn send(wire: &frames::Wire, is_over: &AtomicBool, counts: &Counts) {
    let frames = [
        frames::wrong_times(TIME),
        frames::malformed(),
        frames::lies(),
        frames::mutations(),
        frames::forged_connections(),
    ];
    let frames = frames.concat();
    for row in iter::repeat_with(|| frames.chunks(FRAMES)).flatten() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        for frame in row {
            // QEMU may not have read the last one.
            let sent = wire.send(frame).is_ok();
            counts.frames.fetch_add(sent.into(), Ordering::Relaxed);
        }
        thread::sleep(PAUSE);
    }
}

fn throw(connection: &Connection, place: usize, junk: &[Junk], issuer: &str, is_over: &AtomicBool) {
    // Each begins with another kind.
    let kinds = junk.iter().cycle().skip(place);
    for (number, junk) in (0_u64..).zip(kinds) {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let number = number * 10 + place as u64;
        let thrown = connection.throw(junk.message(number, issuer), AT_ONCE);
        thrown.expect("junk is answered");
    }
}
