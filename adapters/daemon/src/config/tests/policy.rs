//! What an administrator can write about tokens, and what it comes to.

use gatepost_tokio::ProviderSettings;

use super::*;

/// The settings of the provider with `lines`, whose issuer is part of them.
#[track_caller]
fn settings(lines: &str) -> ProviderSettings {
    let text = format!(
        "listen = \"tcp:127.0.0.1:1\"\n[[provider]]\nname = \"p\"\naudience = \"mail\"\n{lines}\n"
    );
    let config = Config::parse(&text).unwrap_or_else(|fault| {
        panic!("{}", fault.in_file(Path::new("gatepost.toml"), &text));
    });
    config.providers[0].settings().unwrap()
}

/// How a faulty line is refused.
#[track_caller]
fn refused(lines: &str, expected: &str) {
    let text = format!(
        "listen = \"tcp:127.0.0.1:1\"\n[[provider]]\nname = \"p\"\naudience = \"mail\"\n{lines}\n"
    );
    let fault = Config::parse(&text).expect_err(lines);
    let shown = fault.in_file(Path::new("gatepost.toml"), &text).to_string();
    assert!(shown.contains(expected), "{lines}\n{shown}");
}

const ISSUER: &str = "issuer = \"https://id.example.com\"\n";

fn one(name: &str, values: &[&str]) -> (String, Vec<String>) {
    let values = values.iter().map(|&value| value.to_owned());
    (name.to_owned(), values.collect())
}

/// J16
#[test]
fn a_name_is_made_of_claims() {
    let template = "%{preferred_username}@example.com";
    let found = settings(&format!("{ISSUER}username = \"{template}\""));
    assert_eq!(found.username_claims, [template]);
    let found = settings(&format!(
        "{ISSUER}username = [\"%{{email | username}}\", \"upn\"]"
    ));
    assert_eq!(found.username_claims, ["%{email | username}", "upn"]);
    refused(
        &format!("{ISSUER}username = \"email\"\nusername_claims = [\"sub\"]"),
        "write one of the two",
    );
}

#[test]
fn a_provider_that_no_url_names_has_to_be_named() {
    let provider = |lines: &str| {
        format!("listen = \"tcp:127.0.0.1:1\"\n[[provider]]\naudience = \"mail\"\n{lines}\n")
    };
    for lines in [
        "any_issuer = true\nkeys = \"/k\"",
        "issuer = \"https:///p\"",
    ] {
        let text = provider(lines);
        let fault = Config::parse(&text).expect_err(lines);
        let shown = fault.in_file(Path::new("gatepost.toml"), &text).to_string();
        assert!(
            shown.contains("provider: none of its URLs has a host"),
            "{lines}\n{shown}"
        );
    }
    let text = provider("any_issuer = true\nkey_set_url = \"https://id.example.com/keys\"");
    assert_eq!(
        Config::parse(&text).unwrap().providers[0].name(),
        "id.example.com"
    );
}

#[test]
fn a_template_is_checked_wherever_it_stands() {
    for key in ["username", "username_claims"] {
        for (template, sentence) in [
            ("%{email", "a %{ lacks its closing }; write it as in %{"),
            ("%{email | upper}", "after | write username or domain"),
            ("%{}@example.com", "it names no claim: write one such as %{"),
            ("%{sub}\\n", "holds no control characters"),
        ] {
            for value in [
                format!("\"{template}\""),
                format!("[\"sub\", \"{template}\"]"),
            ] {
                let expected = format!("gatepost.toml:6: {key}: ");
                let line = format!("{ISSUER}{key} = {value}");
                refused(&line, &expected);
                refused(&line, sentence);
            }
        }
    }
    // Elsewhere claims are named as they are.
    for line in [
        "active_attribute = \"%{active}\"",
        "delegates_claim = \"%{mailboxes}\"\ndomains = \"example.com\"",
        "require = { \"%{groups}\" = \"mail\" }",
    ] {
        refused(
            &format!("{ISSUER}{line}"),
            "write the claim's name without %{ }",
        );
    }
}

/// J15
#[test]
fn a_requirement_may_be_met_by_any_of_several_values() {
    let found = settings(&format!(
        "{ISSUER}require = {{ groups = [\"mail\", \"staff\"], acr = \"gold\" }}"
    ));
    let expected = [one("acr", &["gold"]), one("groups", &["mail", "staff"])];
    assert_eq!(found.required, expected);
    refused(
        &format!("{ISSUER}require = {{ groups = [] }}"),
        "name one value at least",
    );
}

#[test]
fn entra_has_tenants_each_with_domains_of_its_own() {
    let issuer = "issuer = \"https://login.microsoftonline.com/{tenantid}/v2.0\"\n";
    let tenants = "tenants = { aaaa = [\"a.example\"], bbbb = [\"b.example\", \"c.example\"] }\n";
    let names = "username = \"preferred_username\"\n";
    let found = settings(&format!("{issuer}{tenants}{names}"));
    let expected = [
        one("aaaa", &["a.example"]),
        one("bbbb", &["b.example", "c.example"]),
    ];
    assert_eq!(found.tenants, expected);
    for (lines, sentence) in [
        (format!("{issuer}{names}"), "name its tenants"),
        (format!("{ISSUER}{tenants}{names}"), "{tenantid}"),
        (
            format!("{issuer}tenants = {{ aaaa = [] }}\n{names}"),
            "name its domains",
        ),
        (
            format!("{issuer}{tenants}username_claims = [\"email\"]"),
            "email names nobody across tenants",
        ),
        (
            format!("{issuer}{tenants}username = \"%{{email}}\""),
            "email names nobody across tenants",
        ),
        (
            format!("{issuer}{tenants}{names}domains = [\"d.example\"]"),
            "each tenant has domains of its own",
        ),
    ] {
        refused(&lines, sentence);
    }
}

#[test]
fn the_type_of_access_tokens_may_be_required() {
    assert!(settings(&format!("{ISSUER}require_type = \"at+jwt\"")).require_type);
    assert!(!settings(ISSUER).require_type);
    refused(&format!("{ISSUER}require_type = \"JWT\""), "at+jwt");
}

/// J6
#[test]
fn an_unverified_address_takes_a_word_which_is_named() {
    let lines = format!("{ISSUER}username_claims = [\"email\"]\nunverified_email = true");
    assert!(settings(&lines).unverified_email);
    assert!(!settings(ISSUER).unverified_email);
    let text = format!("listen = \"tcp:127.0.0.1:1\"\n[[provider]]\naudience = \"mail\"\n{lines}");
    let words = Config::parse(&text).unwrap().looser_words();
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].contains("unverified_email = true"), "{words:?}");
}

#[test]
fn delegates_log_in_as_others_within_the_providers_domains() {
    let lines = "domains = [\"example.com\"]\ndelegates = { \"alice@example.com\" = \
                 [\"info@example.com\"] }\ndelegates_claim = \"mailboxes\"\n";
    let found = settings(&format!("{ISSUER}{lines}"));
    assert_eq!(
        found.delegates,
        [one("alice@example.com", &["info@example.com"])]
    );
    assert_eq!(found.delegates_claim.as_deref(), Some("mailboxes"));
    for lines in [
        "delegates = { a = [\"b\"] }",
        "delegates_claim = \"mailboxes\"",
    ] {
        refused(&format!("{ISSUER}{lines}"), "delegates need domains");
    }
}
