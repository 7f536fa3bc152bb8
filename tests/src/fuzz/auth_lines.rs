//! What an auth client sends, in pieces of any size, with verdicts that come at any time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::iter::{Cycle, Peekable};
use std::slice;

use gatepost_core::dovecot::{
    Connection, Event, FailCode, Failure, FixedTable, Greeting, Login, MAX_RESPONSE, NotSent,
    Ticket,
};
use gatepost_core::sasl::Mechanism;

use super::is_tried_closely;

/// Places for logins: few, so that they run out.
const PENDING: usize = 3;

/// Most pieces of other than single bytes.
const MAX_PIECES: usize = 100;

/// Lines of an auth client. What comes before the first LF is no line: each of its bytes is the way
/// of a verdict and the size of a piece, over and over.
///
/// # Panics
/// Where a login gets two answers, something else than a whole line is written, no progress is made,
/// or the sizes of the pieces change what comes of them.
pub fn auth_lines(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (script, lines) = data.split_at(end.unwrap_or(0));
    let script = if script.is_empty() { b"0" } else { script };
    let lines = lines.strip_prefix(b"\n").unwrap_or(lines);
    let whole = play(script, [lines]);
    assert_eq!(play(script, pieces(script, lines)), whole, "in pieces");
    if is_tried_closely(data) {
        assert_eq!(play(script, lines.chunks(1)), whole, "in single bytes");
    }
}

/// Pieces of the sizes that the script says, but [`MAX_PIECES`] at most.
fn pieces<'l>(script: &[u8], mut rest: &'l [u8]) -> impl Iterator<Item = &'l [u8]> {
    let least = rest.len().div_ceil(MAX_PIECES).max(1);
    script.iter().cycle().map_while(move |size| {
        let (piece, behind) = rest.split_at(rest.len().min(usize::from(*size).max(least)));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

fn play<'l>(script: &[u8], pieces: impl IntoIterator<Item = &'l [u8]>) -> String {
    let mut server = Server::new(script);
    for piece in pieces {
        server.feed(piece);
    }
    while server.answer_oldest() {}
    server.told
}

/// A server that remembers which logins it owes an answer.
struct Server<'s> {
    connection: Connection<FixedTable<PENDING>>,
    buffer: Vec<u8>,
    is_lent: bool,
    is_closed: bool,
    /// How the next verdicts are given: the two lowest bits of each.
    ways: Peekable<Cycle<slice::Iter<'s, u8>>>,
    held: VecDeque<(Ticket, u64)>,
    logins: u64,
    /// Which login an id stands for, while that one may be answered.
    open: BTreeMap<u32, u64>,
    challenged: BTreeSet<u32>,
    /// One row after the other; one buffer, for most of a run's time would go into rows of their own.
    told: String,
}

impl<'s> Server<'s> {
    fn new(script: &'s [u8]) -> Self {
        let greeting = Greeting {
            mechanisms: &Mechanism::ALL,
            relayed: &[],
            pid: 1,
            connection: 1,
            cookie: [7; 16],
        };
        let mut out = String::with_capacity(256);
        let connection = Connection::greet(&greeting, &mut out).expect("room for a greeting");
        // Some servers lend less than the longest response takes.
        let room = if script[0] & 4 == 0 { MAX_RESPONSE } else { 50 };
        Self {
            connection,
            buffer: vec![0; room],
            is_lent: false,
            is_closed: false,
            ways: script.iter().cycle().peekable(),
            held: VecDeque::new(),
            logins: 0,
            open: BTreeMap::new(),
            challenged: BTreeSet::new(),
            told: out,
        }
    }

    fn feed(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while !self.is_closed {
            let start = self.told.len();
            let buffer = if self.is_lent {
                &mut self.buffer[..]
            } else {
                &mut []
            };
            let (used, event) = self.connection.receive(rest, buffer, &mut self.told);
            rest = &rest[used..];
            if matches!(event, Event::Incomplete) {
                assert!(rest.is_empty() && self.told.len() == start);
                return;
            }
            self.check_progress(used, &event);
            assert_line(&self.told[start..]);
            self.event(event);
            assert_eq!(self.connection.judging(), self.open.len());
            assert!(self.connection.outstanding() <= PENDING);
        }
    }

    /// A call takes input, or asks for something that it has not been given yet.
    fn check_progress(&self, used: usize, event: &Event) {
        match event {
            Event::BufferWanted => assert!(!self.is_lent),
            Event::Busy => assert_eq!(self.open.len(), PENDING),
            Event::Close(_) => {}
            _ => assert!(used > 0, "{event:?} out of nothing"),
        }
    }

