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
    ] {
        let template: Template = template.parse().unwrap();
        assert_eq!(template.fill("a@b@example.com"), expected);
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
