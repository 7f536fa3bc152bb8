//! What real providers answered, judged: every recorded file has a verdict in `vectors/idp_answers.tsv`.

use std::fs;
use std::path::Path;

use gatepost_core::exchange::{LoginSettings, Provider};
use gatepost_core::introspection::{About, Client, ClientPlace, Endpoints, Mode};
use gatepost_core::jose::JwkSet;
use gatepost_core::provider::Metadata;
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Audience, Policy, UnixTime};
use gatepost_tests::corpora::{self, folder, trial};
use gatepost_tests::judge::{Asked, BACKENDS, Key, PreparedKey, Reply, judge_asking, oauthbearer};
use libtest_mimic::Trial;
use serde_json::Value;

const VERDICTS: &str = include_str!("../vectors/idp_answers.tsv");

/// When the tokens of the corpus were good, unless an answer has a date of its own.
const RECORDED: i64 = 1_795_313_000;

/// The providers' folders and issuers.
const PROVIDERS: [(&str, &str); 4] = [
    ("canaille", "http://127.0.0.1:3200"),
    ("dot", "http://127.0.0.1:3100/o"),
    ("llng", "http://auth.example.com:3300"),
    ("op", "http://127.0.0.1:3000"),
];

/// What the mail server is called by those who mint for it: each provider has its own ways.
const AUDIENCES: [&str; 13] = [
    "mail",
    "urn:mail",
    "urn:mail:rs256",
    "urn:mail:rs384",
    "urn:mail:rs512",
    "urn:mail:ps256",
    "urn:mail:ps384",
    "urn:mail:ps512",
    "urn:mail:es256",
    "urn:mail:es384",
    "urn:mail:es512",
    "urn:mail:eddsa",
    "urn:mail:ed25519",
];

fn main() {
    let mut trials = vec![];
    let mut left_out = vec![];
    for line in VERDICTS.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[file, asked, strict, loose, _why] = &fields[..] else {
            panic!("five fields: {line:?}");
        };
        match folder("idp") {
            Some(idp) => trials.push(case(idp.as_path(), file, asked, [strict, loose])),
            None => left_out.push(file.to_owned()),
        }
    }
    if let Some(idp) = folder("idp") {
        trials.push(trial("every file has a verdict", move || {
            assert_eq!(files(&idp), listed());
        }));
    }
    corpora::run(trials, &left_out);
}

fn case(idp: &Path, file: &'static str, asked: &'static str, verdicts: [&'static str; 2]) -> Trial {
    let idp = idp.to_owned();
    trial(file, move || match asked {
        "nobody" => {}
        "keys" => assert!(!keys(&idp, provider_of(file).0).is_empty()),
        "metadata" => {
            let recorded = Recorded::read(&idp.join(file));
            let metadata = Metadata::parse(provider_of(file).1, &recorded.reply.body).unwrap();
            assert!(metadata.key_set.is_some() && metadata.introspection.is_some());
        }
        _ => {
            for (verdict, allow_missing_audience) in verdicts.into_iter().zip([false, true]) {
                let outcome = judge_file(&idp, file, asked, allow_missing_audience);
                let outcome = outcome.as_deref().unwrap_or_else(|code| code);
                assert_eq!(
                    outcome, verdict,
                    "missing audience allowed: {allow_missing_audience}"
                );
            }
        }
    })
}

fn judge_file(
    idp: &Path,
    file: &str,
    asked: &str,
    allow_missing_audience: bool,
) -> Result<String, &'static str> {
    let (folder, issuer) = provider_of(file);
    let mut policy = Policy::new(folder, Audience::OneOf(&AUDIENCES));
    policy.issuer = Some(issuer);
    policy.username_claims = &["email", "sub", "username"];
    let keys = keys(idp, folder);
    let trusted: Vec<Key<'_>> = keys.iter().map(|key| key.trusted(&policy)).collect();
    let mode = match asked {
        "get" => Mode::Get,
        "post" => Mode::Post,
        _ => Mode::Auth,
    };
    let url = Some("https://id.example.com/ask?token=");
    let endpoints = Endpoints {
        tokeninfo: url.filter(|_| asked == "tokeninfo"),
        introspection: url.filter(|_| asked != "tokeninfo"),
        mode,
        force_introspection: false,
        about: Some(About::OpaqueTokens),
        grant: None,
        client: Some(Client {
            id: "rs",
            secret: "rssecret",
            place: ClientPlace::Basic,
        }),
        allow_missing_audience,
        unauthorized_is_invalid_token: false,
        signed_answers: false,
    };
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(endpoints),
    }];
    let rules = LoginSettings::new(&providers);
    let path = idp.join(file);
    let (token, recorded) = match asked {
        "jwt" => (token(&path), None),
        _ => ("opaque".to_owned(), Some(Recorded::read(&path))),
    };
    let now = recorded.as_ref().map_or(RECORDED, |recorded| recorded.date);
    let mut ask = |_: &Asked| Ok(recorded.as_ref().expect("an answer").reply.clone());
    let outcome = judge_asking(
        rules,
        Mechanism::OAuthBearer,
        &oauthbearer(&token),
        Some(&trusted),
        UnixTime::from_seconds(now),
        &mut ask,
    );
    outcome.code().map(str::to_owned)
}

