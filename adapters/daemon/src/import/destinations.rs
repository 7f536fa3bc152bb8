//! Tokens, passwords and secrets go nowhere where Dovecot did not send them.

use std::fs;
use std::path::Path;

use super::import;
use crate::config::Config;

/// What a `dovecot.conf` of 2.3 becomes whose two databases hold `tokens` and `passwords`.
#[track_caller]
fn two(tokens: &str, passwords: &str) -> (String, toml::Table) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let passwords = format!("use_grant_password = yes\n{passwords}");
    fs::write(at("token.ext"), tokens).unwrap();
    fs::write(at("plain.ext"), passwords).unwrap();
    let passdb = |mechanisms, name| {
        let path = at(name);
        format!("passdb {{\n  driver = oauth2\n  mechanisms = {mechanisms}\n  args = {path}\n}}\n")
    };
    let text = format!(
        "auth_mechanisms = plain login oauthbearer xoauth2\n{}{}",
        passdb("oauthbearer xoauth2", "token.ext"),
        passdb("plain login", "plain.ext")
    );
    one(&text)
}

#[track_caller]
fn one(text: &str) -> (String, toml::Table) {
    let written = import(Path::new("dovecot.conf"), text).unwrap();
    if let Err(fault) = Config::parse(&written) {
        panic!("{fault:?}\n{written}");
    }
    let table: toml::Table = toml::from_str(&written).unwrap();
    assert_eq!(table["provider"].as_array().unwrap().len(), 1, "{written}");
    let provider = table["provider"][0].as_table().unwrap().clone();
    (written, provider)
}

/// Each of `words` is in a remark.
#[track_caller]
fn says(written: &str, words: &[&str]) {
    let remarks = written.lines().filter(|line| line.starts_with('#'));
    let remarks: Vec<&str> = remarks.collect();
    for word in words {
        let has = remarks.iter().any(|remark| remark.contains(word));
        assert!(has, "no {word} in\n{written}");
    }
}

const AT_A: &str = "introspection_url = https://a.example/i\nintrospection_mode = post\n\
                    client_id = at-a\nclient_secret = secret-of-a\n";
const AT_B: &str =
    "grant_url = https://b.example/token\nclient_id = at-b\nclient_secret = secret-of-b\n";

#[test]
fn passwords_of_another_provider_stay_in_dovecot() {
    let tokeninfo = "tokeninfo_url = https://b.example/tokeninfo?access_token=\n";
    let (written, provider) = two(AT_A, &format!("{AT_B}{tokeninfo}"));
    for key in ["tokeninfo_url", "grant_url"] {
        assert!(!provider.contains_key(key), "{key} in\n{written}");
    }
    assert_eq!(provider["client_id"].as_str(), Some("at-a"));
    assert!(!written.contains("secret-of-b"), "{written}");
    says(
        &written,
        &[
            "plain.ext, line 2, grant_url = https://b.example/token: not taken over",
            "tokeninfo_url = https://b.example/tokeninfo",
            "client_id = at-b: ",
            "client_secret = (not shown): ",
        ],
    );
}

#[test]
fn rules_of_passwords_judge_no_tokens() {
    let userinfo = "introspection_url = https://a.example/u\nintrospection_mode = auth\n";
    for rule in [
        "active_attribute = active\nactive_value = true\n",
        "scope = mail\n",
        "username_attribute = sub\n",
        "tls_ca_cert_file = /etc/ca.pem\n",
        "introspection_url = https://a.example/i\nintrospection_mode = post\n",
    ] {
        let grant = AT_B.replace("b.example", "a.example");
        let (written, provider) = two(userinfo, &format!("{userinfo}{grant}{rule}"));
        let keys = [
            "active_attribute",
            "scopes",
            "ca_file",
            "grant_url",
            "client_id",
        ];
        for key in keys {
            assert!(!provider.contains_key(key), "{key} in\n{written}");
        }
        assert_eq!(provider["introspection_mode"].as_str(), Some("auth"));
        assert_eq!(provider["username_claims"][0].as_str(), Some("email"));
        for line in rule.lines() {
            says(&written, &[line]);
        }
    }
}

#[test]
fn what_a_passdb_of_2_4_has_of_its_own_is_no_tokens() {
    let (written, provider) = one(
        "dovecot_config_version = 2.4.1\noauth2 {\n  introspection_url = https://a.example/u\n  \
         introspection_mode = auth\n}\npassdb oauth2 {\n  oauth2_grant_url = https://b.example/token\n  \
         oauth2_client_id = b\n  oauth2_client_secret = secret-of-b\n  \
         oauth2_tokeninfo_url = https://b.example/ti?access_token=\n  oauth2_active_attribute = active\n  \
         oauth2_scope = mail\n}\n",
    );
    let keys = [
        "tokeninfo_url",
        "grant_url",
        "client_id",
        "active_attribute",
        "scopes",
    ];
    for key in keys {
        assert!(!provider.contains_key(key), "{key} in\n{written}");
    }
    assert!(!written.contains("secret-of-b"), "{written}");
    says(
        &written,
        &[
            "grant_url = https://b.example/token: not taken over",
            "tokeninfo_url = https://b.example/ti",
            "active_attribute = active: ",
            "scope = { mail = yes }: ",
        ],
    );
}

