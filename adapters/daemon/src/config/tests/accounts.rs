//! `[accounts]`: what its tables must not say, each with its line.

use super::*;

/// A whole configuration with these lines under `[accounts]`, and these tables behind it.
fn with_accounts(lines: &str, tables: &str) -> String {
    format!("{ACCOUNTS}{lines}\n{tables}\n{LISTENER}{PROVIDER}")
}

const PUSHING: &str = "[[accounts.source]]\nname = \"idp\"\ndomains = \"example.com\"\n\
                       public_url = \"https://mail.example.com/scim/idp/v2\"\n";

#[track_caller]
fn check(lines: &str, tables: &str, expected: &str) {
    let message = refuse(&with_accounts(lines, tables));
    assert!(message.contains(expected), "{message:?} lacks {expected:?}");
}

#[test]
fn accounts_as_an_administrator_writes_them() {
    let lines = "listen = \"tcp:127.0.0.1:9082\"\nuid = 5000\nhome = \"/var/vmail/%{id}\"\n\
                 catch_all = { \"example.com\" = \"Postmaster@Example.com\" }\ndisabled_mail = \"refuse\"";
    let text = with_accounts(lines, &format!("{PUSHING}{ADMINISTRATOR}{LIST}"));
    let config = Config::parse(&text)
        .map_err(|faults| faults.in_file(Path::new("x"), &text).to_string())
        .unwrap();
    assert_eq!(config.looser_words(), Vec::<String>::new());
    let accounts = config.accounts.unwrap();
    assert!(accounts.refuses_disabled());
    let catch_alls: Vec<_> = accounts.catch_alls().collect();
    assert_eq!(catch_alls[0].1.as_str(), "postmaster@example.com");
    let fields = accounts.common().unwrap().of("a@x", "1-2");
    let fields: Vec<_> = fields
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect();
    assert_eq!(fields, [("uid", "5000"), ("home", "/var/vmail/1-2")]);
}

#[test]
fn a_source_is_named_so_that_a_url_can_hold_it() {
    let named = |name: &str| format!("[[accounts.source]]\nname = \"{name}\"\ndomains = \"x\"\n");
    for name in ["", "A", "a b", "../x", "a/b", "\u{e9}", &"a".repeat(65)] {
        check(
            "",
            &named(name),
            "gatepost.toml:5: name: write a name of 1 to 64",
        );
    }
    check(
        "",
        &format!("{}{}", named("a"), named("a")),
        "gatepost.toml:8: source: another one has this name",
    );
    check(
        "",
        "",
        "gatepost.toml:1: accounts: nobody provisions accounts",
    );
    check(
        "",
        "[[accounts.source]]\nname = \"a\"\ndomains = []\n",
        "gatepost.toml:6: source: write domains",
    );
    check(
        "",
        "[[accounts.source]]\nname = \"a\"\n",
        "gatepost.toml:4: domains: it is missing here",
    );
}

#[test]
fn accounts_are_pushed_only_where_somebody_listens() {
    check(
        "",
        PUSHING,
        "gatepost.toml:7: source: it has nowhere to push accounts to",
    );
    check(
        "listen = \"tcp:127.0.0.1:9082\"",
        ADMINISTRATOR,
        "accounts: listen is for sources that push accounts",
    );
    check(
        "listen = \"unix:/x\"",
        PUSHING,
        "gatepost.toml:3: accounts: write \"tcp:host:port\"",
    );
    for url in ["https://x/", "https://x/v2?a=b"] {
        let source = PUSHING.replace("https://mail.example.com/scim/idp/v2", url);
        check(
            "listen = \"tcp:127.0.0.1:9082\"",
            &source,
            "source: public_url has no query and no slash at its end",
        );
    }
    let http = "[http]\nlisten = \"tcp:127.0.0.1:9082\"\n";
    check(
        "listen = \"tcp:127.0.0.1:9082\"",
        &format!("{PUSHING}{http}"),
        "gatepost.toml:3: [accounts] tcp:127.0.0.1:9082 and [http] tcp:127.0.0.1:9082 share an address",
    );
}

