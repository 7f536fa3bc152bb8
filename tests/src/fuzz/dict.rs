//! What comes from a Dovecot that looks keys up, whole and in single bytes.

use gatepost_core::crypto::Algorithm;
use gatepost_mail::dict::{Answer, Connection, Event, KeyName, MAX_LINE};

use super::is_tried_closely;

/// Bytes of a client of the dict protocol.
///
/// # Panics
/// Where no progress is made, an answer is not one line, a name does not read back, or the sizes of the pieces
/// change what comes of them.
pub fn dict_lines(data: &[u8]) {
    let whole = play(data, usize::MAX);
    if is_tried_closely(data) {
        assert_eq!(play(data, 1), whole, "in single bytes");
    }
    whole.names.iter().for_each(assert_reads_back);
}

#[derive(Debug, Default, PartialEq)]
struct Played {
    names: Vec<KeyName>,
    output: Vec<u8>,
    is_closed: bool,
}

fn play(data: &[u8], size: usize) -> Played {
    let (mut connection, mut played) = (Connection::new(), Played::default());
    for piece in data.chunks(size) {
        let mut rest = piece;
        while !rest.is_empty() {
            let (used, event) = connection.receive(rest);
            assert!(used > 0, "{event:?} out of nothing");
            rest = &rest[used..];
            let before = played.output.len();
            match event {
                Event::Incomplete => assert!(rest.is_empty() && connection.is_unfinished()),
                Event::Silent => {}
                // What a token has made up comes back as it may, in a value.
                Event::Lookup(name) => {
                    Answer::Found(&name.kid).write(&mut played.output);
                    played.names.push(name);
                }
                Event::Answered(answer) => answer.write(&mut played.output),
                Event::Close(_) => {
                    played.is_closed = true;
                    return played;
                }
            }
            assert_answer(&played.output[before..]);
        }
    }
    played
}

/// Nothing, or one whole line of a known answer.
#[track_caller]
fn assert_answer(answer: &[u8]) {
    let Some((end, line)) = answer.split_last() else {
        return;
    };
    assert!(*end == b'\n' && !line.iter().any(|byte| b"\t\r\n\0".contains(byte)));
    assert!(line.first().is_some_and(|kind| b"ONF".contains(kind)));
}

/// A name that a Dovecot would look up by the same line again.
#[track_caller]
fn assert_reads_back(name: &KeyName) {
    assert!(!name.azp.is_empty() && !name.kid.is_empty());
    assert_eq!(
        Algorithm::from_name(name.algorithm.name()),
        Some(name.algorithm)
    );
    let [azp, kid] = [&name.azp, &name.kid].map(|part| escape(part));
    let lookup = format!("Lshared/{azp}/{}/{kid}\tuser\n", name.algorithm.name());
    if lookup.len() > MAX_LINE {
        return;
    }
    let mut connection = Connection::new();
    let greeting = b"H4\t0\t0\t\tname\n";
    assert_eq!(
        connection.receive(greeting),
        (greeting.len(), Event::Silent)
    );
    let (_, event) = connection.receive(lookup.as_bytes());
    assert_eq!(event, Event::Lookup(name.clone()));
}

/// As Dovecot writes a part of a key's name, and then a line.
fn escape(part: &str) -> String {
    let mut escaped = String::new();
    for c in part.chars() {
        match c {
            '/' => escaped += "%2f",
            '%' => escaped += "%25",
            '\0' => escaped += "\x010",
            '\x01' => escaped += "\x011",
            '\t' => escaped += "\x01t",
            '\r' => escaped += "\x01r",
            '\n' => escaped += "\x01n",
            other => escaped.push(other),
        }
    }
    escaped
}
