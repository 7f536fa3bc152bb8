use std::time::Instant;

use super::*;
use crate::line::{Lines, unescape};
use crate::upstream::Greeting;
use crate::waiting::Waiting;

/// Plays a transcript, whole and in pieces of one byte. `|` stands for TAB. Its rows:
/// `c>` the client says, `o<` our own server says, `u<` Dovecot says; `c<`, `o>`, `u>` what each is told;
/// `+` a connection is made, `-` it is lost, `!` the client is to be closed.
#[track_caller]
fn play(rows: &[&str]) -> Waiting {
    let whole = Stage::play(rows, usize::MAX);
    assert_eq!(Stage::play(rows, 1), whole, "in pieces");
    let mut waiting = Waiting::default();
    for login in whole {
        waiting.keep(login, Instant::now());
    }
    waiting
}

struct Stage {
    relay: Relay,
    /// What our own server was given, which a daemon hands over at once.
    own: Vec<u8>,
    /// What has been read of the client, of our own server and of Dovecot.
    read: [Lines; 3],
    logins: Vec<Login>,
    error: Option<RelayError>,
}

impl Stage {
    #[track_caller]
    fn play(rows: &[&str], piece: usize) -> Vec<Login> {
        let mut stage = Self {
            relay: relay(),
            own: Vec::new(),
            read: Default::default(),
            logins: Vec::new(),
            error: None,
        };
        for row in rows {
            let (what, text) = row.split_at(2);
            let text = text.trim_start().replace('|', "\t") + "\n";
            match what {
                "c>" => stage.says(0, &text, piece),
                "o<" => stage.says(1, &text, piece),
                "u<" => stage.says(2, &text, piece),
                "+ " => {
                    assert!(stage.relay.needs_upstream().is_some(), "{row}");
                    stage.relay.upstream_connected(99);
                }
                "- " => stage.relay.upstream_lost(),
                "! " => assert_eq!(stage.error.take().unwrap().to_string() + "\n", text),
                _ => stage.is_told(what, &text),
            }
        }
        assert_eq!(stage.error, None);
        let Outputs { client, upstream } = &stage.relay.outputs;
        for rest in [client, &stage.own, upstream] {
            assert_eq!(String::from_utf8_lossy(rest), "");
        }
        stage.logins
    }

    fn says(&mut self, who: usize, text: &str, piece: usize) {
        for piece in text.as_bytes().chunks(piece) {
            self.read[who].push(piece);
            while let Some(line) = self.read[who].next_line().unwrap() {
                match who {
                    0 => match self.relay.client_line(&line) {
                        Ok(Route::Own) => write_line(&mut self.own, [&line[..]]),
                        Ok(Route::Upstream) => {}
                        Err(error) => self.error = Some(error),
                    },
                    1 => self.own_says(&line),
                    _ => self.logins.extend(self.relay.upstream_line(&line).unwrap()),
                }
            }
        }
    }

    /// Our own server tells the client, and the relay hears of each verdict first.
    fn own_says(&mut self, line: &[u8]) {
        let mut words = fields(line);
        let (word, login) = (words.next(), id(words.next()));
        let is_told = |field: &&[u8], may_tell: bool| may_tell || key(field) != b"reason";
        let mut may_tell = true;
        match (word, login) {
            (Some(b"OK"), Some(id)) => {
                let pairs: Vec<(String, String)> = words.filter_map(pair).collect();
                let (_, user) = &pairs[0];
                let fields: Vec<_> = pairs[1..]
                    .iter()
                    .map(|(name, value)| (&**name, Some(&**value)))
                    .collect();
                self.logins.extend(self.relay.accepted(id, user, &fields));
            }
            (Some(b"FAIL"), Some(id)) => may_tell = self.relay.may_tell_reason(id),
            _ => {}
        }
        let told = fields(line).filter(|field| is_told(field, may_tell));
        write_line(&mut self.relay.outputs.client, told);
    }

    #[track_caller]
    fn is_told(&mut self, whom: &str, text: &str) {
        let outputs = &mut self.relay.outputs;
        let output = match whom {
            "c<" => &mut outputs.client,
            "o>" => &mut self.own,
            "u>" => &mut outputs.upstream,
            _ => panic!("{whom}"),
        };
        let end = output.iter().position(|byte| *byte == b'\n');
        let line: Vec<u8> = output.drain(..end.map_or(0, |end| end + 1)).collect();
        assert_eq!(String::from_utf8_lossy(&line), text);
    }
}

