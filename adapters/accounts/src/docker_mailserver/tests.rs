use super::*;
use crate::id::Id;
use crate::model::{Account, Change, Event, Group, Life, Resource, SourceId};
use crate::name::Address;
use crate::routes::List;
use crate::time::Timestamp;

const SOURCE: SourceId = SourceId(1);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn life() -> Life {
    let now = Timestamp::from_millis(0);
    Life {
        created: now,
        modified: now,
        version: 1,
        position: 1,
        deleted: None,
    }
}

/// An account with a mailbox and further addresses.
fn account(number: u8, addresses: &[&str]) -> Account {
    let mut addresses = addresses.iter().map(|text| address(text));
    Account {
        id: Id::from_bytes([number; 16]),
        source: SOURCE,
        external_id: None,
        subject: None,
        user_name: format!("user{number}"),
        display_name: None,
        mailbox: addresses.next(),
        aliases: addresses.collect(),
        active: true,
        quota: None,
        forwarding: Vec::new(),
        life: life(),
    }
}

fn index(accounts: impl IntoIterator<Item = Account>, routes: &Routes) -> Index {
    let mut index = Index::new(routes.clone());
    let mut put = |event| index.apply(&Change { sequence: 1, event });
    let mut members = Vec::new();
    for account in accounts {
        members.push(account.id);
        put(Event::Put(Resource::Account(account)));
    }
    let group = Id::from_bytes([0; 16]);
    put(Event::Put(Resource::Group(Group {
        id: group,
        source: SOURCE,
        external_id: None,
        display_name: "staff".to_owned(),
        life: life(),
    })));
    put(Event::Members {
        group,
        added: members,
        removed: Vec::new(),
    });
    index
}

/// A file whose hashes are numbers.
fn written(file: File, old: &str, index: &Index, routes: &Routes) -> Written {
    let mut drawn = 0;
    file.rewritten(old, index, routes, || {
        drawn += 1;
        format!("{{X}}{drawn}")
    })
}

fn ours(lines: &str) -> String {
    format!("{BEGIN}\n{lines}{END}\n")
}

#[test]
fn an_account_is_a_line_and_a_second_writing_changes_nothing() {
    let routes = Routes::new();
    let index = index(
        [account(1, &["bob@x.org"]), account(2, &["alice@x.org"])],
        &routes,
    );
    let first = written(File::Accounts, "", &index, &routes);
    assert_eq!(first.text, ours("bob@x.org|{X}1\nalice@x.org|{X}2\n"));
    assert_eq!(first.left_out, 0);
    let second = written(File::Accounts, &first.text, &index, &routes);
    assert_eq!(second, first);
}

#[test]
fn what_an_administrator_wrote_stays_and_counts() {
    let routes = Routes::new();
    let index = index(
        [account(1, &["bob@x.org"]), account(2, &["alice@x.org"])],
        &routes,
    );
    let theirs = "# mine\nBob@x.org|{SHA512-CRYPT}$6$x|extra\npostmaster@x.org|y";
    let first = written(File::Accounts, theirs, &index, &routes);
    assert_eq!(
        first.text,
        format!("{theirs}\n{}", ours("alice@x.org|{X}1\n"))
    );
    // A password that was set for an account of ours, and a line added behind.
    let set = first.text.replace("{X}1", "{SHA512-CRYPT}$6$z") + "carol@x.org|c\n";
    let second = written(File::Accounts, &set, &index, &routes);
    assert_eq!(second.text, set);
}

#[test]
fn who_is_gone_goes_and_nothing_of_ours_is_left_where_there_is_nobody() {
    let routes = Routes::new();
    let everybody = index([account(1, &["bob@x.org"])], &routes);
    let nobody = index([], &routes);
    for theirs in ["", "carol@x.org|c\n"] {
        let first = written(File::Accounts, theirs, &everybody, &routes);
        let second = written(File::Accounts, &first.text, &nobody, &routes);
        assert_eq!(second.text, theirs);
    }
}

