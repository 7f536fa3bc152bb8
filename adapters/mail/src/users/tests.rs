use super::*;

fn users(exist: Exist) -> Users {
    let common = Common {
        uid: Some(5000),
        gid: Some(5001),
        home: "/var/vmail/%d/%n".parse().ok(),
        fields: vec![("mail".to_owned(), "maildir:~/%{user}".parse().unwrap())],
    };
    Users { exist, common }
}

fn listed(text: &str) -> Users {
    users(Exist::Listed(PasswdFile::parse(text).0))
}

#[track_caller]
fn check(users: &Users, name: &str, expected: &str) {
    let found = users.find(name).map(|user| {
        let fields = user
            .fields
            .iter()
            .map(|(key, value)| format!(" {key}={value}"));
        user.name + &fields.collect::<String>()
    });
    assert_eq!(found.unwrap_or_default(), expected, "{name}");
}

const ALICE: &str = "alice@example.com uid=5000 gid=5001 home=/var/vmail/example.com/alice mail=maildir:~/alice@example.com";

#[test]
fn a_template_is_filled_with_the_name_in_lower_case() {
    check(&users(Exist::All), "alice@example.com", ALICE);
    check(&users(Exist::All), "Alice@Example.COM", ALICE);
}

#[test]
fn both_ways_to_write_a_variable_are_one() {
    for (template, expected) in [
        ("", ""),
        ("%u|%n|%d", "a@b@example.com|a@b|example.com"),
        (
            "%{user}|%{username}|%{domain}",
            "a@b@example.com|a@b|example.com",
        ),
        ("100%%", "100%"),
        ("/%{id}/", "/7/"),
    ] {
        let template: Template = template.parse().unwrap();
        assert_eq!(template.fill("a@b@example.com", "7"), expected);
    }
    for unknown in ["%x", "%{token}", "%{user", "50%", "%{user|domain}"] {
        assert_eq!(unknown.parse::<Template>(), Err(TemplateError), "{unknown}");
    }
}

#[test]
fn of_some_domains_everybody_exists_and_nobody_else() {
    let users = users(Exist::Domains(vec!["example.com".to_owned()]));
    check(&users, "alice@EXAMPLE.com", ALICE);
    for nobody in [
        "alice@example.org",
        "alice",
        "example.com",
        "@example.com",
        "",
    ] {
        check(&users, nobody, "");
    }
    assert!(users.matching("*").is_none());
}

#[test]
fn a_name_that_would_leave_its_directory_is_nobody_s() {
    for name in [
        "../alice@example.com",
        "a/b@example.com",
        "..@example.com",
        ".@example.com",
        "@example.com",
        "alice@..",
        "alice@",
        "alice@a/b",
        "a\0b@example.com",
        "a\nb@example.com",
        "..",
        "",
        // A catch-all is nobody, and nothing else is that no login could name (A22).
        "@",
        "@\u{1}example.com",
        "@@example.com",
        "a@b@example.com",
        "a..b@example.com",
        ".a@example.com",
        "a.@example.com",
        "a@example.com.",
        "a b@example.com",
        "a\\b@example.com",
        "a\tb@example.com",
        "a\u{85}b@example.com",
        "a\u{202e}b@example.com",
        "a\u{200b}@example.com",
        "\u{301}a@example.com",
        "a\u{ff20}example.com",
        "\u{fffd}@example.com",
        "a,b@example.com",
        "a@gatepost.invalid",
    ] {
        check(&users(Exist::All), name, "");
        let (file, errors) = PasswdFile::parse(&format!("{name}:x:1:1::/h::"));
        // What is two lines is two names.
        assert!(file.is_empty() || name.contains('\n'), "{name:?}");
        assert!(!errors.is_empty() || name.contains('\n'), "{name:?}");
    }
}