/// Where both databases ask the same provider in the same way, one provider does what both did.
#[test]
fn passwords_of_the_same_provider_are_taken_over() {
    let userinfo = "introspection_url = https://a.example/u\n";
    let grant = AT_B.replace("b.example", "a.example");
    let (written, provider) = two(userinfo, &format!("{userinfo}{grant}debug = yes\n"));
    assert_eq!(
        provider["grant_url"].as_str(),
        Some("https://a.example/token"),
        "{written}"
    );
    assert_eq!(provider["client_id"].as_str(), Some("at-b"));
    // The default is no difference.
    let (written, provider) = two(
        userinfo,
        &format!("{userinfo}{grant}introspection_mode = auth\nusername_attribute = email\n"),
    );
    assert!(provider.contains_key("grant_url"), "{written}");
}

/// Dovecot's later versions show `client_secret` to `grant_url` alone.
#[test]
fn a_secret_for_passwords_is_not_shown_to_another_host() {
    let text = format!(
        "{AT_B}use_grant_password = yes\nintrospection_url = https://a.example/i\nintrospection_mode = post\n"
    );
    let (written, provider) = one(&text);
    for key in ["grant_url", "client_id", "client_secret"] {
        assert!(!provider.contains_key(key), "{key} in\n{written}");
    }
    says(
        &written,
        &["client_id = at-b", "grant_url = https://b.example/token"],
    );
}

/// Credentials in a URL are that endpoint's, and `client_id` is `grant_url`'s.
#[test]
fn each_secret_stays_where_it_went() {
    let asked = "introspection_url = https://dovecot:url-secret@a.example/introspect\n\
                 introspection_mode = post\n";
    let granted = "grant_url = https://a.example/token\nuse_grant_password = yes\n\
                   client_id = grant-client\nclient_secret = grant-secret\n";
    for text in [format!("{asked}{granted}"), format!("{granted}{asked}")] {
        let (written, provider) = one(&text);
        assert_eq!(provider["client_id"].as_str(), Some("dovecot"), "{written}");
        assert_eq!(provider["client_secret"].as_str(), Some("url-secret"));
        assert!(!provider.contains_key("grant_url"), "{written}");
        assert!(!provider.contains_key("client_place"), "{written}");
        assert!(!written.contains("grant-secret"), "{written}");
        says(
            &written,
            &[
                "grant_url = https://a.example/token: not taken over",
                "client_id = grant-client: not taken over",
                "client_secret = (not shown): not taken over",
            ],
        );
    }
}

#[test]
fn credentials_in_one_url_are_not_shown_to_another() {
    let asked = "introspection_url = https://dovecot:url-secret@a.example/introspect\n\
                 introspection_mode = post\nuse_grant_password = yes\n";
    for grant in [
        "grant_url = https://b.example/token\n",
        "grant_url = https://at-b:secret-of-b@b.example/token\n",
    ] {
        let (written, provider) = one(&format!("{asked}{grant}"));
        assert_eq!(provider["client_id"].as_str(), Some("dovecot"), "{written}");
        assert!(!provider.contains_key("grant_url"), "{written}");
        assert!(!written.contains("secret-of-b"), "{written}");
        says(
            &written,
            &["grant_url = https://b.example/token: not taken over"],
        );
    }
    let tokeninfo = "tokeninfo_url = https://at-b:secret-of-b@b.example/ti?access_token=\n\
                     introspection_url = https://a.example/introspect\nintrospection_mode = post\n";
    let (written, provider) = one(tokeninfo);
    assert!(!provider.contains_key("client_id"), "{written}");
    assert!(!written.contains("secret-of-b"), "{written}");
    says(&written, &["tokeninfo_url = https://b.example/ti"]);
}

/// Where each URL has the same credentials, or `client_id` is also those, nothing is lost.
#[test]
fn the_same_credentials_everywhere_are_one_client() {
    let text = "introspection_url = https://me:mine@a.example/introspect\nintrospection_mode = post\n\
                grant_url = https://a.example/token\nuse_grant_password = yes\nclient_id = me\n\
                client_secret = mine\n";
    let (written, provider) = one(text);
    assert_eq!(provider["client_id"].as_str(), Some("me"), "{written}");
    assert!(provider.contains_key("grant_url"), "{written}");
}
