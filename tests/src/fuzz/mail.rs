//! What comes between mail servers, Gatepost and the upstream Dovecot, line by line and in single bytes.

use std::time::Instant;

use gatepost_core::sasl::Mechanism;
use gatepost_mail::line::Lines;
use gatepost_mail::master::{Master, Sources};
use gatepost_mail::relay::{Relay, Route};
use gatepost_mail::upstream::{Greeting, Offer};
use gatepost_mail::users::{Common, Exist, PasswdFile, Users};
use gatepost_mail::waiting::Waiting;

use super::is_tried_closely;

/// Lines of which the first byte says whose they are: `c` the client's, `o` our own server's, `u` Dovecot's;
/// `+` and `-` stand for a connection to Dovecot that is made and lost.
///
/// # Panics
/// Where something else than a whole line is written, a token goes to Dovecot, or the sizes of the pieces
/// change what comes of them.
pub fn relay_lines(data: &[u8]) {
    let whole = relay(data, usize::MAX);
    if is_tried_closely(data) {
        assert_eq!(relay(data, 1), whole, "in single bytes");
    }
}

fn relay(data: &[u8], size: usize) -> [Vec<u8>; 3] {
    let mut relay = Relay::new(&Mechanism::BEARER, [1; 16], offers());
    let mut own = Vec::new();
    let mut read: [Lines; 3] = Default::default();
    for row in data.split_inclusive(|byte| *byte == b'\n') {
        let Some((who, said)) = row.split_first() else {
            continue;
        };
        let who = match who {
            b'c' => 0,
            b'o' => 1,
            b'u' => 2,
            b'+' if relay.needs_upstream().is_some() => {
                relay.upstream_connected(7);
                continue;
            }
            b'-' => {
                relay.upstream_lost();
                continue;
            }
            _ => continue,
        };
        for piece in said.chunks(size) {
            read[who].push(piece);
            if !take(&mut relay, who, &mut read[who], &mut own) {
                return told(relay, own);
            }
        }
    }
    told(relay, own)
}

/// Takes what is whole, and adds to `own` what our own server is given; false where a connection would be closed.
fn take(relay: &mut Relay, who: usize, lines: &mut Lines, own: &mut Vec<u8>) -> bool {
    loop {
        let line = match lines.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return true,
            Err(_) => return false,
        };
        let is_good = match who {
            0 => match relay.client_line(&line) {
                Ok(Route::Own) => {
                    own.extend([&line[..], b"\n"].concat());
                    true
                }
                Ok(Route::Upstream) => true,
                Err(_) => false,
            },
            1 => {
                verdict(relay, &line);
                true
            }
            _ => relay.upstream_line(&line).is_ok(),
        };
        if !is_good {
            return false;
        }
    }
}

/// Our own server's verdict on a login: `OK` or `FAIL`, and its id.
fn verdict(relay: &mut Relay, line: &[u8]) {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split('\t');
    let (word, id) = (words.next(), words.next().and_then(|id| id.parse().ok()));
    match (word, id) {
        (Some("OK"), Some(id)) => {
            let fields: Vec<_> = words.map(|name| (name, None)).collect();
            drop(relay.accepted(id, "a", &fields));
        }
        (Some("FAIL"), Some(id)) => {
            let _ = relay.may_tell_reason(id);
        }
        _ => {}
    }
}

fn told(relay: Relay, own: Vec<u8>) -> [Vec<u8>; 3] {
    let outputs = relay.outputs;
    for line in lines(&outputs.upstream) {
        let mut words = line.split(|byte| *byte == b'\t');
        if words.next() == Some(b"AUTH") {
            let mechanism = words.nth(1).unwrap_or_default().to_ascii_uppercase();
            assert!(mechanism != b"XOAUTH2" && mechanism != b"OAUTHBEARER");
        }
    }
    let all = [outputs.client, own, outputs.upstream];
    for output in &all {
        assert_whole(output);
    }
    all
}

pub(super) fn offers() -> Vec<Offer> {
    let mut greeting = Greeting::default();
    for line in [
        "VERSION\t1\t2",
        "MECH\tPLAIN",
        "MECH\tXOAUTH2",
        "MECH\tLOGIN",
    ] {
        greeting.take(line.as_bytes()).expect("a good greeting");
    }
    greeting.offers().to_vec()
}

/// Lines of a master client (`c`) and of Dovecot (`u`), marked as for [`relay_lines`].
///
/// # Panics
/// Where something else than a whole line is written, or more is asked at once than a client may.
pub fn master_lines(data: &[u8]) {
    let users = users(b"alice@example.test:x:7:7::/h::\nbob@example.test:x\n");
    for users in [None, Some(&users)] {
        let mut master = Master::greet(1);
        let mut waiting = Waiting::default();
        for row in data.split(|byte| *byte == b'\n') {
            match row.split_first() {
                Some((b'c', line)) if master.has_room() => {
                    let sources = Sources {
                        waiting: &mut waiting,
                        users,
                        has_upstream: true,
                        now: Instant::now(),
                    };
                    if master.client_line(line, sources).is_err() {
                        break;
                    }
                }
                Some((b'u', line)) => master.upstream_line(line),
                Some((b'+', _)) if master.needs_upstream() => master.upstream_connected(),
                Some((b'-', _)) => master.upstream_lost(),
                _ => {}
            }
            assert!(master.pending() <= 64);
            assert_whole(&master.client);
            assert_whole(&master.upstream);
        }
    }
}

/// A passwd-file.
///
/// # Panics
/// Where a user is root, or its name could be a path or a word of it another field.
pub fn passwd_file(data: &[u8]) {
    let users = users(data);
    for name in users.matching("*").into_iter().flatten() {
        assert!(!name.contains('/') && !name.starts_with('@'));
        assert!(!name.chars().any(char::is_control));
        let user = users.find(name).expect("a user that is listed");
        let mut words = user.fields.iter().flat_map(|(key, value)| [key, value]);
        assert!(words.all(|word| !word.chars().any(char::is_control)));
        let mut ids = user
            .fields
            .iter()
            .filter(|(key, _)| key == "uid" || key == "gid");
        assert!(ids.all(|(_, id)| id.parse::<u32>().is_ok_and(|id| id > 0)));
    }
}

pub(super) fn users(file: &[u8]) -> Users {
    let (file, _errors) = PasswdFile::parse(&String::from_utf8_lossy(file));
    Users {
        exist: Exist::Listed(file),
        common: Common::default(),
    }
}

pub(super) fn assert_whole(output: &[u8]) {
    assert!(output.last().is_none_or(|byte| *byte == b'\n'));
}

pub(super) fn lines(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    output.split(|byte| *byte == b'\n')
}