#[test]
fn a_file_says_who_exists_and_what_is_different() {
    let users = listed(
        "# a comment\n\nalice@example.com:{SHA256}secret::::::\n\
         Bob@example.com:x:7:8:Bob:/home/bob:/bin/sh:userdb_mail=mbox:/m/bob userdb_quota_rule=*:bytes=1G nopassword=y\n",
    );
    check(&users, "alice@example.com", ALICE);
    check(
        &users,
        "bob@example.com",
        "bob@example.com uid=7 gid=8 home=/home/bob mail=mbox:/m/bob quota_rule=*:bytes=1G",
    );
    check(&users, "carol@example.com", "");
    assert!(!format!("{users:?}").contains("secret"));
}

#[test]
fn a_name_has_256_bytes_at_most() {
    let name = |length: usize| "a".repeat(length);
    let (file, errors) = PasswdFile::parse(&format!("{}:x\n{}:x\n", name(256), name(257)));
    assert_eq!(errors, [LineError::Name(2)]);
    assert_eq!(file.len(), 1);
}

#[test]
fn a_field_with_control_characters_is_no_way_to_another() {
    for (line, is_taken) in [
        ("a:x:7:8::/h::userdb_mail\tuid=0", false),
        ("a:x:7:8::/h::userdb_mail=m\tuid=0", false),
        ("a:x:7:8::/h\tuid=0::", false),
        ("a:x:7:8::/h::userdb_\u{1}=m", false),
        ("a:x:7:8::/h::userdb_=m", false),
        // What is not kept harms nobody.
        ("a:x\ty:7:8:A\tB:/h:/bin/sh\t:pass\t=m", true),
    ] {
        let (file, errors) = PasswdFile::parse(&format!("# one\n{line}\n"));
        assert_eq!(file.len(), usize::from(is_taken), "{line:?}");
        let expected = if is_taken { "" } else { "line 2: " };
        let said = errors.first().map(ToString::to_string).unwrap_or_default();
        assert!(
            said.starts_with(expected) && said.is_empty() == is_taken,
            "{said}"
        );
    }
}

#[test]
fn a_template_has_no_control_characters() {
    for text in ["/v/%n\n", "\t%u", "%{user}\0"] {
        assert_eq!(text.parse::<Template>(), Err(TemplateError), "{text:?}");
    }
}

#[test]
fn a_question_mark_is_one_character() {
    let users = listed("\u{fc}@x:x\nue@x:x\n");
    let count = |mask| users.matching(mask).unwrap().count();
    assert_eq!((count("?@x"), count("??@x"), count("?e@*")), (1, 1, 1));
}

#[test]
fn a_file_makes_nobody_root() {
    let (file, errors) = PasswdFile::parse(
        "a:x:0:1::/h::\nb:x:1:0::/h::\nc:x:::::: userdb_uid=0\nd:x:-1:1::::\ne:x:1:x::::\nf:x:1:1::/::userdb_uid=0\n/:x::::::\n",
    );
    let expected = [1, 2, 3, 4, 5].map(LineError::Id);
    assert_eq!(errors, [&expected[..], &[LineError::Name(7)]].concat());
    assert_eq!(file.len(), 1);
    let users = users(Exist::Listed(file));
    assert_eq!(
        users.find("f").unwrap().fields[0],
        ("uid".to_owned(), "1".to_owned())
    );
}

#[test]
fn a_mask_lists_whom_it_matches() {
    let users = listed("b@y:x\na@x:x\nab@x:x\n");
    for (mask, expected) in [
        ("*", &["a@x", "ab@x", "b@y"][..]),
        ("*@X", &["a@x", "ab@x"]),
        ("?@*", &["a@x", "b@y"]),
        ("a*b*", &["ab@x"]),
        ("a@x", &["a@x"]),
        ("**?*@**", &["a@x", "ab@x", "b@y"]),
        ("", &[]),
        ("a", &[]),
        ("?", &[]),
    ] {
        let listed: Vec<&str> = users.matching(mask).unwrap().collect();
        assert_eq!(listed, expected, "{mask}");
    }
}

#[test]
fn a_hostile_mask_takes_no_time() {
    let name = "a".repeat(250);
    let users = listed(&format!("{name}:x\n"));
    let mask = "*a".repeat(120) + "b";
    assert_eq!(users.matching(&mask).unwrap().count(), 0);
}