fn offers() -> Vec<Offer> {
    let mut greeting = Greeting::default();
    for line in [
        "VERSION\t1\t2",
        "MECH\tPLAIN\tplaintext",
        "MECH\tXOAUTH2\tplaintext",
        "MECH\tLOGIN\tplaintext",
    ] {
        greeting.take(line.as_bytes()).unwrap();
    }
    greeting.offers().to_vec()
}

/// A field of an `OK`, which may have no value.
fn pair(field: &[u8]) -> Option<(String, String)> {
    let text = unescape(field)?;
    let (name, value) = text.split_once('=').unwrap_or((&text, ""));
    Some((name.to_owned(), value.to_owned()))
}

fn relay() -> Relay {
    Relay::new(&[Mechanism::OAuthBearer], [0x11; 16], offers())
}

/// The cookie as the client hears it.
const COOKIE: &str = "11111111111111111111111111111111";

const GREETED: [&str; 5] = [
    "c> VERSION|1|2",
    "o> VERSION|1|2",
    "c> CPID|77",
    "o> CPID|77",
    "c> ",
];

const CONNECTED: [&str; 11] = [
    "c> AUTH|1|PLAIN|service=imap|resp=AGEAYg==",
    "+ ",
    "u> VERSION|1|2",
    "u> CPID|99",
    "u< VERSION|1|2",
    "u< MECH|PLAIN|plaintext",
    "u< COOKIE|ffee",
    "u< DONE",
    "u> AUTH|1|PLAIN|service=imap|resp=AGEAYg==",
    "u< OK|1|user=a",
    "c< OK|1|user=a",
];

#[track_caller]
fn greeted(rows: &[&str]) -> Waiting {
    // The empty line is our own server's to judge.
    play(&[&GREETED[..], &["o> "], rows].concat())
}

#[track_caller]
fn connected(rows: &[&str]) -> Waiting {
    greeted(&[&CONNECTED[..], rows].concat())
}

fn take(waiting: &mut Waiting, id: u32, cookie: &str) -> Option<By> {
    let claim = Claim {
        client_pid: 77,
        id,
        cookie: cookie.into(),
    };
    waiting.take(&claim, Instant::now())
}

#[test]
fn dovecot_s_mechanisms_are_offered_after_ours_but_never_its_own_for_tokens() {
    let relay = relay();
    let offered: Vec<&str> = relay.offered().collect();
    assert_eq!(
        offered,
        ["MECH\tPLAIN\tplaintext", "MECH\tLOGIN\tplaintext"]
    );
}

#[test]
fn a_token_login_is_judged_here_and_waits_for_its_mail_process() {
    let mut waiting = greeted(&[
        "c> AUTH|5|oauthbearer|protocol=imap|secured|rip=192.0.2.1|x=y|resp=bix=",
        "o> AUTH|5|oauthbearer|protocol=imap|secured|rip=192.0.2.1|x=y|resp=bix=",
        "o< OK|5|user=a\x01t@b|pass=t|userdb_mail=x",
        "c< OK|5|user=a\x01t@b|pass=t|userdb_mail=x",
    ]);
    let by = take(&mut waiting, 5, COOKIE).unwrap();
    let judged = Judged {
        user: b"a\x01t@b".to_vec(),
        mechanism: b"OAUTHBEARER".to_vec(),
        origin: vec![b"protocol=imap".to_vec(), b"rip=192.0.2.1".to_vec()],
        userdb: vec![b"mail=x".to_vec()],
    };
    assert_eq!(by, By::Gatepost(judged));
}

#[test]
fn however_many_strangers_come_after_it_a_login_waits_for_its_mail_process() {
    let mut rows: Vec<String> = Vec::new();
    for id in 5..2_000 {
        for whose in ["c>", "o>"] {
            rows.push(format!("{whose} AUTH|{id}|OAUTHBEARER|service=imap|resp=x"));
        }
    }
    rows.push("o< OK|5|user=a".to_owned());
    rows.push("c< OK|5|user=a".to_owned());
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let mut waiting = greeted(&rows);
    assert!(take(&mut waiting, 5, COOKIE).is_some());
}

#[test]
fn a_password_login_is_dovecot_s_and_so_is_its_request() {
    let mut waiting = connected(&[]);
    assert_eq!(take(&mut waiting, 1, "ffee"), None);
    let by = By::Dovecot {
        client_pid: 99,
        cookie: b"ffee".to_vec(),
    };
    assert_eq!(take(&mut waiting, 1, COOKIE), Some(by));
}