    fn event(&mut self, event: Event) {
        self.tell(&event);
        match event {
            Event::BufferWanted => {
                self.is_lent = true;
                return;
            }
            Event::Busy => self.make_room(),
            Event::Response(login) => self.response(login),
            Event::Replied { id } => {
                assert!(self.challenged.remove(&id), "{id} was not challenged");
                self.answer_oldest();
            }
            Event::ResponseRequested { id } => self.forget(id),
            Event::Cancelled { id } => {
                self.forget(id);
                self.answer_oldest();
            }
            Event::Refused(refusal) => {
                self.forget(refusal.id);
                self.answer_oldest();
            }
            Event::Close(_) => {
                self.is_closed = true;
                self.open.clear();
            }
            other => panic!("{other:?} is new"),
        }
        self.is_lent = self.connection.is_reading_response();
    }

    fn forget(&mut self, id: u32) {
        self.open.remove(&id);
        self.challenged.remove(&id);
    }

    fn response(&mut self, login: Login) {
        let id = login.ticket.id();
        self.challenged.remove(&id);
        self.logins += 1;
        let other = self.open.insert(id, self.logins);
        assert_eq!(other, None, "{id} is being judged already");
        let response = &self.buffer[..login.length];
        // A response is long, and would fill most of what is compared.
        let mut digest = DefaultHasher::new();
        digest.write(response);
        writeln!(self.told, "{:x}", digest.finish()).expect("room in a string");
        if self.ways.next_if(|way| **way & 3 == 3).is_some() {
            self.held.push_back((login.ticket, self.logins));
        } else {
            let user = String::from_utf8_lossy(response).into_owned();
            self.verdict(login.ticket, self.logins, &user);
        }
    }

    /// Answers held logins until one of them was not over yet.
    fn make_room(&mut self) {
        let before = self.open.len();
        while self.open.len() == before {
            assert!(self.answer_oldest(), "busy with nothing");
        }
    }

    /// Answers the login that is held longest, which may be over; false if none is held.
    fn answer_oldest(&mut self) -> bool {
        let Some((ticket, number)) = self.held.pop_front() else {
            return false;
        };
        self.verdict(ticket, number, "late@example.com");
        true
    }

    fn verdict(&mut self, ticket: Ticket, number: u64, user: &str) {
        let id = ticket.id();
        let is_due = self.open.get(&id) == Some(&number);
        let failure = Failure {
            user: Some(user),
            code: Some(FailCode::TempFail),
            reason: "Try\tlater\n",
        };
        let way = self.ways.next().map_or(0, |way| way & 3);
        let start = self.told.len();
        let (connection, out) = (&mut self.connection, &mut self.told);
        let (sent, answer) = match way {
            1 => {
                let sent = connection.challenge(ticket, user.as_bytes(), failure, out);
                (sent, "CONT")
            }
            2 => (connection.fail(ticket, failure, out), "FAIL"),
            _ => {
                let fields = [("nologin", None), ("a\tb", Some(user))];
                (connection.accept(ticket, user, &fields, out), "OK")
            }
        };
        let out = &self.told[start..];
        let line = assert_line(out);
        if is_due {
            assert_eq!((sent, line), (Ok(()), Some((answer, id))), "{out:?}");
            self.open.remove(&id);
            if way == 1 {
                self.challenged.insert(id);
            }
        } else {
            assert_eq!((sent, out), (Err(NotSent::NotPending), ""));
        }
    }

    /// A ticket's serial is nobody's business, the rest of a login is.
    fn tell(&mut self, event: &Event) {
        let told = &mut self.told;
        let written = match event {
            Event::Response(login) => {
                let (id, mechanism) = (login.ticket.id(), login.mechanism);
                writeln!(told, "{id} {mechanism:?} {:?}", login.origin)
            }
            other => writeln!(told, "{other:?}"),
        };
        written.expect("room in a string");
    }
}

/// Nothing, or one whole line of a known answer, whose fields end nowhere but at TAB; its name and its id.
#[track_caller]
fn assert_line(out: &str) -> Option<(&str, u32)> {
    let Some(line) = out.strip_suffix('\n') else {
        assert_eq!(out, "", "half a line");
        return None;
    };
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r' | b'\0');
    assert!(!line.as_bytes().iter().any(is_end), "{line:?}");
    let mut fields = line.split('\t');
    let answer = fields.next()?;
    assert!(
        matches!(answer, "OK" | "FAIL" | "CONT" | "CANCELLED"),
        "{line:?}"
    );
    let id = fields.next().and_then(|id| id.parse::<u32>().ok());
    assert!(id.is_some_and(|id| id > 0), "{line:?}");
    Some((answer, id?))
}
