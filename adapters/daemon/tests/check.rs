//! `gatepost check` as an administrator uses it, and over the vectors of others.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_tests::corpora::{self, folder, json_files, read_json, trial};
use gatepost_tests::mint::{ALGORITHMS, Issuer};
use serde_json::{Value, json};
use tempfile::TempDir;

const NOW: i64 = 1_795_312_000;
const SIGNATURES: &str = "json_web_signature_test.json";
const DEVIATIONS: &str = include_str!("../../../tests/vectors/wycheproof_jose.tsv");

fn main() {
    let mut trials = vec![
        trial("accepts every algorithm", accepts_every_algorithm),
        trial("says why it rejects", says_why_it_rejects),
        trial("names the option for several tokens", names_lines),
        trial("blames the claim that names the user", blames_one_claim),
        trial("reads SASL responses", reads_sasl_responses),
        trial("judges a signature alone", judges_a_signature_alone),
        trial("reads keys as files and as Dovecot's directory", reads_keys),
        trial("bounds its input", bounds_its_input),
        trial("tells usage from verdicts", tells_usage_from_verdicts),
        trial("takes no input for an error", takes_no_input_for_an_error),
        trial(
            "says on a terminal what it waits for",
            says_what_it_waits_for,
        ),
    ];
    let mut left_out = vec![];
    match folder("wycheproof") {
        Some(folder) => trials.push(trial("agrees on Wycheproof", move || wycheproof(&folder))),
        None => left_out.push("check over wycheproof".to_owned()),
    }
    match folder("clients") {
        Some(_) => trials.push(trial("reads what clients send", what_clients_send)),
        None => left_out.push("check over clients".to_owned()),
    }
    corpora::run(trials, &left_out);
}

/// What `gatepost check` prints, an object a line, and its exit code.
fn check(keys: &Path, arguments: &[&str], input: &str) -> (Vec<Value>, i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["check", "--now", &NOW.to_string(), "--keys"])
        .arg(keys)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("gatepost starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may end without reading, where its usage is wrong.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("gatepost ends");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let objects = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"));
    (
        objects.collect(),
        output.status.code().expect("an exit code"),
    )
}

/// An issuer, and the file of its public keys.
fn issuer() -> (Issuer, TempDir) {
    let (issuer, root) = (Issuer::new(), TempDir::new().expect("a folder"));
    fs::write(root.path().join("keys.json"), issuer.jwk_set().to_string()).expect("keys");
    (issuer, root)
}

fn claims() -> Value {
    json!({"iss": "https://id.example", "sub": "1", "aud": ["mail"], "email": "alice@example.com",
           "exp": NOW + 300, "iat": NOW, "scope": "mail"})
}

const STRICT: [&str; 8] = [
    "--issuer",
    "https://id.example",
    "--audience",
    "mail",
    "--username-claim",
    "email",
    "--scope",
    "mail",
];

fn accepts_every_algorithm() {
    let (issuer, root) = issuer();
    let tokens: String = ALGORITHMS
        .iter()
        .map(|alg| issuer.sign(alg, &claims()) + "\n")
        .collect();
    let (objects, code) = check(
        &root.path().join("keys.json"),
        &[&STRICT[..], &["--lines"]].concat(),
        &tokens,
    );
    assert_eq!(code, 0);
    assert_eq!(objects.len(), ALGORITHMS.len());
    for (mut object, alg) in objects.into_iter().zip(ALGORITHMS) {
        let claims = object
            .as_object_mut()
            .and_then(|object| object.remove("claims"));
        assert!(claims.is_some_and(|claims| claims.is_array()));
        let expected = json!({"verdict": "accept", "user": "alice@example.com", "algorithm": alg, "kid": alg,
                              "issuer": "https://id.example", "expires_at": NOW + 300});
        assert_eq!(object, expected);
    }
}

/// A17
fn takes_no_input_for_an_error() {
    let (_, root) = issuer();
    for input in ["", "\n", " \r\n\n"] {
        for lines in [&[][..], &["--lines"], &["--response", "xoauth2"]] {
            let keys = root.path().join("keys.json");
            if !input.is_empty() && lines == ["--lines"] {
                continue;
            }
            let arguments = [&["--any-audience"], lines].concat();
            let (objects, code) = check(&keys, &arguments, input);
            assert!(objects.is_empty(), "{objects:?}");
            assert_eq!(code, 2, "{input:?} {lines:?}");
        }
    }
}

