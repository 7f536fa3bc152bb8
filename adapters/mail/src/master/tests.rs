use super::*;
use crate::line::Lines;
use crate::users::{Common, Exist, Names, PasswdFile, Unavailable};
use crate::waiting::Login;

/// Plays a transcript, whole and in pieces of one byte. `|` stands for TAB. Its rows: `c>` the client says,
/// `c<` it is told, `u>` Dovecot is asked, `u<` it answers; `+` a connection to it is made, `-` it is lost;
/// `!` the client is to be closed.
#[track_caller]
fn play(users: Option<&Users>, has_upstream: bool, rows: &[&str]) {
    for piece in [usize::MAX, 1] {
        let mut stage = Stage {
            master: Master::greet(500),
            read: Lines::default(),
            waiting: waiting(),
            error: None,
        };
        stage.is_told("c<", "VERSION\t1\t1\n");
        stage.is_told("c<", "SPID\t500\n");
        for row in rows {
            let (what, text) = row.split_at(2);
            let text = text.trim_start().replace('|', "\t") + "\n";
            match what {
                "c>" => stage.says(&text, piece, users, has_upstream),
                "u<" => stage
                    .master
                    .upstream_line(text.trim_end_matches('\n').as_bytes()),
                "+ " => {
                    assert!(stage.master.needs_upstream());
                    stage.master.upstream_connected();
                }
                "- " => stage.master.upstream_lost(),
                "! " => assert_eq!(stage.error.take().unwrap().to_string() + "\n", text),
                _ => stage.is_told(what, &text),
            }
        }
        assert_eq!(stage.error, None);
        let Master {
            client, upstream, ..
        } = &stage.master;
        assert_eq!(String::from_utf8_lossy(client), "");
        assert_eq!(String::from_utf8_lossy(upstream), "");
    }
}

struct Stage {
    master: Master,
    read: Lines,
    waiting: Waiting,
    error: Option<MasterError>,
}

impl Stage {
    fn says(&mut self, text: &str, piece: usize, users: Option<&Users>, has_upstream: bool) {
        for piece in text.as_bytes().chunks(piece) {
            self.read.push(piece);
            while let Some(line) = self.read.next_line().unwrap() {
                let sources = Sources {
                    waiting: &mut self.waiting,
                    users,
                    has_upstream,
                    now: Instant::now(),
                };
                self.error = self.master.client_line(&line, sources).err();
            }
        }
    }

    #[track_caller]
    fn is_told(&mut self, whom: &str, text: &str) {
        let output = match whom {
            "c<" => &mut self.master.client,
            "u>" => &mut self.master.upstream,
            _ => panic!("{whom}"),
        };
        let end = output.iter().position(|byte| *byte == b'\n');
        let line: Vec<u8> = output.drain(..end.map_or(0, |end| end + 1)).collect();
        assert_eq!(String::from_utf8_lossy(&line), text);
    }
}

/// Login 5 of process 77 is ours, login 6 Dovecot's.
fn waiting() -> Waiting {
    let mut waiting = Waiting::default();
    let judged = Judged {
        user: b"Alice@example.com".to_vec(),
        mechanism: b"OAUTHBEARER".to_vec(),
        origin: vec![b"service=imap".to_vec(), b"rip=192.0.2.1".to_vec()],
        userdb: vec![b"quota=1G".to_vec()],
    };
    let by = By::Dovecot {
        client_pid: 99,
        cookie: b"ffee".to_vec(),
    };
    for (id, by) in [(5, By::Gatepost(judged)), (6, by)] {
        let claim = Claim {
            client_pid: 77,
            id,
            cookie: b"0011".to_vec(),
        };
        waiting.keep(Login { claim, by }, Instant::now());
    }
    waiting
}

fn users(exist: Exist) -> Users {
    let common = Common {
        uid: Some(5000),
        home: "/v/%n".parse().ok(),
        ..Common::default()
    };
    Users { exist, common }
}

fn listed() -> Users {
    let (file, errors) =
        PasswdFile::parse("alice@example.com:x\nbob@example.com:x:::::: userdb_quota=2G\n");
    assert!(errors.is_empty());
    users(Exist::Listed(file))
}

const HELLO: &str = "c> VERSION|1|0";

#[track_caller]
fn with_dovecot(rows: &[&str]) {
    play(None, true, &[&[HELLO], rows].concat());
}

