//! What administrators write that can never work: each is a fault, and not the reason of every refused login.

use super::*;

/// The one fault of a provider that has `lines`, which begin at line 3, says `expected`.
#[track_caller]
fn check(lines: &str, expected: &str) {
    refused(
        &format!("listen = \"tcp:127.0.0.1:1\"\n[[provider]]\n{lines}\n"),
        expected,
    );
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let Err(faults) = Config::parse(text) else {
        panic!("no fault in\n{text}");
    };
    let shown = faults.in_file(Path::new("x"), text).to_string();
    let told: Vec<&str> = shown
        .lines()
        .filter(|line| line.starts_with("x:"))
        .collect();
    assert!(
        told.len() == 1 && told[0].contains(expected),
        "{expected}\n{shown}"
    );
}

/// What is right beside a mistake is none.
#[track_caller]
fn taken(lines: &str) {
    let text = format!("listen = \"tcp:127.0.0.1:1\"\n[[provider]]\n{lines}\n");
    if let Err(faults) = Config::parse(&text) {
        panic!("{}", faults.in_file(Path::new("x"), &text));
    }
}

const PROVIDER: &str = "issuer = \"https://id.example.com\"\naudience = \"mail\"\n";

#[test]
fn domains_are_domains() {
    let with = |domain: &str| format!("{PROVIDER}domains = [{domain:?}]");
    check(
        &with("@example.com"),
        ":5: domains: write a domain, \"example.com\", without the @",
    );
    check(
        &with("alice@example.com"),
        ":5: domains: write a domain, \"example.com\"",
    );
    check(&with("*.example.com"), ":5: domains: ");
    check(&with("*.example.com"), "name each subdomain");
    taken(&with("example.com"));
    taken(&with("b\u{fc}cher.example"));
    let tenant = "issuer = \"https://login.microsoftonline.com/{tenantid}/v2.0\"\naudience = \"mail\"\n\
                  username = \"preferred_username\"\ntenants = { \"t\" = [\"@example.com\"] }";
    check(tenant, ":6: t: write a domain, \"example.com\"");
}

#[test]
fn a_username_is_made_of_claims() {
    for (name, expected) in [
        ("%u", "write \"preferred_username\""),
        ("%{preferred_username}@%d", "%d"),
        ("%Lu", "%L"),
    ] {
        let line = format!("{PROVIDER}username = {name:?}");
        check(&line, ":5: username: ");
        check(&line, expected);
    }
    taken(&format!("{PROVIDER}username = \"%{{sub}}@example.com\""));
}

/// RFC 6749 section 3.3
#[test]
fn a_scope_holds_no_blank() {
    check(
        &format!("{PROVIDER}scopes = \"openid mail\""),
        ":5: scopes: write [\"openid\", \"mail\"]",
    );
    taken(&format!("{PROVIDER}scopes = [\"openid\", \"mail\"]"));
}

/// Microsoft names the tenant in `iss`, whatever the metadata's address says.
#[test]
fn no_token_is_from_all_tenants() {
    for tenant in ["common", "organizations", "consumers"] {
        for host in ["login.microsoftonline.com", "login.microsoftonline.us"] {
            check(
                &format!("issuer = \"https://{host}/{tenant}/v2.0\"\naudience = \"mail\""),
                &format!(
                    ":3: provider: no token is from {tenant:?}; write \"https://{host}/{{tenantid}}/v2.0\""
                ),
            );
        }
    }
    taken("issuer = \"https://id.example.com/common/v2.0\"\naudience = \"mail\"");
}

#[test]
fn where_clients_find_metadata_is_a_url() {
    refused(
        &format!(
            "listen = \"tcp:127.0.0.1:1\"\n[discovery]\nopenid_configuration = \"id.example.com/x\"\n[[provider]]\n{PROVIDER}"
        ),
        ":3: openid_configuration: write an absolute URL",
    );
}

#[test]
fn a_token_is_appended_to_a_parameter() {
    let with = |url: &str| format!("any_audience = true\ntokeninfo_url = {url:?}");
    let expected = ":4: provider: the token is appended to tokeninfo_url";
    check(&with("https://id.example.com/tokeninfo"), expected);
    check(&with("https://id.example.com"), expected);
    taken(&with("https://id.example.com/tokeninfo?access_token="));
    taken(&with("https://id.example.com/tokeninfo/"));
}

#[test]
fn two_providers_have_two_names() {
    let two = |more: &str| format!("{PROVIDER}[[provider]]\n{PROVIDER}{more}");
    check(
        &two(""),
        ":6: provider: another one is called \"id.example.com\"; write name = \"..\"",
    );
    taken(&two("name = \"other\""));
}

#[test]
fn delegates_are_of_the_providers_domains() {
    let with = |delegates: &str| {
        format!("{PROVIDER}domains = \"example.com\"\ndelegates = {{ {delegates} }}")
    };
    let expected = ":6: provider: delegates: \"info@other.example\" is of none of its domains";
    check(
        &with("\"alice@example.com\" = \"info@other.example\""),
        expected,
    );
    check(
        &with("\"info@other.example\" = \"alice@example.com\""),
        expected,
    );
    check(&with("\"alice\" = \"info@example.com\""), "\"alice\"");
    taken(&with("\"alice@Example.com\" = \"info@example.com\""));
}