#[test]
fn what_ends_with_the_verdict_waits_for_nobody() {
    let mut waiting = connected(&[
        "c> AUTH|2|PLAIN|service=smtp|nologin|resp=x",
        "u> AUTH|2|PLAIN|service=smtp|nologin|resp=x",
        "u< OK|2|user=a",
        "c< OK|2|user=a",
        "c> AUTH|3|PLAIN|service=imap|resp=x",
        "u> AUTH|3|PLAIN|service=imap|resp=x",
        "u< OK|3|user=a|proxy|host=192.0.2.1",
        "c< OK|3|user=a|proxy|host=192.0.2.1",
        "c> AUTH|4|OAUTHBEARER|service=smtp|nologin|resp=x",
        "o> AUTH|4|OAUTHBEARER|service=smtp|nologin|resp=x",
        "o< OK|4|user=a",
        "c< OK|4|user=a",
        "c> AUTH|5|OAUTHBEARER|service=smtp|resp=nologin",
        "o> AUTH|5|OAUTHBEARER|service=smtp|resp=nologin",
        "o< OK|5|user=a|nologin",
        "c< OK|5|user=a|nologin",
    ]);
    for id in 2..=5 {
        assert_eq!(take(&mut waiting, id, COOKIE), None, "{id}");
    }
}

#[test]
fn logins_of_both_kinds_go_on_side_by_side() {
    connected(&[
        "c> AUTH|2|LOGIN|service=imap|future=1",
        "c< FAIL|2",
        "c> AUTH|3|PLAIN|service=imap|future=1",
        "u> AUTH|3|PLAIN|service=imap|future=1",
        "c> AUTH|4|OAUTHBEARER|service=imap|resp=x",
        "o> AUTH|4|OAUTHBEARER|service=imap|resp=x",
        "u< CONT|3|",
        "c< CONT|3|",
        "o< CONT|4|eyJ9",
        "c< CONT|4|eyJ9",
        "c> CONT|4|AQ==",
        "o> CONT|4|AQ==",
        "c> CONT|3|AGEAYg==",
        "u> CONT|3|AGEAYg==",
        "o< FAIL|4|user=a|reason=Invalid token",
        "c< FAIL|4|user=a",
        "u< FAIL|3|user=a|code=pass_expired|new=field",
        "c< FAIL|3|user=a|code=pass_expired|new=field",
    ]);
}

#[test]
fn who_logs_nobody_in_is_told_the_reason_of_a_failure() {
    connected(&[
        "c> AUTH|2|OAUTHBEARER|service=smtp|nologin|resp=x",
        "o> AUTH|2|OAUTHBEARER|service=smtp|nologin|resp=x",
        "o< FAIL|2|reason=Invalid token",
        "c< FAIL|2|reason=Invalid token",
        "c> AUTH|3|LOGIN|service=smtp|nologin",
        "c< FAIL|3|reason=Mechanism not offered any more: reload the mail server",
        "c> AUTH|4|PLAIN|service=smtp|nologin",
        "u> AUTH|4|PLAIN|service=smtp|nologin",
        "- ",
        "c< FAIL|4|code=temp_fail|reason=Temporary failure: passwords cannot be checked now",
    ]);
}

#[test]
fn nobody_s_mechanism_is_refused_by_our_own_server() {
    greeted(&[
        "c> AUTH|1|XOAUTH2|service=imap|resp=x",
        "o> AUTH|1|XOAUTH2|service=imap|resp=x",
        "c> AUTH|2|GSSAPI|service=imap|resp=x",
        "o> AUTH|2|GSSAPI|service=imap|resp=x",
    ]);
}

#[test]
fn a_cancelled_login_is_answered_no_more() {
    connected(&[
        "c> AUTH|2|PLAIN|service=imap",
        "u> AUTH|2|PLAIN|service=imap",
        "c> CANCEL|2",
        "u> CANCEL|2",
        "u< CANCELLED|2",
        "u< OK|2|user=a",
        "c> CANCEL|2",
        "o> CANCEL|2",
        "c> VERSION|1|4",
        "o> VERSION|1|4",
        "c> AUTH|3|PLAIN|service=imap",
        "u> AUTH|3|PLAIN|service=imap",
        "c> CANCEL|3",
        "u> CANCEL|3",
        "c< CANCELLED|3",
    ]);
}