#[track_caller]
fn with_users(users: &Users, rows: &[&str]) {
    play(Some(users), false, &[&[HELLO], rows].concat());
}

#[test]
fn the_user_of_a_login_of_ours_is_dovecot_s_with_what_the_login_says() {
    with_dovecot(&[
        "c> REQUEST|1|77|5|0011|session_pid=9",
        "+ ",
        "u> VERSION|1|0",
        "u> USER|1|Alice@example.com|service=imap|rip=192.0.2.1",
        "u< VERSION|1|1",
        "u< SPID|17",
        "u< USER|1|alice@example.com|uid=8|quota=3G|home=/h",
        "c< USER|1|alice@example.com|uid=8|home=/h|quota=1G|auth_mech=OAUTHBEARER",
        "c> REQUEST|2|77|5|0011",
        "c< FAIL|2",
    ]);
}

#[test]
fn a_user_whom_dovecot_does_not_know_or_cannot_look_up_is_told_as_such() {
    for answer in ["NOTFOUND|1", "FAIL|1|reason=x"] {
        with_dovecot(&[
            "c> REQUEST|1|77|5|0011",
            "+ ",
            "u> VERSION|1|0",
            "u> USER|1|Alice@example.com|service=imap|rip=192.0.2.1",
            &format!("u< {answer}"),
            &format!("c< {answer}"),
        ]);
    }
}

#[test]
fn a_login_of_dovecot_s_is_asked_for_under_its_names_there() {
    with_dovecot(&[
        "c> REQUEST|7|77|6|0011|session_pid=9|x=y|request_auth_token",
        "+ ",
        "u> VERSION|1|0",
        "u> REQUEST|7|99|6|ffee|x=y",
        "u< USER|7|bob|uid=8|auth_token=x",
        "c< USER|7|bob|uid=8|auth_token=x",
        "c> REQUEST|8|77|6|0011",
        "c< FAIL|8",
    ]);
}

#[test]
fn a_request_that_names_no_login_fails() {
    with_dovecot(&[
        "c> REQUEST|1|77|5|0012",
        "c< FAIL|1",
        "c> REQUEST|2|78|5|0011",
        "c< FAIL|2",
        "c> REQUEST|3|77|7|0011",
        "c< FAIL|3",
        "c> REQUEST|4",
        "c< FAIL|4",
        "c> REQUEST|5|77|x|0011",
        "c< FAIL|5",
        "c> REQUEST|6|99|6|ffee",
        "c< FAIL|6",
    ]);
}

#[test]
fn lookups_are_dovecot_s_where_gatepost_has_no_users() {
    with_dovecot(&[
        "c> USER|1|alice|protocol=lmtp|x=y",
        "c> PASS|2|alice|service=lmtp",
        "c> LIST|3|user=*",
        "c> CACHE-FLUSH|4|alice",
        "+ ",
        "u> VERSION|1|0",
        "u> USER|1|alice|protocol=lmtp|x=y",
        "u> PASS|2|alice|service=lmtp",
        "u> LIST|3|user=*",
        "u> CACHE-FLUSH|4|alice",
        "u< LIST|3|a",
        "c< LIST|3|a",
        "u< PASS|2|user=alice",
        "c< PASS|2|user=alice",
        "u< LIST|3|b",
        "c< LIST|3|b",
        "u< DONE|3",
        "c< DONE|3",
        "u< DONE|3",
        "u< OK|4|1",
        "c< OK|4|1",
        "u< NOTFOUND|1",
        "c< NOTFOUND|1",
    ]);
}

#[test]
fn where_dovecot_goes_away_what_was_asked_fails_and_the_next_one_connects_again() {
    with_dovecot(&[
        "c> USER|1|a|service=lmtp",
        "c> LIST|2|user=*",
        "- ",
        "c< FAIL|1",
        "c< DONE|2|fail",
        "c> USER|3|a|service=lmtp",
        "+ ",
        "u> VERSION|1|0",
        "u> USER|3|a|service=lmtp",
        "- ",
        "c< FAIL|3",
        "c> USER|4|a|service=lmtp",
        "+ ",
        "u> VERSION|1|0",
        "u> USER|4|a|service=lmtp",
        "u< USER|4|a|uid=1",
        "c< USER|4|a|uid=1",
    ]);
}