fn provider_of(file: &str) -> (&'static str, &'static str) {
    let folder = file.split('/').next().unwrap_or_default();
    let found = PROVIDERS.into_iter().find(|(name, _)| *name == folder);
    found.unwrap_or_else(|| panic!("{file}: an unknown provider"))
}

/// The token of a file that holds one alone, or in the answer of a token endpoint.
fn token(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a file of the corpus");
    match serde_json::from_str::<Value>(&text) {
        Ok(answer) => answer["access_token"].as_str().expect("a token").to_owned(),
        Err(_) => text.trim().to_owned(),
    }
}

fn keys(idp: &Path, folder: &str) -> Vec<PreparedKey> {
    let recorded = Recorded::read(&idp.join(folder).join("jwks.http"));
    JwkSet::parse(&recorded.reply.body).expect("a JWK Set");
    let set: Value = serde_json::from_slice(&recorded.reply.body).expect("a JWK Set");
    BACKENDS[0].prepare_all(set["keys"].as_array().expect("keys"))
}

/// An answer as it was recorded.
struct Recorded {
    reply: Reply,
    /// Its `Date`.
    date: i64,
}

impl Recorded {
    fn read(path: &Path) -> Self {
        let text =
            fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let text = text.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let header = |wanted: &str| {
            head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted)
                    .then(|| value.trim().to_owned())
            })
        };
        let status = head.lines().find_map(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|rest| rest.get(..3)?.parse().ok());
        let content_type = header("Content-Type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default();
        Self {
            reply: Reply {
                status: status.expect("a status line"),
                content_type: media_type.trim().to_owned(),
                www_authenticate: header("WWW-Authenticate").unwrap_or_default(),
                body: body.trim_end().as_bytes().to_vec(),
            },
            date: seconds(&header("Date").expect("a date")),
        }
    }
}

/// All was recorded on one day: `Sun, 22 Nov 2026 01:46:56 GMT`.
fn seconds(date: &str) -> i64 {
    const MIDNIGHT: i64 = 1_795_305_600;
    let time = date
        .strip_prefix("Sun, 22 Nov 2026 ")
        .expect("the day of the recording");
    let mut parts = time
        .split([':', ' '])
        .map_while(|part| part.parse::<i64>().ok());
    let mut next = || parts.next().expect("a time");
    MIDNIGHT + next() * 3600 + next() * 60 + next()
}

fn listed() -> Vec<String> {
    let files = VERDICTS.lines().skip(1);
    files
        .filter_map(|line| Some(line.split('\t').next()?.to_owned()))
        .collect()
}

fn files(idp: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for (folder, _) in PROVIDERS {
        for entry in fs::read_dir(idp.join(folder)).expect("a folder of the corpus") {
            let name = entry.expect("a file of the corpus").file_name();
            files.push(format!("{folder}/{}", name.to_string_lossy()));
        }
    }
    files.sort();
    files
}
