use super::*;

const HELLO: &str = "H4\t0\t0\t\toauth2keys\n";

/// What each line of `text` comes to, however it arrives.
#[track_caller]
fn events(text: &[u8]) -> Vec<Event> {
    let whole = events_in_pieces(text, text.len().max(1));
    assert_eq!(events_in_pieces(text, 1), whole);
    whole
}

fn events_in_pieces(text: &[u8], size: usize) -> Vec<Event> {
    let mut connection = Connection::new();
    let mut events = Vec::new();
    for mut piece in text.chunks(size) {
        while !piece.is_empty() {
            let (used, event) = connection.receive(piece);
            piece = &piece[used..];
            let is_end = matches!(event, Event::Close(_));
            if event != Event::Incomplete {
                events.push(event);
            }
            if is_end {
                return events;
            }
        }
    }
    events
}

/// What a line comes to on a connection that is greeted.
#[track_caller]
fn event(line: &[u8]) -> Event {
    let text = [HELLO.as_bytes(), line, b"\n"].concat();
    events(&text).pop().unwrap()
}

fn lookup(azp: &str, algorithm: Algorithm, kid: &str) -> Event {
    let (azp, kid) = (azp.to_owned(), kid.to_owned());
    Event::Lookup(KeyName {
        azp,
        algorithm,
        kid,
    })
}

const NOT_FOUND: Event = Event::Answered(Answer::NotFound);

#[test]
fn both_versions_of_dovecot_look_a_key_up() {
    let expected = [Event::Silent, lookup("default", Algorithm::Es256, "k1")];
    for hello in ["H3\t2\t0\t\toauth2keys\n", HELLO] {
        let text = format!("{hello}Lshared/default/ES256/k1\t\n");
        assert_eq!(events(text.as_bytes()), expected);
    }
    // Older minors of 3 send no user behind the key.
    assert_eq!(event(b"Lshared/default/ES256/k1"), expected[1]);
}

#[test]
fn a_name_is_unescaped_as_dovecot_escapes_it() {
    for (line, azp, kid) in [
        (
            "Lshared/http:%2f%2ftest.unit%2flocal%25key/HS256/k\t",
            "http://test.unit/local%key",
            "k",
        ),
        ("Lshared/..%2f/HS256/..%2f\t", "../", "../"),
        ("Lshared/a/HS256/%2e%2e\t", "a", ".."),
        ("Lshared/a/HS256/\x01t\x01n\x011\t", "a", "\t\n\x01"),
        ("Lshared/\u{e4}/HS256/k\t", "\u{e4}", "k"),
    ] {
        assert_eq!(
            event(line.as_bytes()),
            lookup(azp, Algorithm::Hs256, kid),
            "{line}"
        );
    }
}

#[test]
fn a_name_that_no_key_has_is_not_found() {
    for line in [
        "L",
        "Lshared/default/ES256\t",
        "Lshared/default/ES256/\t",
        "Lshared//ES256/k\t",
        "Lshared/default/ES256/k/x\t",
        "Lshared/default/ES256/../k\t",
        "Lshared/default/es256/k\t",
        "Lshared/default/none/k\t",
        "Lshared/default/ES256/%\t",
        "Lshared/default/ES256/%2\t",
        "Lshared/default/ES256/%00\t",
        "Lshared/default/ES256/%2\u{e4}\t",
        "Lpriv/default/ES256/k\tuser",
        "Lshared/userdb/alice\talice",
    ] {
        assert_eq!(event(line.as_bytes()), NOT_FOUND, "{line}");
    }
    assert_eq!(event(b"Lshared/default/ES256/\xff\t"), NOT_FOUND);
}

#[test]
fn a_name_of_any_length_is_not_found_and_the_next_is() {
    for length in [MAX_LINE, 10_000, 60_000] {
        let kid = "k".repeat(length);
        let text = format!("{HELLO}Lshared/default/ES256/{kid}\t\nLshared/a/RS256/k\t\n");
        let expected = [Event::Silent, NOT_FOUND, lookup("a", Algorithm::Rs256, "k")];
        assert_eq!(events(text.as_bytes()), expected);
    }
}

#[test]
fn what_is_no_look_up_fails_or_is_ignored() {
    let failed = Event::Answered(Answer::Failed("only look-ups are served"));
    for line in ["I0\t0\tshared/\t", "C1", "D1"] {
        assert_eq!(event(line.as_bytes()), failed, "{line}");
    }
    for line in [
        "B1\tu", "S1\tk\tv", "U1\tk", "A1\tk\t1", "T1\t1\t1", "R1", "V",
    ] {
        assert_eq!(event(line.as_bytes()), Event::Silent, "{line}");
    }
}

#[test]
fn a_stranger_is_told_apart_at_its_first_line() {
    for line in [
        "",
        "Lshared/default/ES256/k\t",
        "H2\t0\t0\t\tx",
        "H5\t0\t0\t\tx",
        "H",
        "H4",
        "H4\t0",
        "H4\t0\t1\t\tx",
        "GET / HTTP/1.1\r",
        "VERSION\t1\t0",
    ] {
        let text = format!("{line}\n");
        assert_eq!(
            events(text.as_bytes()),
            [Event::Close(Error::Version)],
            "{line}"
        );
    }
    for line in [&b""[..], b"X", b"H4\t0\t0\t\tx", b"\xff"] {
        assert_eq!(event(line), Event::Close(Error::Command), "{line:?}");
    }
}

#[test]
fn a_line_without_end_takes_little_memory_and_ends_the_connection() {
    let mut connection = Connection::new();
    let mut taken = 0;
    let error = loop {
        let (used, event) = connection.receive(&[b'L'; 1000]);
        taken += used;
        assert!(connection.line.capacity() <= 2 * MAX_LINE);
        if let Event::Close(error) = event {
            break error;
        }
    };
    assert_eq!(error, Error::LineTooLong);
    assert!((64 << 10..66 << 10).contains(&taken), "{taken}");
}

#[test]
fn an_answer_is_one_line_whatever_it_holds() {
    for (answer, expected) in [
        (Answer::Found("a\nb\tc\x01"), "Oa\x01nb\x01tc\x011\n"),
        (Answer::NotFound, "N\n"),
        (Answer::Failed("no"), "Fno\n"),
    ] {
        let mut out = Vec::new();
        answer.write(&mut out);
        assert_eq!(out, expected.as_bytes());
    }
}