/// A17: somebody who sees nothing happen is told what to do.
fn says_what_it_waits_for() {
    let (_, root) = issuer();
    let keys = root.path().join("keys.json");
    let line = format!(
        "{} check --any-audience --keys {}",
        env!("CARGO_BIN_EXE_gatepost"),
        keys.display()
    );
    // script(1) gives it a terminal, whose input ends at once.
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("waiting for a token"), "{said}");
    assert!(said.contains("Ctrl-D"), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
}

/// Several tokens, a line each, are no broken one.
fn names_lines() {
    let (issuer, root) = issuer();
    let token = issuer.sign("ES256", &claims());
    let several = format!("{token}\n{token}\n");
    let keys = root.path().join("keys.json");
    let (objects, code) = check(&keys, &STRICT, &several);
    assert_eq!((objects.len(), code), (1, 1));
    let advice = objects[0]["advice"].as_str().expect("advice");
    assert!(advice.contains("--lines"), "{objects:?}");
    let (objects, code) = check(&keys, &[&STRICT[..], &["--lines"]].concat(), &several);
    assert_eq!((objects.len(), code), (2, 0));
}

/// The first of several claims that a token has names the user: the others are not to blame.
fn blames_one_claim() {
    let (issuer, root) = issuer();
    let token = |email: &str| {
        let mut claims = claims();
        claims["email"] = json!(email);
        issuer.sign("ES256", &claims)
    };
    let options = [&STRICT[..], &["--username-claim", "sub"]].concat();
    let keys = root.path().join("keys.json");
    let other = [&options[..], &["--user", "bob@example.com"]].concat();
    for (options, token, claim, user) in [
        (
            other,
            token("alice@example.com"),
            "user",
            "alice@example.com",
        ),
        (options, token("no name"), "email", "email holds"),
    ] {
        let (objects, code) = check(&keys, &options, &token);
        assert_eq!(code, 1, "{objects:?}");
        let rows = objects[0]["claims"].as_array().expect("a table");
        let blamed = rows
            .iter()
            .find(|row| row["verdict"] == objects[0]["reason"]);
        let blamed = blamed.expect("a claim is blamed");
        assert_eq!(blamed["claim"], claim, "{objects:?}");
        let advice = objects[0]["advice"].as_str().expect("advice");
        assert!(advice.contains(user) && !advice.contains(", 1"), "{advice}");
    }
}

