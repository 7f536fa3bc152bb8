use super::*;
use std::{format, string::String, vec, vec::Vec};

const SET: Wanted = Wanted {
    array: Some("keys"),
    members: &["kid", "n"],
};
const DOCUMENT: Wanted = Wanted {
    array: None,
    members: &["issuer", "jwks_uri"],
};

/// What comes of `text` in pieces of so many bytes: its elements, and what stays in the end.
fn read(
    wanted: &'static Wanted,
    text: &[u8],
    piece: usize,
    room: usize,
) -> Result<(Vec<Option<String>>, String), Error> {
    let mut excerpt = Excerpt::new(wanted);
    let (mut buffer, mut stays, mut elements) = (vec![b'?'; room], 0, Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        let length = piece.min(rest.len()).min(room - stays);
        let (now, later) = rest.split_at(length);
        buffer[stays..stays + length].copy_from_slice(now);
        rest = later;
        stays = excerpt.read(&mut buffer, stays + length, |element| {
            elements.push(element.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()));
        })?;
    }
    excerpt.finish()?;
    let kept = String::from_utf8(buffer[..stays].to_vec()).unwrap();
    Ok((elements, kept))
}

/// The same comes of it whatever the pieces.
#[track_caller]
fn check(wanted: &'static Wanted, text: &str, elements: &[&str], kept: &str) {
    let expected: Vec<_> = elements
        .iter()
        .map(|one| Some(String::from(*one)))
        .collect();
    for piece in (1..20).chain([10_000]) {
        let found = read(wanted, text.as_bytes(), piece, 10_000);
        assert_eq!(
            found,
            Ok((expected.clone(), kept.into())),
            "{piece}: {text}"
        );
    }
}

/// It is refused whatever the pieces.
#[track_caller]
fn refuse(text: &[u8], expected: Error) {
    let shown = String::from_utf8_lossy(text);
    for piece in (1..20).chain([10_000]) {
        let found = read(&SET, text, piece, 10_000);
        assert_eq!(found, Err(expected), "{piece}: {shown}");
    }
}

#[test]
fn elements_come_one_by_one_with_what_is_read_of_them() {
    check(&SET, r#"{"keys":[]}"#, &[], "");
    check(&SET, " {\"keys\" : [ ] , \"x\":[1]}\r\n", &[], "");
    let text = r#"{"a":{"keys":[{"kid":"no"}]}, "keys": [ {"kid" : "1", "x5c":["MII\/","M{]"], "n":"A"},
        {"n":{"kid":[1, 2],"x":"y"}, "x":{"kid":"no"}}, {}, {"x":1}, {"x":1,"kid":"\u0031"} ], "b":[[]]}"#;
    check(
        &SET,
        text,
        &[
            r#"{"kid":"1","x5c":0,"n":"A"}"#,
            r#"{"n":{"kid":[1,2],"x":"y"},"x":0}"#,
            "{}",
            r#"{"x":0}"#,
            r#"{"x":0,"kid":"\u0031"}"#,
        ],
        "",
    );
    check(
        &SET,
        r#"{"keys":[1,"a,]",[{"x":[2,3]}],null,-1.5e+3]}"#,
        &["1", r#""a,]""#, r#"[{"x":[2,3]}]"#, "null", "-1.5e+3"],
        "",
    );
}

#[test]
fn of_a_document_stays_what_is_read() {
    check(&DOCUMENT, "{}", &[], "{}");
    check(
        &DOCUMENT,
        r#"{"x":{"issuer":1},"issuer":"a\"\u00e9é", "y":[1,2],"jwks_uri":[1, {"x":2,"y":3}],"z":"","issuer":0}"#,
        &[],
        r#"{"issuer":"a\"\u00e9é","jwks_uri":[1,{"x":2,"y":3}],"issuer":0}"#,
    );
}

