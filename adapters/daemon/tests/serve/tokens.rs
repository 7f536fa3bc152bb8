//! What `gatepost check` and `gatepost doctor` say of a token: claim by claim, and what to do.

mod advice;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::{Behaviour, Page, Stub};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serving::now;

const ISSUER: &str = "https://127.0.0.1:9";

/// An issuer, and a configuration that trusts it.
struct Desk {
    issuer: Issuer,
    root: TempDir,
}

impl Desk {
    /// `words` are what the configuration says of the provider beside its issuer and audience.
    fn new(words: &str) -> Self {
        let (issuer, root) = (Issuer::new(), TempDir::new().unwrap());
        fs::write(root.path().join("jwks.json"), issuer.jwk_set().to_string()).unwrap();
        let desk = Self { issuer, root };
        let keys = desk.path("jwks.json").display().to_string();
        desk.write(&format!(
            "name = \"p\"\nissuer = \"{ISSUER}\"\naudience = \"mail\"\nkeys = \"{keys}\"\n{words}\n"
        ));
        desk
    }

    fn write(&self, provider: &str) {
        let text = format!("listen = \"tcp:127.0.0.1:0\"\n[[provider]]\n{provider}");
        fs::write(self.path("gatepost.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A token whose claims are good but for `changes`.
    fn token(&self, changes: &Value) -> String {
        self.issuer.sign("ES256", &claims(changes))
    }

    /// What `check --config` prints of one token, and its exit code.
    fn check(&self, arguments: &[&str], token: &str) -> (Value, Option<i32>) {
        let (said, code) = self.run("check", arguments, token);
        let object = serde_json::from_str(&said).unwrap_or_else(|_| panic!("JSON: {said}"));
        (object, code)
    }

    fn run(&self, subcommand: &str, arguments: &[&str], token: &str) -> (String, Option<i32>) {
        let config = self.path("gatepost.toml");
        let config = ["--config", config.to_str().unwrap()];
        run(subcommand, &[&config, arguments].concat(), token)
    }
}

fn run(subcommand: &str, arguments: &[&str], input: &str) -> (String, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .arg(subcommand)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that stops before it reads is no failure.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (said, output.status.code())
}

/// Good claims; a change that is `null` leaves one out.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "sub": "1", "aud": ["mail"], "exp": now() + 300, "iat": now(),
                            "email": "alice@example.com", "secret_of_alice": "not for the table"});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    claims
}

/// The row of one claim.
#[track_caller]
fn row<'o>(object: &'o Value, array: &str, claim: &str) -> &'o Value {
    let mut rows = object[array].as_array().into_iter().flatten();
    rows.find(|row| row["claim"] == claim)
        .unwrap_or_else(|| panic!("no {claim} in {object}"))
}

const WORDS: &str = "username_claims = \"email\"\nscopes = \"imap\"\ndomains = \"example.com\"\n\
                     authorized_parties = [\"web\", \"app\"]\nrequire = { \"realm_access.roles\" = \"mail-user\" }\n\
                     active_attribute = \"enabled\"\nactive_value = \"true\"";

/// A6: each claim with what the token says, what the configuration wants, and the verdict.
#[test]
fn every_rule_is_shown_with_both_values() {
    let desk = Desk::new(WORDS);
    let good = json!({"scope": "openid imap", "azp": "app", "enabled": true,
                      "realm_access": {"roles": ["mail-user"]}});
    let (object, code) = desk.check(&[], &desk.token(&good));
    assert_eq!(code, Some(0), "{object}");
    assert_eq!(object["provider"], "p");
    for row in object["claims"].as_array().unwrap() {
        assert_eq!(row["verdict"], "ok", "{row}");
    }
    let text = object.to_string();
    assert!(!text.contains("secret_of_alice"), "{text}");
    let bad = json!({"aud": "web", "exp": now() - 500, "scope": "openid", "azp": "other", "enabled": false,
                     "realm_access": {"roles": ["staff"]}, "email": "alice@example.org"});
    let (object, code) = desk.check(&[], &desk.token(&bad));
    assert_eq!((code, &object["reason"]), (Some(1), &json!("expired")));
    for (claim, says, wants, verdict) in [
        ("exp", "8 minutes ago", "in the future", "expired"),
        ("iss", ISSUER, ISSUER, "ok"),
        ("aud", "web", "mail", "wrong_audience"),
        ("azp", "other", "web or app", "wrong_authorized_party"),
        ("scope", "openid", "imap", "insufficient_scope"),
        (
            "realm_access.roles",
            "staff",
            "mail-user",
            "unmet_requirement",
        ),
        ("enabled", "false", "true", "inactive"),
        ("email", "alice@example.org", "a user", "ok"),
    ] {
        let row = row(&object, "claims", claim);
        assert!(row["says"].as_str().unwrap().contains(says), "{row}");
        assert!(row["wants"].as_str().unwrap().contains(wants), "{row}");
        assert_eq!(row["verdict"], verdict, "{row}");
    }
}

