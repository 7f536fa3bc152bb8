//! What comes from a Postfix that looks addresses up, and from the Dovecot that is asked about them, whole and in
//! single bytes.

use gatepost_mail::socketmap::{Connection, Delimiters};
use gatepost_mail::users::Users;

use super::is_tried_closely;
use super::mail::{assert_whole, lines, users};

/// Rows of which the first byte says whose they are: `c` a client's of the socketmap protocol, in which a row's end
/// is nothing, `u` Dovecot's; `+` and `-` stand for a connection to Dovecot that is made and lost.
///
/// # Panics
/// Where no progress is made, an answer is no netstring, Dovecot is asked for no reason or in several lines, or the
/// sizes of the pieces change what comes of them.
pub fn socketmap_lookups(data: &[u8]) {
    let users = users(b"alice@example.test:x:7:7::/h::\nbob+x@example.test:x\n");
    for users in [None, Some(&users)] {
        let whole = play(data, usize::MAX, users);
        if is_tried_closely(data) {
            assert_eq!(play(data, 1, users), whole, "in single bytes");
        }
        assert!(users.is_none() || whole.upstream.is_empty());
    }
}

#[derive(Debug, Default, PartialEq)]
struct Played {
    client: Vec<u8>,
    upstream: Vec<u8>,
    is_closed: bool,
}

fn play(data: &[u8], size: usize, users: Option<&Users>) -> Played {
    let (mut connection, mut played) = (Connection::new(), Played::default());
    let mut input = Vec::new();
    for row in data.split(|byte| *byte == b'\n') {
        match row.split_first() {
            Some((b'c', said)) => {
                for piece in said.chunks(size) {
                    input.extend_from_slice(piece);
                    if !take(&mut connection, &mut input, users) {
                        played.is_closed = true;
                        break;
                    }
                }
            }
            // What Dovecot cannot tell is for the log alone.
            Some((b'u', line)) => drop(connection.upstream_line(line)),
            Some((b'+', _)) if connection.needs_upstream() => connection.upstream_connected(),
            Some((b'-', _)) => connection.upstream_lost(),
            _ => {}
        }
        played.is_closed = played.is_closed || !take(&mut connection, &mut input, users);
        assert_netstrings(&connection.client);
        played.client.append(&mut connection.client);
        assert_questions(&connection.upstream);
        played.upstream.append(&mut connection.upstream);
        if played.is_closed {
            break;
        }
    }
    played
}

/// Takes of `input` what can be taken; false where the connection would be closed.
fn take(connection: &mut Connection, input: &mut Vec<u8>, users: Option<&Users>) -> bool {
    while !input.is_empty() && !connection.is_asking() {
        match connection.receive(input, users, &Delimiters::default()) {
            Ok(used) => {
                assert!(used > 0, "nothing is taken");
                input.drain(..used);
            }
            Err(_) => return false,
        }
    }
    true
}

/// Whole netstrings, each of which says something that Postfix knows.
#[track_caller]
fn assert_netstrings(mut output: &[u8]) {
    while !output.is_empty() {
        let mut parts = output.splitn(2, |byte| *byte == b':');
        let length = str::from_utf8(parts.next().unwrap_or_default());
        let length: usize = length.expect("digits").parse().expect("a length");
        let rest = parts.next().expect("a colon");
        let (reply, rest) = rest.split_at(length);
        let word = reply.split(|byte| *byte == b' ').next();
        assert!([b"OK", &b"NOTFOUND"[..], b"TEMP", b"PERM"].contains(&word.unwrap_or_default()));
        output = rest.strip_prefix(b",").expect("a comma");
    }
}

/// Whole lines, each of them a version or one question with its id.
#[track_caller]
fn assert_questions(output: &[u8]) {
    assert_whole(output);
    for line in lines(output).filter(|line| !line.is_empty()) {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
        match words.first() {
            Some(&b"VERSION") => assert_eq!(words.len(), 3),
            Some(&b"USER") => assert_eq!(words.len(), 5),
            _ => panic!("another command: {words:?}"),
        }
    }
}
