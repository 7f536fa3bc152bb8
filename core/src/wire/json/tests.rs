use super::*;

/// Walks over the members of `text`, both ways: a claims reader visits them, others iterate.
#[track_caller]
fn walk(text: &[u8]) -> Result<usize, Error> {
    let object = Object::parse(text)?;
    let mut members = object.members();
    let iterated = members.try_fold(0, |count, member| member.map(|_| count + 1));
    let mut count = 0;
    let visited = object.each_member(|_, _| {
        count += 1;
        Ok(())
    });
    assert_eq!(visited.map(|()| count), iterated);
    iterated
}

#[track_caller]
fn check(text: &str, expected: Result<usize, Error>) {
    assert_eq!(walk(text.as_bytes()), expected, "{text}");
}

fn member<'j>(text: &'j str, wanted: &str) -> Value<'j> {
    let members = Object::parse(text.as_bytes()).unwrap().members();
    members
        .map(Result::unwrap)
        .find(|(name, _)| *name == *wanted)
        .unwrap()
        .1
}

#[test]
fn reads_objects() {
    check("{}", Ok(0));
    check(" {\t} \r\n", Ok(0));
    check(
        r#"{"a":1,"b":[],"c":{},"d":"","e":true,"f":false,"g":null}"#,
        Ok(7),
    );
    check(
        r#"{ "a" : [ 1 , { "b" : [ "]}" , "\"" ] } ] , "c" : -0.5e+10 }"#,
        Ok(2),
    );
}

#[test]
fn refuses_what_is_no_object() {
    for text in [
        "",
        " ",
        "[]",
        "1",
        "null",
        "\"{}\"",
        "{",
        "}",
        "{}{}",
        "{},",
        "{} x",
        "\u{feff}{}",
        "\u{c}{}",
        "{}\u{c}",
        "{\u{c}}",
        "\u{a0}{}",
    ] {
        check(text, Err(Error::Syntax));
    }
}

#[test]
fn refuses_bad_members() {
    for text in [
        "{,}",
        r#"{,"a":1}"#,
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a" 1}"#,
        "{a:1}",
        "{'a':1}",
        r#"{"a":1"#,
        r#"{"a":1,"#,
        r#"{"a":tru}"#,
        r#"{"a":tru!!e}"#,
        r#"{"a":True}"#,
        r#"{"a":nul}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":[,1]}"#,
        r#"{"a":[1 2]}"#,
        r#"{"a":[}"#,
        r#"{"a":[1}}"#,
        r#"{"a":{"b":1]}"#,
        r#"{"a":{"b"}}"#,
        r#"{"a":{"b":1,}}"#,
        r#"{"a":{1:1}}"#,
        r#"{"a":]}"#,
        r#"{"a":[{]}]}"#,
        "{\"a\":\u{a0}1}",
        r#"{"a":[1],"#,
        r#"{"a"::1}"#,
        "{:1}",
    ] {
        check(text, Err(Error::Syntax));
    }
}

#[test]
fn refuses_bad_numbers() {
    for number in [
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "-Infinity",
        "1_0",
        "- 1",
    ] {
        check(&std::format!("{{\"a\":{number}}}"), Err(Error::Syntax));
        check(&std::format!("{{\"a\":[{number}]}}"), Err(Error::Syntax));
        // Digits are read eight bytes at a time, where there are as many.
        let longer = std::format!("{{\"a\":{number},\"padding\":\"eight and more\"}}");
        check(&longer, Err(Error::Syntax));
    }
}

#[test]
fn refuses_bad_strings() {
    for inside in [
        r"\",
        r"\x",
        r"\u12",
        r"\u12g4",
        r"\ud800",
        r"\udc00",
        r"\ud800\u0041",
        r"\ud800x",
        "\n",
        "\0",
        "\x1f",
        "long enough for a word \x01",
    ] {
        check(&std::format!("{{\"a\":\"{inside}\"}}"), Err(Error::Syntax));
        check(&std::format!("{{\"{inside}\":1}}"), Err(Error::Syntax));
    }
}

#[test]
fn refuses_what_is_not_utf8() {
    assert_eq!(walk(b"{\"a\":\"\xff\"}"), Err(Error::Encoding));
    assert_eq!(walk(b"{\"a\":\"\xed\xa0\x80\"}"), Err(Error::Encoding));
}