#[test]
fn names_are_read_with_their_escapes() {
    check(
        &SET,
        r#"{"\u006beys":[{"\u006bid":"1","kid\u0000":2}]}"#,
        &[r#"{"\u006bid":"1","kid\u0000":0}"#],
        "",
    );
    refuse(br#"{"keys":[],"k\u0065ys":[]}"#, Error::DuplicateName);
}

#[test]
fn grammar_is_checked_where_nobody_reads_as_well() {
    for inside in [
        r#""\x""#,
        r#""\u12g4""#,
        r#""\ud800""#,
        r#""\ud800\u0041""#,
        r#""\udc00""#,
        "\"\t\"",
        "01",
        "1.",
        "--1",
        "tru",
        "nul",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":1,}",
        "{a:1}",
        "[1}",
        "{\"a\":1]",
        "[1 2]",
        "",
    ] {
        for text in [
            format!(r#"{{"x":{inside},"keys":[]}}"#),
            format!(r#"{{"keys":[{{"x":{inside}}}]}}"#),
            format!(r#"{{"keys":[{{"kid":{inside}}}]}}"#),
            format!(r#"{{"keys":[{{"kid":[{inside}x]}}]}}"#),
        ] {
            refuse(text.as_bytes(), Error::Syntax);
        }
    }
    for text in [
        "",
        " ",
        "[]",
        "1",
        "null",
        "\"a\"",
        "{\"keys\":[]}}",
        "{\"keys\":[]} x",
        "{}",
        "{\"keys\":[]",
    ] {
        refuse(text.as_bytes(), Error::Syntax);
    }
    refuse(b"{\"keys\":{}}", Error::Type);
    refuse(b"{\"keys\":1}", Error::Type);
    refuse(b"{\"keys\":\"a\"}", Error::Type);
    refuse(b"{\"x\":\"\xff\",\"keys\":[]}", Error::Encoding);
    refuse(b"{\"x\":\"\xc3\",\"keys\":[]}", Error::Encoding);
    refuse(b"{\"x\":\"\xed\xa0\x80\",\"keys\":[]}", Error::Encoding);
}

#[test]
fn a_document_is_an_object() {
    for text in ["[]", "[1]", "1 ", "null ", "\"a\""] {
        for piece in [1, 100] {
            let found = read(&DOCUMENT, text.as_bytes(), piece, 100);
            assert_eq!(found, Err(Error::Syntax), "{text}");
        }
    }
}

#[test]
fn a_number_is_bounded_and_has_to_fit() {
    let text = |digits| format!(r#"{{"keys":[{}]}}"#, "1".repeat(digits));
    let longest = "1".repeat(MAX_SCALAR);
    check(&SET, &text(MAX_SCALAR), &[&longest], "");
    refuse(text(MAX_SCALAR + 1).as_bytes(), Error::Syntax);
    let small = read(&SET, text(20).as_bytes(), 5, 16);
    assert_eq!(small, Err(Error::TooLong));
}

/// What follows it need not fit.
#[test]
fn a_wrong_escape_is_found_where_it_stands() {
    let text = format!(r#"{{"x":"\x{}","keys":[]}}"#, "y".repeat(200));
    for room in [64, 100, 1000] {
        let found = read(&SET, text.as_bytes(), 7, room);
        assert_eq!(found, Err(Error::Syntax), "{room}");
    }
}

#[test]
fn it_is_as_deep_as_any_other_reader_takes() {
    for depth in 10..20_u8 {
        let inside = usize::from(depth) - 3;
        let (open, close) = ("[".repeat(inside), "]".repeat(inside));
        for name in ["x", "kid"] {
            let text = format!("{{\"keys\":[{{\"{name}\":{open}{close}}}]}}");
            let other = crate::wire::json::Object::parse(text.as_bytes())
                .unwrap()
                .members()
                .try_for_each(|member| member.map(drop));
            let found = read(&SET, text.as_bytes(), 7, 10_000).map(drop);
            assert_eq!(found, other, "{depth}");
        }
    }
}

#[test]
fn every_cut_is_noticed() {
    let text = r#"{"x":[1,{"y":"\u00e9é"}],"keys":[{"kid":"1","x":[2]},{"n":true}],"z":1.5}"#;
    assert!(read(&SET, text.as_bytes(), 5, 100).is_ok());
    for end in 0..text.len() {
        let found = read(&SET, &text.as_bytes()[..end], 5, 100);
        assert!(found.is_err(), "{end}");
    }
}

#[test]
fn an_element_that_does_not_fit_spoils_no_other() {
    let long = "x".repeat(500);
    let text = format!(
        r#"{{"{long}":1,"keys":[{{"kid":"1","x5c":["{long}","{long}"]}},{{"kid":"2","n":"{long}"}},{{"n":"3"}}]}}"#
    );
    for room in [64, 100, 499] {
        for piece in [1, 7, 1000] {
            let (elements, _) = read(&SET, text.as_bytes(), piece, room).unwrap();
            let found: Vec<_> = elements.iter().map(Option::as_deref).collect();
            let expected = [Some(r#"{"kid":"1","x5c":0}"#), None, Some(r#"{"n":"3"}"#)];
            assert_eq!(found, expected, "{room}, {piece}");
        }
    }
    let text = format!(r#"{{"x":"{long}","issuer":"{long}","jwks_uri":"a"}}"#);
    assert_eq!(
        read(&DOCUMENT, text.as_bytes(), 7, 499),
        Err(Error::TooLong)
    );
    let text = format!(r#"{{"x":"{long}","{long}":"{long}","jwks_uri":"a"}}"#);
    let kept = r#"{"jwks_uri":"a"}"#.into();
    assert_eq!(
        read(&DOCUMENT, text.as_bytes(), 700, 600),
        Ok((vec![], kept))
    );
}

// What stayed was counted from where the buffer had been full before.
#[test]
fn behind_a_member_that_does_not_fit_nothing_stays() {
    let long = "x".repeat(80);
    let text = format!(r#"{{"issuer":"a","{long}":1,"jwks_uri":"b"}}"#);
    let (mut excerpt, mut buffer) = (Excerpt::new(&DOCUMENT), [b'?'; 64]);
    let (mut stays, mut rest) = (0, text.as_bytes());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(buffer.len() - stays).min(7));
        let length = stays + piece.len();
        buffer[stays..length].copy_from_slice(piece);
        rest = behind;
        stays = excerpt.read(&mut buffer, length, |_| ()).unwrap();
        assert!(stays <= length);
    }
    assert_eq!((stays, excerpt.finish()), (0, Err(Error::TooLong)));
}

#[test]
fn each_byte_is_read_once() {
    let key = format!(
        r#"{{"kid":"1","x5c":["{}"],"n":[{}1]}}"#,
        "\\\\".repeat(700),
        "1,".repeat(300)
    );
    let text = format!(r#"{{"keys":[{key}{}]}}"#, format!(",{key}").repeat(20));
    for piece in [64, 1000, 100_000] {
        let scanned = scanned::during(|| {
            assert!(read(&SET, text.as_bytes(), piece, 4000).is_ok());
        });
        assert!(
            scanned <= 2 * text.len(),
            "{piece}: {scanned} of {}",
            text.len()
        );
    }
}