#[test]
fn a_list_is_a_group_of_a_source_with_an_address_of_its_own() {
    check(
        "",
        &format!("{ADMINISTRATOR}{}", LIST.replace("\"local\"", "\"other\"")),
        "gatepost.toml:8: list: there is no [[accounts.source]] with name = \"other\"",
    );
    check(
        "",
        &format!("{ADMINISTRATOR}{LIST}{LIST}"),
        "list: another one has this address",
    );
    check(
        "",
        &format!(
            "{ADMINISTRATOR}{}",
            LIST.replace("staff@example.com", "staff")
        ),
        "gatepost.toml:10: address: write an address",
    );
    let list = |address: &str| LIST.replace("staff@example.com", address);
    for address in ["staff@example.net", "staff@sub.example.com"] {
        check(
            "",
            &format!("{ADMINISTRATOR}{PUSHING}{}", list(address)),
            "gatepost.toml:14: list: the source \"local\" gives no addresses in this domain; add it to its domains",
        );
    }
    let text = with_accounts("", &format!("{ADMINISTRATOR}{}", list("Staff@EXAMPLE.com")));
    assert!(Config::parse(&text).is_ok());
}

#[test]
fn fields_and_ids_are_where_they_belong() {
    check(
        "fields = { home = \"/h\" }",
        ADMINISTRATOR,
        "gatepost.toml:3: accounts: uid, gid and home are keys of their own",
    );
    check("home = \"%{nobody}\"", ADMINISTRATOR, "write text with %u");
    check(
        "catch_all = { \"example.com\" = \"x\" }",
        ADMINISTRATOR,
        "catch_all",
    );

    let message = refuse(&with("users", "home = \"/h/%{id}\""));
    assert!(
        message.contains("only the users of [accounts] have a %{id}"),
        "{message}"
    );
}

#[test]
fn accounts_are_users_that_listeners_can_be_asked_about() {
    for protocol in ["master", "socketmap"] {
        let text =
            format!("{LISTENER}protocol = \"{protocol}\"\n{PROVIDER}{ACCOUNTS}{ADMINISTRATOR}");
        assert!(Config::parse(&text).is_ok(), "{protocol}");
    }
    let alone = "[accounts]\ndatabase = \"/a\"\nlisten = \"tcp:127.0.0.1:9082\"\n";
    assert!(Config::parse(&format!("{alone}{PUSHING}{PROVIDER}")).is_ok());
    let silent = refuse(&format!("{ACCOUNTS}{ADMINISTRATOR}{PROVIDER}"));
    assert!(silent.contains("nowhere to listen"), "{silent}");
}

#[test]
fn every_source_names_the_provider_whose_tokens_open_its_accounts() {
    let second = "[[provider]]\nname = \"second\"\nissuer = \"https://second.example.com\"\naudience = \"mail\"\n";
    let source = |line: &str| {
        format!("[[accounts.source]]\nname = \"idp\"\ndomains = \"example.com\"\n{line}\n")
    };
    check(
        "",
        &format!("{}{second}", source("")),
        "source: write provider = \"..\", the name of the [[provider]]",
    );
    check(
        "",
        &source("provider = \"nobody\""),
        "gatepost.toml:7: source: there is no [[provider]] of this name",
    );
    let text = with_accounts("", &format!("{}{second}", source("provider = \"second\"")));
    assert!(Config::parse(&text).is_ok());
    // Where there is one provider, it is that.
    assert!(Config::parse(&with_accounts("", &source(""))).is_ok());
}

#[test]
fn who_logs_in_with_less_than_an_account_of_his_is_named_in_the_log() {
    let source =
        "[[accounts.source]]\nname = \"idp\"\ndomains = \"example.com\"\njoin = \"address\"\n";
    for (word, said) in [
        ("allow", "without an account"),
        ("create", "makes an account"),
    ] {
        let lines = format!("unknown = \"{word}\"\nlogin_names = \"addresses\"");
        let config = Config::parse(&with_accounts(&lines, source)).unwrap();
        let words = config.looser_words();
        assert!(words[0].contains(said), "{words:?}");
        assert!(words[1].contains("under aliases"), "{words:?}");
        assert!(words[2].starts_with("source idp: join"), "{words:?}");
    }
    check(
        "unknown = \"x\"",
        source,
        "write \"refuse\", \"allow\" or \"create\"",
    );
}