#[test]
fn users_of_our_own_are_told_without_dovecot() {
    with_users(
        &listed(),
        &[
            "c> REQUEST|1|77|5|0011",
            "c< USER|1|alice@example.com|uid=5000|home=/v/alice|quota=1G|auth_mech=OAUTHBEARER",
            "c> USER|2|BOB@example.com|service=lmtp",
            "c< USER|2|bob@example.com|uid=5000|home=/v/bob|quota=2G",
            "c> USER|3|carol@example.com|service=lmtp",
            "c< NOTFOUND|3",
            "c> LIST|4|user=*",
            "c< LIST|4|alice@example.com",
            "c< LIST|4|bob@example.com",
            "c< DONE|4",
            "c> PASS|5|alice@example.com|service=lmtp",
            "c< NOTFOUND|5",
            "c> REQUEST|6|77|6|0011",
            "c< FAIL|6",
            "c> CACHE-FLUSH|7",
            "c< FAIL|7",
            "c> USER|8",
            "c< NOTFOUND|8",
        ],
    );
    let everybody = users(Exist::All);
    with_users(&everybody, &["c> LIST|4|user=*", "c< DONE|4|fail"]);
}

#[test]
fn a_login_of_somebody_who_is_not_listed_has_no_user() {
    let (file, _) = PasswdFile::parse("bob@example.com:x\n");
    with_users(
        &users(Exist::Listed(file)),
        &["c> REQUEST|1|77|5|0011", "c< NOTFOUND|1"],
    );
}

#[test]
fn who_speaks_something_else_is_closed() {
    for (said, error) in [
        ("VERSION|2|0", MasterError::NoVersion),
        ("EHLO mail", MasterError::NoVersion),
        ("", MasterError::NoVersion),
        ("USER|1|a|service=x", MasterError::NoVersion),
    ] {
        play(None, true, &[&format!("c> {said}"), &format!("! {error}")]);
    }
    for (said, error) in [
        ("CPID|7", MasterError::AuthClient),
        ("AUTH|1|PLAIN", MasterError::UnknownCommand),
        ("VERSION|1|0", MasterError::UnknownCommand),
        ("", MasterError::UnknownCommand),
        ("USER", MasterError::InvalidId),
        ("USER|0|a", MasterError::InvalidId),
        ("USER|-1|a", MasterError::InvalidId),
        ("REQUEST|99999999999|1|1|x", MasterError::InvalidId),
    ] {
        with_dovecot(&[&format!("c> {said}"), &format!("! {error}")]);
    }
    with_dovecot(&[
        "c> USER|1|a|service=x",
        "c> USER|1|b|service=x",
        &format!("! {}", MasterError::DuplicateId),
        "- ",
        "c< FAIL|1",
    ]);
}

#[test]
fn a_client_that_asks_too_much_at_once_is_not_read_from() {
    let mut master = Master::greet(1);
    let mut waiting = Waiting::default();
    let mut asked = 0;
    while master.has_room() {
        let line = match asked {
            0 => "VERSION\t1\t0".to_owned(),
            id => format!("USER\t{id}\ta\tservice=x"),
        };
        let sources = Sources {
            waiting: &mut waiting,
            users: None,
            has_upstream: true,
            now: Instant::now(),
        };
        master.client_line(line.as_bytes(), sources).unwrap();
        asked += 1;
    }
    assert_eq!(asked, MAX_PENDING + 1);
}

#[test]
fn what_dovecot_says_that_nobody_asked_is_dropped() {
    with_dovecot(&[
        "c> USER|1|a|service=x",
        "+ ",
        "u> VERSION|1|0",
        "u> USER|1|a|service=x",
        "u< USER|2|a|uid=1",
        "u< LIST|2|a",
        "u< ",
        "u< NOTFOUND",
        "u< NOTFOUND|0",
        "u< NOTFOUND|1",
        "c< NOTFOUND|1",
    ]);
}