fn says_why_it_rejects() {
    let (issuer, root) = issuer();
    let altered = |claim: &str, value: Value| {
        let mut claims = claims();
        claims[claim] = value;
        issuer.sign("ES256", &claims)
    };
    let cases = [
        ("expired", "invalid_token", altered("exp", json!(NOW - 100))),
        (
            "not_yet_valid",
            "invalid_token",
            altered("nbf", json!(NOW + 100)),
        ),
        (
            "wrong_audience",
            "invalid_token",
            altered("aud", json!("calendar")),
        ),
        (
            "wrong_issuer",
            "invalid_token",
            altered("iss", json!("https://id.example/")),
        ),
        (
            "insufficient_scope",
            "insufficient_scope",
            altered("scope", json!("openid")),
        ),
        (
            "key_bound_token",
            "invalid_token",
            altered("cnf", json!({"jkt": "x"})),
        ),
        (
            "malformed_claims",
            "invalid_token",
            altered("exp", json!("soon")),
        ),
        ("opaque_token", "invalid_token", "opaque".to_owned()),
        (
            "malformed_token",
            "invalid_token",
            "no token at all".to_owned(),
        ),
        (
            "bad_signature",
            "invalid_token",
            issuer.sign("ES256", &claims()).replacen(".eyJ", ".eyK", 1),
        ),
    ];
    for (reason, status, token) in cases {
        let (objects, code) = check(&root.path().join("keys.json"), &STRICT, &token);
        assert_eq!(code, 1, "{reason}");
        assert_eq!(objects[0]["verdict"], "reject");
        assert_eq!(objects[0]["reason"], reason, "{objects:?}");
        assert_eq!(objects[0]["status"], status, "{objects:?}");
        assert!(
            objects[0]["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
    }
    let token = issuer.sign("ES256", &claims());
    let user = |name| {
        check(
            &root.path().join("keys.json"),
            &[&STRICT[..], &["--user", name]].concat(),
            &token,
        )
    };
    assert_eq!(user("alice@EXAMPLE.com").1, 0);
    assert_eq!(user("bob@example.com").0[0]["reason"], "wrong_user");
    let algorithms = [&STRICT[..], &["--algorithms", "RS256,PS256"]].concat();
    assert_eq!(
        check(&root.path().join("keys.json"), &algorithms, &token).0[0]["reason"],
        "unknown_key"
    );
}

fn reads_sasl_responses() {
    let (issuer, root) = issuer();
    let keys = root.path().join("keys.json");
    let token = issuer.sign("RS256", &claims());
    let strict = STANDARD.encode(format!(
        "user=alice@example.com\x01auth=Bearer {token}\x01\x01"
    ));
    let loose = STANDARD.encode(format!("auth=Bearer {token}\x01user=alice@example.com"));
    let gs2 = STANDARD.encode(format!(
        "n,a=alice@example.com,\x01auth=Bearer {token}\x01\x01"
    ));
    let xoauth2 = [&STRICT[..], &["--response", "xoauth2"]].concat();
    let oauthbearer = [&STRICT[..], &["--response", "oauthbearer"]].concat();
    let dovecot = [&xoauth2[..], &["--compat", "dovecot"]].concat();
    assert_eq!(check(&keys, &xoauth2, &strict).1, 0);
    assert_eq!(check(&keys, &oauthbearer, &gs2).1, 0);
    assert_eq!(
        check(&keys, &xoauth2, &gs2).0[0]["reason"],
        "malformed_response"
    );
    assert_eq!(
        check(&keys, &xoauth2, &loose).0[0]["reason"],
        "malformed_response"
    );
    assert_eq!(check(&keys, &dovecot, &loose).1, 0);
    assert_eq!(
        check(&keys, &xoauth2, "not base64!").0[0]["reason"],
        "invalid_base64"
    );
    assert_eq!(
        check(&keys, &xoauth2, &"A".repeat(12_292)).0[0]["reason"],
        "response_too_long"
    );
}

fn judges_a_signature_alone() {
    let (issuer, root) = issuer();
    let keys = root.path().join("keys.json");
    let header = json!({"alg": "ES256", "kid": "ES256"});
    let token = issuer.sign_with_header("ES256", &header, b"no claims");
    let (objects, code) = check(&keys, &["--jws"], &token);
    assert_eq!((code, &objects[0]["algorithm"]), (0, &json!("ES256")));
    assert_eq!(
        check(&keys, &["--jws"], &token.replacen("bm8", "bm9", 1)).0[0]["reason"],
        "bad_signature"
    );
    let other = issuer.sign_with_header("ES256", &json!({"alg": "ES256", "kid": "RS256"}), b"");
    assert_eq!(
        check(&keys, &["--jws"], &other).0[0]["reason"],
        "algorithm_not_allowed"
    );
    let unknown = issuer.sign_with_header("ES256", &json!({"alg": "ES256", "kid": "x"}), b"");
    assert_eq!(
        check(&keys, &["--jws"], &unknown).0[0]["reason"],
        "unknown_key"
    );
}

fn reads_keys() {
    let (issuer, root) = issuer();
    let token = issuer.sign("ES256", &claims());
    let pem = root.path().join("key.pem");
    fs::write(&pem, issuer.spki_pem("ES256")).expect("a key");
    assert_eq!(check(&pem, &STRICT, &token).1, 0);
    let directory = root.path().join("dovecot");
    fs::create_dir_all(directory.join("default/ES256")).expect("a folder");
    fs::write(
        directory.join("default/ES256/ES256"),
        issuer.spki_pem("ES256"),
    )
    .expect("a key");
    assert_eq!(check(&directory, &STRICT, &token).1, 0);
    let mut foreign = claims();
    foreign["azp"] = json!("other");
    let foreign = issuer.sign("ES256", &foreign);
    assert_eq!(
        check(&directory, &STRICT, &foreign).0[0]["reason"],
        "wrong_authorized_party"
    );
}

fn bounds_its_input() {
    let (issuer, root) = issuer();
    let keys = root.path().join("keys.json");
    let good = issuer.sign("ES256", &claims());
    let input = format!("{}\n{good}\r\n\n{good}", "A".repeat(1_000_000));
    let (objects, code) = check(&keys, &[&STRICT[..], &["--lines"]].concat(), &input);
    let verdicts: Vec<_> = objects
        .iter()
        .map(|object| object["verdict"].as_str().expect("a verdict"))
        .collect();
    assert_eq!(
        (verdicts, code),
        (vec!["reject", "accept", "reject", "accept"], 1)
    );
    assert_eq!(objects[0]["reason"], "token_too_long");
}

fn tells_usage_from_verdicts() {
    let (issuer, root) = issuer();
    let keys = root.path().join("keys.json");
    let token = issuer.sign("ES256", &claims());
    for arguments in [
        &[][..],
        &["--audience", "mail", "--any-audience"],
        &["--jws", "--user", "x"],
        &["--algorithms", "none", "--jws"],
        &["--any-audience", "--username-claim", "%{email"],
    ] {
        assert_eq!(
            check(&keys, arguments, &token),
            (vec![], 2),
            "{arguments:?}"
        );
    }
    assert_eq!(
        check(&root.path().join("missing"), &STRICT, &token),
        (vec![], 2)
    );
    assert_eq!(check(&keys, &["--any-audience"], &token).1, 0);
}

/// Ours for every test of the file, but for the deviations that are listed.
fn wycheproof(folder: &Path) {
    let suite = read_json(&folder.join(SIGNATURES));
    let root = TempDir::new().expect("a folder");
    let keys = root.path().join("key.json");
    let deviating: HashSet<u64> = DEVIATIONS
        .lines()
        .filter(|line| line.starts_with(SIGNATURES))
        .map(|line| {
            line.split('\t')
                .nth(1)
                .and_then(|id| id.parse().ok())
                .expect("tcId")
        })
        .collect();
    for group in suite["testGroups"].as_array().expect("groups") {
        fs::write(
            &keys,
            group.get("public").unwrap_or(&group["private"]).to_string(),
        )
        .expect("a key");
        let tests = group["tests"].as_array().expect("tests");
        let tokens: Vec<_> = tests
            .iter()
            .map(|test| test["jws"].as_str().expect("a token"))
            .collect();
        assert!(
            tokens.iter().all(|token| !token.contains('\n')),
            "a token is a line"
        );
        let (objects, code) = check(&keys, &["--jws", "--lines"], &(tokens.join("\n") + "\n"));
        for (index, test) in tests.iter().enumerate() {
            // A key that cannot be used accepts nothing.
            let accepted = code != 2 && objects[index]["verdict"] == "accept";
            let deviates = deviating.contains(&test["tcId"].as_u64().expect("tcId"));
            assert_eq!(
                accepted,
                (test["result"] == "valid") != deviates,
                "tcId {}",
                test["tcId"]
            );
        }
    }
}

/// Their tokens are opaque: that is said of them once the response itself has been understood.
fn what_clients_send() {
    let (_issuer, root) = issuer();
    let keys = root.path().join("keys.json");
    for (mechanism, response) in [("XOAUTH2", "xoauth2"), ("OAUTHBEARER", "oauthbearer")] {
        let mut responses = vec![];
        for file in json_files("clients") {
            let recorded = read_json(&file);
            let samples = recorded["samples"].as_array().expect("samples").iter();
            let of_mechanism = samples.filter(|sample| sample["mechanism"] == mechanism);
            responses.extend(
                of_mechanism.filter_map(|sample| Some(sample["ir_base64"].as_str()?.to_owned())),
            );
        }
        let arguments = ["--any-audience", "--lines", "--response", response];
        let (objects, _) = check(&keys, &arguments, &responses.join("\n"));
        assert_eq!(objects.len(), responses.len());
        assert!(
            objects
                .iter()
                .all(|object| object["reason"] == "opaque_token"),
            "{objects:?}"
        );
    }
}