#[test]
fn a_source_s_own_tokens_have_an_audience_and_subjects_of_their_own() {
    let source = |line: &str| {
        format!("[[accounts.source]]\nname = \"idp\"\ndomains = \"example.com\"\n{line}\n")
    };
    for (line, expected) in [
        ("token_audience = \"scim\"", "belong together"),
        ("token_subjects = [\"x\"]", "belong together"),
        ("token_provider = \"p\"", "token_provider is for"),
        (
            "token_provider = \"q\"\ntoken_audience = \"scim\"\ntoken_subjects = [\"x\"]",
            "there is no [[provider]] of this name",
        ),
        (
            "token_audience = \"mail\"\ntoken_subjects = [\"x\"]",
            "mail users' tokens are minted for it",
        ),
    ] {
        check("", &source(line), expected);
    }
    // The audience of another client's mail users in the same realm.
    let realm =
        "[[provider]]\nname = \"groupware\"\nissuer = \"https://i\"\naudience = \"groupware\"\n";
    let of_sibling = "provider = \"p\"\ntoken_audience = \"groupware\"\ntoken_subjects = [\"x\"]";
    check(
        "",
        &format!("{}{realm}", source(of_sibling)),
        "mail users' tokens are minted for it",
    );
    let good = "token_audience = \"scim\"\ntoken_subjects = [\"x\"]";
    assert!(Config::parse(&with_accounts("", &source(good))).is_ok());
}

#[test]
fn a_certificate_has_its_key_and_a_listener() {
    let pushing = format!("{PUSHING}{ADMINISTRATOR}{LIST}");
    for (lines, expected) in [
        (
            "listen = \"tcp:127.0.0.1:9082\"\ncertificate = \"/c\"",
            "certificate and certificate_key belong together",
        ),
        (
            "certificate = \"/c\"\ncertificate_key = \"/k\"",
            "certificate is for what listens",
        ),
    ] {
        check(lines, &pushing, expected);
    }
    let lines = "listen = \"tcp:0.0.0.0:9082\"\nallow_remote = true\ncertificate = \"/c\"\ncertificate_key = \"/k\"";
    let config = Config::parse(&with_accounts(lines, &pushing)).unwrap();
    let words = config.looser_words().join("\n");
    assert!(!words.contains("in clear"), "{words}");
}

/// The page of docker-mailserver puts one behind the other.
#[test]
fn docker_mailserver_s_example_is_a_configuration() {
    let text = [
        include_str!("../../../../../examples/docker-mailserver/gatepost.toml"),
        include_str!("../../../../../examples/docker-mailserver/accounts.toml"),
    ]
    .concat();
    let files = text.replace(
        "[accounts]\n",
        "[accounts]\ndocker_mailserver = \"/config\"\n",
    );
    for (text, directory) in [(text, None), (files, Some(Path::new("/config")))] {
        let config = Config::parse(&text)
            .map_err(|faults| faults.in_file(Path::new("x"), &text).to_string())
            .unwrap();
        assert_eq!(config.accounts.unwrap().docker_mailserver(), directory);
    }
}

