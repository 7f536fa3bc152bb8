use super::*;
use crate::users::{Common, Exist, PasswdFile};

/// What Postfix is told to `text`, whole and byte by byte.
#[track_caller]
fn check(text: &[u8], expected: &Result<&str, Error>) {
    let users = Users {
        exist: Exist::Domains(vec!["example.com".to_owned()]),
        common: Common::default(),
    };
    for size in [1, usize::MAX] {
        let mut connection = Connection::new();
        let mut said = Ok(());
        for piece in text.chunks(size) {
            let mut rest = piece;
            while !rest.is_empty() && said.is_ok() {
                match connection.receive(rest, Some(&users), &Delimiters::default()) {
                    Ok(used) => rest = &rest[used..],
                    Err(error) => said = Err(error),
                }
            }
        }
        let said = said.map(|()| str::from_utf8(&connection.client).unwrap());
        assert_eq!(&said, expected, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn requests_name_a_map_and_a_key_and_may_follow_each_other() {
    let alice = "20:OK alice@example.com,";
    check(b"25:mailbox alice@example.com,", &Ok(alice));
    check(
        b"25:mailbox alice@example.com,24:sender_login A@other.com,27:mailbox Alice+x@example.com,12:mailbox",
        &Ok(&format!("{alice}9:NOTFOUND ,{alice}")),
    );
}

#[test]
fn a_key_that_is_nobody_s_name_is_not_found() {
    for key in ["@example.com", "", "a\0b@example.com", "a\tb@example.com"] {
        let text = format!("{}:mailbox {key},", key.len() + 8);
        check(text.as_bytes(), &Ok("9:NOTFOUND ,"));
    }
    check(b"9:mailbox \xff,", &Ok("9:NOTFOUND ,"));
    check(b"7:mailbox,", &Ok("9:NOTFOUND ,"));
}

#[test]
fn there_are_no_other_maps() {
    for text in [&b"0:,"[..], b"3:a b,", b"9:Mailbox a,", b"1: ,"] {
        check(
            text,
            &Ok("48:PERM there are the maps mailbox and sender_login,"),
        );
    }
}

#[test]
fn what_is_no_netstring_is_an_error() {
    for text in [
        &b"GET / HTTP/1.1"[..],
        b":mailbox a,",
        b"-1:x,",
        b"01:x,",
        b"00:,",
        b"9 :mailbox a,",
        b"9:mailbox a;",
        b"9:mailbox a\n",
        b"3:mailbox a,",
        b"99999",
        b"\0",
    ] {
        check(text, &Err(Error::NoNetstring));
    }
}

#[test]
fn a_request_may_be_as_long_as_an_address_and_not_much_longer() {
    let key = "a".repeat(MAX_PAYLOAD - 8);
    let longest = format!("{MAX_PAYLOAD}:mailbox {key},");
    assert_eq!(longest.len(), MAX_NETSTRING);
    check(longest.as_bytes(), &Ok("9:NOTFOUND ,"));
    check(b"1025:", &Err(Error::TooLong));
    check(b"9999:", &Err(Error::TooLong));
}

/// One of whom Dovecot has to be asked about `key`.
fn asking(key: &str) -> Connection {
    let mut connection = Connection::new();
    ask(&mut connection, key);
    connection
}

#[track_caller]
fn ask(connection: &mut Connection, key: &str) {
    let text = format!("{}:mailbox {key},", key.len() + 8);
    let taken = connection.receive(text.as_bytes(), None, &Delimiters::default());
    assert_eq!(taken, Ok(text.len()));
    assert!(connection.is_asking() && connection.client.is_empty());
}

fn question(id: u32, user: &str) -> String {
    format!("USER\t{id}\t{user}\tservice=lmtp\tprotocol=lmtp\n")
}

/// What has been written to `output`, which is written no more.
fn taken(output: &mut Vec<u8>) -> String {
    String::from_utf8(std::mem::take(output)).unwrap()
}

#[test]
fn dovecot_is_asked_without_the_extension_first_and_for_the_whole_afterwards() {
    let mut connection = asking("a+b@x");
    assert!(connection.needs_upstream() && connection.upstream.is_empty());
    connection.upstream_connected();
    let expected = format!("VERSION\t1\t0\n{}", question(1, "a@x"));
    assert_eq!(taken(&mut connection.upstream), expected);
    for line in ["VERSION\t1\t2", "SPID\t1", "NOTFOUND\t2"] {
        assert_eq!(connection.upstream_line(line.as_bytes()), Ok(()));
        assert!(connection.upstream.is_empty() && connection.client.is_empty());
    }
    assert_eq!(connection.upstream_line(b"NOTFOUND\t1"), Ok(()));
    assert_eq!(taken(&mut connection.upstream), question(2, "a+b@x"));
    assert_eq!(connection.upstream_line(b"USER\t2\tA\tuid=1"), Ok(()));
    assert_eq!(taken(&mut connection.client), "4:OK A,");
    ask(&mut connection, "a@x");
    assert_eq!(taken(&mut connection.upstream), question(3, "a@x"));
    assert_eq!(connection.upstream_line(b"NOTFOUND\t3"), Ok(()));
    assert_eq!(taken(&mut connection.client), "9:NOTFOUND ,");
    ask(&mut connection, "a@x");
    assert_eq!(connection.upstream_line(b"FAIL\t4"), Err(LookupFailed));
    assert_eq!(
        taken(&mut connection.client),
        "34:TEMP users cannot be looked up now,"
    );
}

#[test]
fn nothing_more_is_taken_before_dovecot_has_answered() {
    let mut connection = asking("a@x");
    let next = connection.receive(b"11:mailbox b@x,", None, &Delimiters::default());
    assert_eq!((next, connection.is_unfinished()), (Ok(0), false));
}

#[test]
fn a_connection_of_before_that_is_lost_is_tried_once_more() {
    let mut connection = asking("a@x");
    connection.upstream_lost();
    let unavailable = "34:TEMP users cannot be looked up now,";
    assert_eq!(taken(&mut connection.client), unavailable);
    ask(&mut connection, "a@x");
    connection.upstream_connected();
    connection.upstream_lost();
    assert_eq!(
        taken(&mut connection.client),
        unavailable,
        "it was made for that"
    );
    connection.upstream_connected();
    ask(&mut connection, "a@x");
    connection.upstream_lost();
    assert!(connection.needs_upstream() && connection.client.is_empty());
    connection.upstream_lost();
    assert_eq!(taken(&mut connection.client), unavailable);
    assert!(!connection.is_asking());
}

/// Addresses of which everything is known by name.
struct Named;

impl Addresses for Named {
    fn look_up(&self, map: Map, key: &str, _: &Delimiters) -> Known {
        let catch_all = (map == Map::Alias).then(|| "all@example.com".to_owned());
        match key {
            "account@example.com" => Known::Value("a@x,b@x".to_owned()),
            "disabled@example.com" => Known::Nothing,
            "away@example.com" | "file+away@example.com" => Known::Unavailable,
            _ => Known::Nobody { catch_all },
        }
    }
}

/// What is answered where there are such addresses, users of a file, and Dovecot or not.
#[track_caller]
fn from_both(has_users: bool, has_upstream: bool, rows: &[(&str, &str)]) {
    let (file, _) = PasswdFile::parse("file@example.com:x\nfile@example.net:x\n");
    let users = Users {
        exist: Exist::Listed(file),
        common: Common::default(),
    };
    for (asked, answer) in rows {
        let mut connection = Connection::new();
        let sources = Sources {
            addresses: Some(&Named),
            users: has_users.then_some(&users),
            has_upstream,
            delimiters: &Delimiters::default(),
        };
        let request = format!("{}:{asked},", asked.len());
        connection
            .receive_from(request.as_bytes(), &sources)
            .unwrap();
        if connection.needs_upstream() {
            connection.upstream_connected();
            let asked = String::from_utf8(std::mem::take(&mut connection.upstream)).unwrap();
            let found = if asked.contains("\tdovecot@") {
                "USER\t1\tdovecot@x"
            } else {
                "NOTFOUND\t1"
            };
            connection.upstream_line(found.as_bytes()).unwrap();
        }
        let answer = format!("{}:{answer},", answer.len());
        assert_eq!(
            str::from_utf8(&connection.client).unwrap(),
            answer,
            "{asked}"
        );
    }
}

#[test]
fn who_is_known_first_is_asked_first_and_nobody_elses_mail_goes_astray() {
    let same = [
        ("alias account@example.com", "OK a@x,b@x"),
        ("mailbox disabled@example.com", "NOTFOUND "),
        ("alias disabled@example.com", "NOTFOUND "),
        (
            "mailbox away@example.com",
            "TEMP users cannot be looked up now",
        ),
        (
            "alias away@example.com",
            "TEMP users cannot be looked up now",
        ),
        ("mailbox nobody@example.com", "NOTFOUND "),
        ("alias nobody@example.com", "OK all@example.com"),
        ("alias @example.com", "NOTFOUND "),
        (
            "aliases x",
            "PERM there are the maps mailbox, alias, sender_login and domain",
        ),
    ];
    for (has_users, has_upstream) in [(true, false), (true, true), (false, true), (false, false)] {
        from_both(has_users, has_upstream, &same);
    }
    from_both(
        true,
        true,
        &[
            ("mailbox file@example.com", "OK file@example.com"),
            ("mailbox file+away@example.com", "OK file@example.com"),
            ("alias file@example.com", "NOTFOUND "),
            ("alias file+x@example.com", "NOTFOUND "),
            ("domain Example.NET", "OK example.net"),
            ("domain example.org", "NOTFOUND "),
        ],
    );
    from_both(
        false,
        true,
        &[
            ("mailbox dovecot@example.com", "OK dovecot@x"),
            ("alias dovecot@example.com", "NOTFOUND "),
        ],
    );
    from_both(
        false,
        false,
        &[
            ("mailbox dovecot@example.com", "NOTFOUND "),
            ("domain example.net", "NOTFOUND "),
        ],
    );
}