#[test]
fn a_question_of_our_own_is_understood_by_both_versions() {
    let lookup = Lookup::new(3, "a\tb", "lmtp");
    let mut asked = Lookup::VERSION.to_vec();
    lookup.write(&mut asked);
    let expected = b"VERSION\t1\t0\nUSER\t3\ta\x01tb\tservice=lmtp\tprotocol=lmtp\n";
    assert_eq!(asked, expected);
    for (line, expected) in [
        ("VERSION\t3\t1", None),
        ("SPID\t3", None),
        ("USER\t2\tc", None),
        ("", None),
        ("USER\t3\tc\tuid=1", Some(Found::User("c".to_owned()))),
        ("USER\t3", Some(Found::Failed)),
        ("NOTFOUND\t3", Some(Found::Nobody)),
        ("FAIL\t3\treason=x", Some(Found::Failed)),
        ("DONE\t3", Some(Found::Failed)),
    ] {
        assert_eq!(lookup.read(line.as_bytes()), expected, "{line}");
    }
}

/// A directory of numbered users, told two at a time.
struct Numbered(u32);

struct Numbers {
    next: u32,
    end: u32,
}

impl Directory for Numbered {
    fn find(&self, name: &str) -> Result<Option<User>, Unavailable> {
        let number: Option<u32> = name
            .strip_prefix('u')
            .and_then(|number| number.parse().ok());
        match number {
            Some(number) if number < self.0 => Ok(Some(User {
                name: name.to_owned(),
                fields: vec![("uid".to_owned(), "1".to_owned())],
            })),
            _ if name == "away" => Err(Unavailable),
            _ => Ok(None),
        }
    }

    fn matching(&self, _: &str) -> Box<dyn Names> {
        Box::new(Numbers {
            next: 0,
            end: self.0,
        })
    }
}

impl Names for Numbers {
    fn next(&mut self) -> Result<Vec<String>, Unavailable> {
        let names = (self.next..self.end).take(2);
        self.next = (self.next + 2).min(self.end);
        Ok(names.map(|number| format!("u{number}")).collect())
    }
}

/// What a client hears to one line, with a directory of so many.
fn heard(line: &str, count: u32, users: Option<&Users>, has_upstream: bool) -> (String, String) {
    let directory = Numbered(count);
    let mut master = Master::greet(7);
    master.client.clear();
    let mut waiting = waiting();
    let mut told = String::new();
    for line in [HELLO, line].map(|line| line.trim_start_matches("c> ").replace('|', "\t")) {
        let sources = Sources {
            waiting: &mut waiting,
            users,
            has_upstream,
            now: Instant::now(),
        };
        master
            .client_line_with(line.as_bytes(), sources, Some(&directory))
            .unwrap();
    }
    loop {
        assert!(
            master.client.len() < HIGH_WATER + 100,
            "it is told as it is taken"
        );
        told += str::from_utf8(&std::mem::take(&mut master.client)).unwrap();
        if !master.is_listing() {
            let asked = String::from_utf8(std::mem::take(&mut master.upstream)).unwrap();
            return (told, asked);
        }
        master.go_on(users, has_upstream, &directory);
    }
}

#[test]
fn a_list_of_any_length_is_told_as_fast_as_it_is_taken() {
    let (told, asked) = heard("LIST|3|user=*", 100_000, None, false);
    assert_eq!((told.lines().count(), &*asked), (100_001, ""));
    assert!(told.ends_with("LIST\t3\tu99999\nDONE\t3\n"));
}

#[test]
fn whom_a_directory_does_not_know_others_may() {
    let file = listed();
    for (line, users, has_upstream, told, asked) in [
        (
            "USER|1|u0|service=x",
            None,
            true,
            "USER\t1\tu0\tuid=1\n",
            "",
        ),
        (
            "USER|1|x|service=x",
            None,
            true,
            "",
            "USER\t1\tx\tservice=x\n",
        ),
        ("USER|1|x|service=x", None, false, "NOTFOUND\t1\n", ""),
        ("USER|1|x|service=x", Some(&file), true, "NOTFOUND\t1\n", ""),
        ("USER|1|away|service=x", None, true, "FAIL\t1\n", ""),
        ("USER|1|away|service=x", Some(&file), true, "FAIL\t1\n", ""),
        (
            "LIST|1|user=*",
            None,
            true,
            "LIST\t1\tu0\n",
            "LIST\t1\tuser=*\n",
        ),
        (
            "LIST|1|user=b*",
            Some(&file),
            true,
            "LIST\t1\tu0\nLIST\t1\tbob@example.com\nDONE\t1\n",
            "",
        ),
    ] {
        let heard = heard(line, 1, users, has_upstream);
        assert_eq!(heard, (told.to_owned(), asked.to_owned()), "{line}");
    }
}