/// A6: what is judged after the claims.
#[test]
fn the_domain_and_who_asks_have_rows_too() {
    let desk =
        Desk::new("username_claims = \"email\"\ndomains = [\"example.com\", \"example.net\"]");
    let (object, _) = desk.check(&[], &desk.token(&json!({"email": "alice@example.org"})));
    let domain = row(&object, "claims", "domain of the user");
    assert_eq!(domain["says"], "alice@example.org");
    assert_eq!(domain["wants"], "example.com or example.net");
    assert_eq!(domain["verdict"], "wrong_domain");
    let (object, _) = desk.check(&["--user", "bob@example.com"], &desk.token(&json!({})));
    let user = row(&object, "claims", "user");
    assert_eq!(user["says"], "alice@example.com");
    assert_eq!(user["wants"], "bob@example.com");
    assert_eq!(user["verdict"], "wrong_user");
}

/// A tenant speaks for domains of its own.
#[test]
fn the_domains_of_a_tenant_are_shown() {
    let desk = Desk::new("");
    let keys = desk.path("jwks.json");
    desk.write(&format!(
        "issuer = \"https://login.example/{{tenantid}}/v2.0\"\nkeys = {keys:?}\naudience = \"mail\"\n\
         username = \"preferred_username\"\n\
         tenants = {{ a = \"a.example\", b = [\"b.example\", \"b.test\"] }}\n"
    ));
    let iss = "https://login.example/b/v2.0";
    for (user, verdict, code) in [("x@b.test", "ok", 0), ("x@a.example", "wrong_domain", 1)] {
        let token = desk.token(&json!({"iss": iss, "tid": "b", "preferred_username": user}));
        let (object, exit) = desk.check(&[], &token);
        let row = row(&object, "claims", "domain of the user");
        assert_eq!(row["wants"], "b.example or b.test", "{object}");
        assert_eq!(
            (&row["verdict"], exit),
            (&json!(verdict), Some(code)),
            "{object}"
        );
        let advice = object["advice"].as_str().unwrap_or_default();
        assert!(
            code == 0 || advice.contains("is not of b.example or b.test"),
            "{object}"
        );
    }
}

/// What an endpoint answered about an opaque token is shown as claims are.
#[test]
fn an_answer_has_a_table_too() {
    let stub = Stub::start().unwrap();
    let desk = Desk::new("");
    desk.write(&format!(
        "introspection_url = \"{}\"\nclient_id = \"rs\"\nclient_secret = \"s\"\naudience = \"mail\"\n\
         username_claims = \"email\"\nrequire = {{ groups = \"staff\" }}\ndomains = \"example.com\"\n",
        stub.url("/introspect")
    ));
    let good = json!({
        "active": true, "aud": "mail", "email": "alice@example.com", "groups": ["staff"],
        "exp": now() + 600,
    });
    for (name, value, reason) in [
        ("sub", json!("s-1"), ""),
        ("aud", json!("web"), "wrong_audience"),
        ("aud", Value::Null, "missing_claim"),
        ("groups", json!(["guests"]), "unmet_requirement"),
        ("exp", json!(1), "expired"),
        ("email", json!("alice@example.org"), "wrong_domain"),
        ("active", json!(false), "token_refused"),
    ] {
        let mut answer = good.clone();
        answer[name] = value.clone();
        let page = Page::of(200, "application/json", answer.to_string());
        stub.set("/introspect", Behaviour::Answer(page));
        let (object, code) = desk.check(&[], "an-opaque-token");
        assert_eq!(code, Some(i32::from(!reason.is_empty())), "{object}");
        assert_eq!(
            object["reason"].as_str().unwrap_or_default(),
            reason,
            "{object}"
        );
        let shown = |claim: &str| row(&object, "claims", claim);
        let blamed = if reason == "wrong_domain" {
            "domain of the user"
        } else {
            name
        };
        let verdict = if reason.is_empty() { "ok" } else { reason };
        assert_eq!(shown(blamed)["verdict"], verdict, "{object}");
        if name == "groups" {
            assert_eq!(shown(name)["says"], "guests", "{object}");
            assert_eq!(shown(name)["wants"], "staff", "{object}");
        }
        let (said, _) = desk.run("doctor", &[], "an-opaque-token");
        let head = "the answer says";
        assert!(said.contains(head) && said.contains(verdict), "{said}");
    }
    // What does not vouch has no claims.
    stub.set(
        "/introspect",
        Behaviour::Answer(Page::of(500, "application/json", "{}")),
    );
    let (object, _) = desk.check(&[], "an-opaque-token");
    assert!(object.get("claims").is_none(), "{object}");
}