#[test]
fn where_dovecot_goes_away_its_logins_fail_for_now_and_the_next_one_connects_again() {
    connected(&[
        "c> AUTH|2|PLAIN|service=imap|resp=x",
        "u> AUTH|2|PLAIN|service=imap|resp=x",
        "- ",
        "c< FAIL|2|code=temp_fail",
        "c> AUTH|3|OAUTHBEARER|service=imap|resp=x",
        "o> AUTH|3|OAUTHBEARER|service=imap|resp=x",
        "o< OK|3|user=a",
        "c< OK|3|user=a",
        "c> AUTH|4|PLAIN|service=imap|resp=x",
        "+ ",
        "u> VERSION|1|2",
        "u> CPID|99",
        "u< VERSION|1|2",
        "u< MECH|PLAIN",
        "u< COOKIE|99",
        "u< DONE",
        "u> AUTH|4|PLAIN|service=imap|resp=x",
        "u< OK|4|user=a",
        "c< OK|4|user=a",
    ]);
}

#[test]
fn where_there_is_no_connection_what_waited_for_it_fails_for_now() {
    greeted(&[
        "c> AUTH|1|PLAIN|service=imap",
        "c> CONT|1|AAAA",
        "- ",
        "c< FAIL|1|code=temp_fail",
    ]);
}

#[test]
fn an_id_is_of_one_login_at_a_time() {
    for mechanism in ["PLAIN", "OAUTHBEARER"] {
        greeted(&[
            "c> AUTH|1|PLAIN|service=imap",
            &format!("c> AUTH|1|{mechanism}|service=imap"),
            "! the id of a login that is not over is used again",
        ]);
    }
}

#[test]
fn a_login_without_its_service_is_not_sent_to_dovecot() {
    greeted(&[
        "c> AUTH|1|PLAIN|resp=service=",
        "! AUTH without service= or protocol=",
    ]);
}

#[test]
fn nothing_is_relayed_for_a_client_that_has_not_said_who_it_is() {
    play(&[
        "c> AUTH|1|PLAIN|service=imap",
        "o> AUTH|1|PLAIN|service=imap",
        "c> VERSION|2|0",
        "o> VERSION|2|0",
        "c> CPID|0",
        "o> CPID|0",
        "c> AUTH|0|PLAIN|service=imap",
        "o> AUTH|0|PLAIN|service=imap",
    ]);
}

#[test]
fn of_too_many_logins_at_dovecot_s_the_oldest_is_cancelled() {
    let mut relay = relay();
    assert_eq!(relay.client_line(b"CPID\t1"), Ok(Route::Own));
    for id in 1..=u32::try_from(MAX_RELAYED).unwrap() + 1 {
        let line = format!("AUTH\t{id}\tPLAIN\tservice=smtp\tnologin");
        assert_eq!(relay.client_line(line.as_bytes()), Ok(Route::Upstream));
    }
    assert_eq!(relay.relayed(), MAX_RELAYED);
    assert_eq!(relay.needs_upstream(), Some(Need::Judging));
    relay.upstream_connected(9);
    for line in ["VERSION\t1\t1", "MECH\tPLAIN", "COOKIE\tx", "DONE"] {
        relay.upstream_line(line.as_bytes()).unwrap();
    }
    let said = String::from_utf8(std::mem::take(&mut relay.outputs.upstream)).unwrap();
    assert!(said.contains("\nCANCEL\t1\nAUTH\t1025\t"));
    assert_eq!(relay.upstream_line(b"OK\t1\tuser=a"), Ok(None));
    assert!(relay.outputs.client.is_empty());
}

#[test]
fn a_client_that_floods_is_not_read_from() {
    let mut relay = relay();
    assert_eq!(relay.client_line(b"CPID\t1"), Ok(Route::Own));
    let mut line = b"AUTH\t1\tPLAIN\tservice=smtp\tresp=".to_vec();
    line.resize(10_000, b'A');
    let mut taken = 0;
    while relay.has_room() {
        line[5] = b'1' + u8::try_from(taken).unwrap();
        assert_eq!(relay.client_line(&line), Ok(Route::Upstream));
        taken += 1;
    }
    assert_eq!(taken, 7);
    relay.upstream_lost();
    assert!(relay.has_room());
}

#[test]
fn what_dovecot_says_of_nobody_s_login_is_dropped() {
    connected(&[
        "u< OK|9|user=a",
        "u< FAIL|0",
        "u< CONT|1|",
        "u< ",
        "u< MECH|X",
        "u< OK",
        "u< \u{7f}\u{ff}|1",
    ]);
}