#[test]
fn a_file_that_was_cut_short_loses_nothing_of_an_administrator_s() {
    let routes = Routes::new();
    let nobody = index([], &routes);
    let cut = format!("{BEGIN}\nbob@x.org|1\ncarol@x.org|c\n");
    let found = written(File::Accounts, &cut, &nobody, &routes);
    assert_eq!(found.text, "bob@x.org|1\ncarol@x.org|c\n");
}

#[test]
fn aliases_lists_forwarding_and_catch_alls_are_lines() {
    let mut routes = Routes::new();
    routes.add_list(List {
        source: SOURCE,
        group: "Staff".to_owned(),
        address: address("staff@x.org"),
        may_members_send: false,
    });
    routes.add_catch_all("x.org", address("bob@x.org"));
    let mut carol = account(3, &["carol@y.org"]);
    carol.forwarding = vec![address("carol@elsewhere.example")];
    let accounts = [
        account(1, &["bob@x.org", "b@x.org"]),
        account(2, &["al@y.org", "al2@y.org"]),
        carol,
    ];
    let index = index(accounts, &routes);
    let found = written(File::Aliases, "b@x.org mine@x.org\n", &index, &routes);
    let expected = "@x.org bob@x.org\n\
                    al2@y.org al@y.org\n\
                    bob@x.org bob@x.org\n\
                    carol@y.org carol@y.org,carol@elsewhere.example\n\
                    staff@x.org bob@x.org,al@y.org,carol@y.org\n";
    assert_eq!(
        found.text,
        format!("b@x.org mine@x.org\n{}", ours(expected))
    );
}

#[test]
fn quotas_are_in_bytes_and_nobody_has_another_s() {
    let routes = Routes::new();
    let with = |number, text: &str, quota| Account {
        quota,
        ..account(number, &[text])
    };
    let all = [
        with(1, "abob@x.org", Some(1 << 30)),
        with(2, "bob@x.org", None),
        with(3, "a-b@x.org", Some(5)),
        with(4, "a.b@x.org", Some(6)),
    ];
    let found = written(File::Quotas, "", &index(all, &routes), &routes);
    let expected = "a.b@x.org:6B\na-b@x.org:5B\nbob@x.org:\nabob@x.org:1073741824B\n";
    assert_eq!(found.text, ours(expected));
    let nobody = index([with(2, "bob@x.org", None)], &routes);
    assert_eq!(written(File::Quotas, "", &nobody, &routes).text, "");
}

/// Scripts that run as root read these lines.
#[test]
fn a_name_that_means_something_to_a_script_is_left_out_and_counted() {
    let routes = Routes::new();
    let hostile = [
        "a|b@x.org",
        "$x@x.org",
        "`id`@x.org",
        "o'brien@x.org",
        "#a@x.org",
        "a&b@x.org",
        "{a}@x.org",
        "-rf@x.org",
        "a%b@x.org",
        "j\u{f6}rg@x.org",
        "a*@x.org",
    ];
    // Some are no addresses for accounts either.
    let accepted: Vec<&str> = hostile
        .into_iter()
        .filter(|text| Address::parse(text).is_ok())
        .collect();
    assert!(accepted.len() > 6, "{accepted:?}");
    let accounts = (1..).zip(&accepted).map(|(number, text)| {
        let mut account = account(number, &[text, &format!("plain{number}@x.org")]);
        account.quota = Some(1);
        account
    });
    let index = index(accounts, &routes);
    for file in File::ALL {
        let found = written(file, "", &index, &routes);
        assert_eq!(found.text, "", "{file:?}");
        assert_eq!(found.left_out, accepted.len(), "{file:?}");
    }
}

#[test]
fn who_may_not_log_in_gets_mail_unless_that_is_refused() {
    for refuses_inactive in [false, true] {
        let mut routes = Routes::new();
        routes.refuses_inactive = refuses_inactive;
        let mut bob = account(1, &["bob@x.org"]);
        bob.active = false;
        let index = index([bob], &routes);
        let found = written(File::Accounts, "", &index, &routes);
        assert_eq!(found.text.is_empty(), refuses_inactive);
    }
}