#[test]
fn a_provider_is_pulled_into_a_source_of_its_own() {
    let config = Config::parse(&with_accounts("", &format!("{ADMINISTRATOR}{PULL}"))).unwrap();
    assert_eq!(config.looser_words(), Vec::<String>::new());
    let accounts = config.accounts.unwrap();
    let settings = accounts.pulls[0].settings();
    assert_eq!(settings.every.as_secs(), 300);
    assert_eq!(settings.max_deleted_percent, 50);

    check(
        "",
        PULL,
        "gatepost.toml:5: pull: there is no [[accounts.source]] with name = \"local\"",
    );
    check(
        "",
        &format!("{ADMINISTRATOR}{PULL}{PULL}"),
        "pull: another one has this source",
    );
    check(
        "listen = \"tcp:127.0.0.1:9082\"",
        &format!("{PUSHING}{}", PULL.replace("local", "idp")),
        "pull: this source pushes accounts, and would delete what is pulled",
    );
    for (was, is, expected) in [
        (
            "/v2\"",
            "/v2/\"",
            "pull: url has no query and no slash at its end",
        ),
        (
            "/v2\"",
            "/v2?a=b\"",
            "pull: url has no query and no slash at its end",
        ),
        ("https:", "http:", "pull: the secret would travel in clear"),
        (
            "\"/s\"",
            "\"/s\"\nevery = \"0s\"",
            "every: \"0s\" is out of bounds",
        ),
        (
            "\"/s\"",
            "\"/s\"\nidentity = \"sub\"",
            "write \"external_id\" or \"id\"",
        ),
        (
            "secret_file = \"/s\"\n",
            "",
            "secret_file: it is missing here",
        ),
        (
            "secret_file = \"/s\"\n",
            "token_url = \"https://id.example.com/token\"\nclient_id = \"c\"\n",
            "pull: token_url, client_id and client_secret_file belong together",
        ),
        (
            "\"/s\"",
            "\"/s\"\ntoken_url = \"https://i/t\"\nclient_id = \"c\"\nclient_secret_file = \"/c\"",
            "pull: secret_file and token_url exclude each other",
        ),
        (
            "\"/s\"",
            "\"/s\"\nscope = \"users\"",
            "pull: scope is for token_url",
        ),
        (
            "secret_file = \"/s\"\n",
            "token_url = \"http://i/t\"\nclient_id = \"c\"\nclient_secret_file = \"/c\"\n",
            "pull: the secret would travel in clear",
        ),
    ] {
        check(
            "",
            &format!("{ADMINISTRATOR}{}", PULL.replace(was, is)),
            expected,
        );
    }
    let loose = PULL.replace("https:", "http:") + "allow_http = true\nmax_deleted_percent = 100\n";
    let config = Config::parse(&with_accounts("", &format!("{ADMINISTRATOR}{loose}"))).unwrap();
    let words = config.looser_words();
    assert!(words[0].contains("travel in clear"), "{words:?}");
    assert!(words[1].contains("max_deleted_percent = 100"), "{words:?}");
}

const KEY: &str = "app_password_key = \"/etc/gatepost/app-password.key\"\n";

#[test]
fn passwords_are_required_and_restricted_as_an_administrator_writes_it() {
    let origins = "[[accounts.passwords_from]]\nnetworks = \"10.9.0.0/16\"\nservices = \"smtp\"\n\
                   [[accounts.passwords_from]]\nusers = \"Scanner@example.com\"\n";
    let lines = format!("{KEY}require_app_passwords = [\"imap\", \"sieve\"]");
    let text = with_accounts(&lines, &format!("{ADMINISTRATOR}{origins}"));
    let accounts = Config::parse(&text).unwrap().accounts.unwrap();
    let required = accounts.required_app_passwords();
    assert!(required.holds("imap") && required.holds("managesieve"));
    assert!(!required.holds("smtp") && !required.holds("doveadm"));
    let takes = |user, service, address: Option<&str>| {
        let address = address.map(|address| address.parse().unwrap());
        accounts.takes_passwords(user, service, address)
    };
    let (office, home) = (Some("::ffff:10.9.1.1"), Some("192.0.2.1"));
    assert!(takes(None, "submission", office));
    assert!(!takes(None, "imap", office) && !takes(None, "smtp", home));
    assert!(!takes(None, "smtp", None));
    assert!(takes(Some("scanner@EXAMPLE.com"), "imap", home));
    assert!(!takes(Some("alice@example.com"), "imap", home));
    let all = with_accounts(&format!("{KEY}require_app_passwords = true"), ADMINISTRATOR);
    let accounts = Config::parse(&all).unwrap().accounts.unwrap();
    assert!(accounts.required_app_passwords().holds("doveadm"));
    assert!(accounts.takes_passwords(None, "imap", None));
}

#[test]
fn what_would_leave_nobody_a_password_or_everybody_is_refused() {
    for (lines, tables, expected) in [
        ("require_app_passwords = true", "", "write app_password_key"),
        ("app_password_key = \"key\"", "", "write an absolute path"),
        (
            "require_app_passwords = [\"imaps\"]",
            "",
            "write \"imap\", \"pop3\", \"smtp\" or \"sieve\"",
        ),
        ("require_app_passwords = 1", "", "write true, or a list"),
        (
            "",
            "[[accounts.passwords_from]]\n",
            "name networks, users or services",
        ),
    ] {
        check(lines, &format!("{ADMINISTRATOR}{tables}"), expected);
    }
}