#[test]
fn names_are_compared_after_unescaping() {
    check(r#"{"a":1,"a":1}"#, Err(Error::DuplicateName));
    check(r#"{"a":1,"\u0061":1}"#, Err(Error::DuplicateName));
    check(r#"{"\u0061":1,"b":2,"a":1}"#, Err(Error::DuplicateName));
    check(r#"{"\u0061":1,"\u0062":1}"#, Ok(2));
    check(r#"{"a":1,"b":2,"\u0061":1}"#, Err(Error::DuplicateName));
    check(r#"{"\uD83D\uDE00":1,"😀":1}"#, Err(Error::DuplicateName));
    check(r#"{"":1,"":1}"#, Err(Error::DuplicateName));
    check(r#"{"a\u0000":1,"a":1,"\u0000a":1}"#, Ok(3));
    check(r#"{"a":{"b":1,"b":1}}"#, Ok(1)); // only who reads inside compares inside
    let inner = member(r#"{"a":{"b":1,"b":1}}"#, "a").object().unwrap();
    assert!(
        inner
            .members()
            .any(|member| member.err() == Some(Error::DuplicateName))
    );
}

#[test]
fn names_of_any_length_are_compared_after_unescaping() {
    for len in 1..40 {
        let name: std::string::String = ('A'..).filter(|c| *c != '\\').take(len).collect();
        for (at, c) in name.char_indices() {
            let (before, behind) = name.split_at(at);
            let behind = behind.strip_prefix(c).unwrap();
            let escaped = std::format!("{before}\\u{:04x}{behind}", u32::from(c));
            check(
                &std::format!("{{\"{name}\":1,\"{escaped}\":2}}"),
                Err(Error::DuplicateName),
            );
            check(
                &std::format!("{{\"{name}\":1,\"{before}\":2,\"{before}\\u0000\":3}}"),
                Ok(3),
            );
        }
    }
}

/// Whoever makes up a collision loses his own token by it.
#[test]
fn names_of_one_fingerprint_count_as_one_name() {
    check(
        r#"{"YuF0ie9PAaaabaAi":1,"u2njHkAm44Ak-P6-":2}"#,
        Err(Error::DuplicateName),
    );
}

#[test]
fn hints_are_read_however_often_a_name_occurs() {
    let walk = |text: &str| {
        let mut members = Object::parse(text.as_bytes())?.members_unchecked();
        members.try_fold(0, |count, member| member.map(|_| count + 1))
    };
    assert_eq!(walk(r#"{"a":1,"a":2,"\u0061":3}"#), Ok(3));
    assert_eq!(walk(r#"{"a":1,"a":2,}"#), Err(Error::Syntax));
}

#[test]
fn members_are_bounded() {
    let object = |count: usize| {
        let members: std::vec::Vec<_> = (0..count)
            .map(|i| std::format!("\"claim-{i}\":0"))
            .collect();
        std::format!("{{{}}}", members.join(","))
    };
    check(&object(MAX_MEMBERS), Ok(MAX_MEMBERS));
    check(&object(MAX_MEMBERS + 1), Err(Error::TooManyMembers));
}

#[test]
fn depth_is_bounded() {
    let nested = |open: &str, close: &str, levels: usize| {
        std::format!("{{\"a\":{}1{}}}", open.repeat(levels), close.repeat(levels))
    };
    check(&nested("[", "]", 15), Ok(1));
    check(&nested("[", "]", 16), Err(Error::Depth));
    check(&nested("{\"a\":", "}", 15), Ok(1));
    check(&nested("{\"a\":", "}", 16), Err(Error::Depth));
    check(&nested("[", "]", 100_000), Err(Error::Depth));
}

#[test]
fn values_behind_the_object_are_seen_in_nested_ones_only() {
    let outer = r#"{"a":{"b":[1,2]},"c":3}"#;
    let inner = member(outer, "a").object().unwrap();
    assert_eq!(inner.members().count(), 1);
    assert_eq!(
        member(r#"{"a":[1,[2],{"b":3}]}"#, "a")
            .array()
            .unwrap()
            .items()
            .count(),
        3
    );
}

#[test]
fn text_decodes_escapes() {
    let text = member(r#"{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00x"}"#, "a")
        .string()
        .unwrap();
    assert!(text == *"\"\\/\u{8}\u{c}\n\r\té😀x");
    assert_eq!(text.as_str(), None);
    assert_eq!(text.to_string::<8>(), None);
    assert_eq!(text.to_string::<32>().unwrap(), "\"\\/\u{8}\u{c}\n\r\té😀x");
    let plain = member(r#"{"a":"é"}"#, "a").string().unwrap();
    assert_eq!(plain.as_str(), Some("é"));
    assert_eq!(std::format!("{plain:?}"), "Text(..)");
}

#[test]
fn characters_of_any_length_stand_beside_escapes() {
    let text = member(r#"{"a":"\/aé€😀é\/"}"#, "a").string().unwrap();
    assert!(text.chars().eq("/aé€😀é/".chars()));
}

/// A scope may be written with escapes, and stand anywhere among the others.
#[test]
fn a_word_is_found_however_it_is_written() {
    for (inside, expected) in [
        ("mail", true),
        ("openid mail", true),
        ("mail openid", true),
        (r"ma\u0069l", true),
        (r"openid ma\u0069l", true),
        (r"ma\u0069l openid", true),
        (r"openid\u0020mail", true),
        ("", false),
        ("mai", false),
        ("mails openid", false),
        (r"\u006dai", false),
        (r"ma\u0069l\u0073", false),
        (r"em\u0061il", false),
        (r"ma\u0069ls mai", false),
        (r"xmail \u0078mail", false),
    ] {
        let object = std::format!("{{\"a\":\"{inside}\"}}");
        let text = member(&object, "a").string().unwrap();
        assert_eq!(text.has_word("mail"), expected, "{inside}");
    }
}

#[test]
fn texts_that_begin_with_an_escape_or_a_space_are_what_they_are() {
    for (inside, expected) in [
        (r#"\""#, "\""),
        (r#"\"\""#, "\"\""),
        (r#"\"a"#, "\"a"),
        ("", ""),
        (" ", " "),
        (r"\\", "\\"),
    ] {
        let object = std::format!("{{\"a\":\"{inside}\",\"{inside}b\":0}}");
        let text = member(&object, "a").string().unwrap();
        assert!(text == *expected, "{object}");
        assert_eq!(text.is_empty(), expected.is_empty());
        assert!(matches!(
            member(&object, &std::format!("{expected}b")),
            Value::Number(_)
        ));
    }
}

#[test]
fn words_with_escapes_are_never_told() {
    let text = member(r#"{"a":"mail \u006dail x\"y z"}"#, "a")
        .string()
        .unwrap();
    assert!(text.words().eq([b"mail".as_slice(), b"z"]));
}

/// Claims are kept by the dozen, on a device too.
#[test]
fn a_value_is_three_words_long() {
    assert!(size_of::<Option<Value<'_>>>() <= 3 * size_of::<usize>());
}

#[test]
fn one_string_or_many() {
    let collect = |text| {
        let strings = member(text, "a").strings();
        strings
            .map(|s| s.map(|s| s.to_string::<8>().unwrap()))
            .collect::<Result<std::vec::Vec<_>, _>>()
    };
    assert_eq!(collect(r#"{"a":"x"}"#).unwrap(), ["x"]);
    assert_eq!(collect(r#"{"a":["x","y"]}"#).unwrap(), ["x", "y"]);
    assert!(collect(r#"{"a":[]}"#).unwrap().is_empty());
    assert_eq!(collect(r#"{"a":1}"#), Err(Error::Type));
    assert_eq!(collect(r#"{"a":["x",1]}"#), Err(Error::Type));
    assert_eq!(collect(r#"{"a":[["x"]]}"#), Err(Error::Type));
}

#[test]
fn numbers_are_floored_without_rounding() {
    let floor = |text: &str| match member(&std::format!("{{\"a\":{text}}}"), "a") {
        Value::Number(number) => number.floor(),
        _ => panic!("{text} is no number"),
    };
    for (text, expected) in [
        ("0", 0),
        ("1795312000", 1_795_312_000),
        ("1795312000.999999999999", 1_795_312_000),
        ("1795312000.000E+0", 1_795_312_000),
        ("1.795312e9", 1_795_312_000),
        ("17953120000e-1", 1_795_312_000),
        ("0.0001e4", 1),
        ("0.9", 0),
        ("9.9", 9),
        ("1e-400", 0),
        ("0e999999", 0),
        ("9223372036854775807", i64::MAX),
        ("0.00000000000000000000000000000001e32", 1),
    ] {
        assert_eq!(floor(text), Some(expected), "{text}");
    }
    for text in [
        "9223372036854775808",
        "18446744073709551617",
        "1e30",
        "1e99999999999",
        "123456789e2147483640",
        "1e2147483647",
        "-1",
        "-1795312000.5",
        "-0.5",
        "-1e-5",
    ] {
        assert_eq!(floor(text), None, "{text}");
    }
}