/// What two endpoints say is shown as one, and what a signed answer says within.
#[test]
fn answers_share_a_table() {
    let stub = Stub::start().unwrap();
    let desk = Desk::new("");
    desk.write(&format!(
        "tokeninfo_url = \"{}\"\nintrospection_url = \"{}\"\nintrospection_mode = \"auth\"\naudience = \"mail\"\n\
         username_claims = \"email\"\n",
        stub.url("/tokeninfo?t="),
        stub.url("/userinfo")
    ));
    let json = |body: Value| Behaviour::Answer(Page::of(200, "application/json", body.to_string()));
    stub.set("/tokeninfo", json(json!({"aud": "mail", "sub": "s-1"})));
    stub.set(
        "/userinfo",
        json(json!({"email": "alice@example.com", "sub": "s-1"})),
    );
    let (object, code) = desk.check(&[], "an-opaque-token");
    assert_eq!(code, Some(0), "{object}");
    assert_eq!(row(&object, "claims", "aud")["says"], "mail", "{object}");
    assert_eq!(
        row(&object, "claims", "email")["says"],
        "alice@example.com",
        "{object}"
    );
}

/// A6: claims that nobody has vouched for are shown as such, and are not judged.
#[test]
fn unverified_claims_are_kept_apart() {
    let desk = Desk::new("username_claims = \"email\"");
    let token = Issuer::new().sign("ES256", &claims(&json!({"aud": "web"})));
    let (object, code) = desk.check(&[], &token);
    assert_eq!(
        (code, &object["reason"]),
        (Some(1), &json!("bad_signature"))
    );
    assert_eq!(object["claims"], Value::Null, "{object}");
    let aud = row(&object, "unverified_claims", "aud");
    assert_eq!(
        (&aud["says"], &aud["verdict"]),
        (&json!("web"), &Value::Null)
    );
    let (said, code) = desk.run("doctor", &[], &token);
    assert_eq!(code, Some(1), "{said}");
    let warning = said
        .find("nobody has vouched for")
        .unwrap_or_else(|| panic!("{said}"));
    assert!(said.find("web").is_some_and(|at| at > warning), "{said}");
}

/// A6: neither the token nor anything that moves a terminal's cursor is printed, and long values are cut.
#[test]
fn values_are_cut_and_escaped() {
    let desk = Desk::new("username_claims = \"email\"");
    let long = "x".repeat(500);
    let token = desk.token(&json!({"aud": format!("\u{1b}[2J\u{202e}{long}")}));
    let (object, _) = desk.check(&[], &token);
    let says = row(&object, "claims", "aud")["says"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(says.chars().count() <= 64, "{says}");
    let (said, _) = desk.run("doctor", &[], &token);
    for said in [says, said] {
        assert!(
            !said.contains('\u{1b}') && !said.contains('\u{202e}'),
            "{said}"
        );
        assert!(
            !said.contains(&token[..60]) && !said.contains(&long),
            "{said}"
        );
    }
}

/// A6: the doctor shows the same table.
#[test]
fn the_doctor_shows_the_table() {
    let desk = Desk::new(WORDS);
    let (said, code) = desk.run("doctor", &[], &desk.token(&json!({"aud": "web"})));
    assert_eq!(code, Some(1), "{said}");
    let line = said
        .lines()
        .find(|line| line.trim_start().starts_with("aud "));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    for part in ["web", "mail", "wrong_audience"] {
        assert!(line.contains(part), "{line}");
    }
}

/// A6: with a configuration keys are fetched and providers are asked, unless they must not be.
#[test]
fn check_judges_as_the_daemon_would() {
    let stub = Stub::provider().unwrap();
    let desk = Desk::new("");
    stub.set_json("/jwks", &json!({"keys": [desk.issuer.jwk("ES256")]}));
    stub.set_json("/ask", &json!({"active": true, "sub": "x", "aud": "mail"}));
    desk.write(&format!(
        "issuer = \"{}\"\naudience = \"mail\"\nintrospection_url = \"{}\"\nclient_id = \"c\"\n\
         client_secret = \"s\"\n",
        stub.issuer(),
        stub.url("/ask")
    ));
    let token = desk.token(&json!({"iss": stub.issuer()}));
    for (token, user) in [(&*token, "1"), ("an-opaque-token", "x")] {
        let (object, code) = desk.check(&[], token);
        assert_eq!((code, &object["user"]), (Some(0), &json!(user)), "{object}");
        let (object, code) = desk.check(&["--offline"], token);
        assert_eq!(
            (code, &object["status"]),
            (Some(1), &Value::Null),
            "{object}"
        );
        assert!(
            object["advice"].as_str().unwrap().contains("--offline"),
            "{object}"
        );
    }
}

#[test]
fn a_configuration_says_all_that_options_would() {
    let desk = Desk::new("");
    let keys = desk.path("jwks.json").display().to_string();
    for arguments in [
        &["--keys", &*keys][..],
        &["--issuer", "i"],
        &["--audience", "a"],
        &["--any-audience"],
        &["--scope", "s"],
        &["--username-claim", "c"],
        &["--algorithms", "ES256"],
        &["--compat", "dovecot"],
        &["--jws"],
    ] {
        let (_, code) = desk.run("check", arguments, "token");
        assert_eq!(code, Some(2), "{arguments:?}");
    }
    assert_eq!(
        run("check", &["--offline", "--any-audience"], "x").1,
        Some(2)
    );
    fs::write(desk.path("gatepost.toml"), "nonsense").unwrap();
    assert_eq!(desk.run("check", &[], "token").1, Some(2));
}
