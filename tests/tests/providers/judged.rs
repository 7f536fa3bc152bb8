//! Judges one case of the table, on the core and without any I/O.

use std::sync::LazyLock;

use gatepost_core::UnixTime;
use gatepost_core::exchange::{LoginSettings, Provider as Asked};
use gatepost_core::jose::Jwk;
use gatepost_core::provider::Metadata;
use gatepost_core::sasl::Mechanism;
use gatepost_tests::judge::{BACKENDS, Reply, judge, judge_asking, oauthbearer};
use gatepost_tests::mint::Issuer;
use serde_json::{Value, json};

use crate::config::Settings;
use crate::table::{Case, Config, Kind, recording};

/// The clock of every case that was written by hand.
const NOW: i64 = 1_795_312_000;

/// When the last of the recordings had been made, and the first token in them was still good.
const RECORDED: i64 = 1_795_313_000;

const ALG: &str = "RS256";

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::new);

/// What becomes of `case` under `config`: the user, a reason code, or what a document yields.
pub(crate) fn verdict(config: &Config, case: &Case) -> String {
    let settings = Settings::read(&config.text);
    match case.kind {
        Kind::AccessToken | Kind::IdToken | Kind::RefreshToken | Kind::OtherToken => {
            judge_token(&settings, case)
        }
        Kind::Introspection | Kind::Userinfo | Kind::Tokeninfo => judge_answer(&settings, case),
        Kind::PasswordGrant => judge_grant(&settings, case),
        Kind::Metadata => read_metadata(&settings, case),
        Kind::JwkSet => count_keys(case),
    }
}

/// Signs the claims, and presents the token where the provider's key is known.
fn judge_token(settings: &Settings, case: &Case) -> String {
    let mut header = json!({"alg": ALG, "kid": ALG});
    for (name, value) in object(&case.header) {
        header[&name] = value;
    }
    let token = ISSUER.sign_with_header(ALG, &header, case.claims.as_bytes());
    settings.with_policy(|policy| {
        let codes = BACKENDS.map(|backend| {
            let keys = backend.prepare_all(&[ISSUER.jwk(ALG)]);
            let mut trusted = [keys[0].trusted(policy)];
            trusted[0].issuer = case.key_issuer.as_deref();
            let (message, now) = (oauthbearer(&token), clock(case));
            let rules = LoginSettings::default();
            let outcome = judge(rules, Mechanism::OAuthBearer, &message, &trusted, now);
            text(outcome.code())
        });
        assert_eq!(codes[0], codes[1], "the backends agree");
        codes[0].clone()
    })
}

/// Hands the answer to whoever asks about an opaque token.
fn judge_answer(settings: &Settings, case: &Case) -> String {
    settings.with_policy(|policy| {
        let providers = [Asked {
            policy,
            endpoints: Some(settings.endpoints(case.kind)),
        }];
        ask(
            case,
            &providers,
            &oauthbearer("opaque"),
            Mechanism::OAuthBearer,
        )
    })
}

/// Hands the answer to whoever asks for a token in exchange for a password.
fn judge_grant(settings: &Settings, case: &Case) -> String {
    settings.with_policy(|policy| {
        let providers = [Asked {
            policy,
            endpoints: Some(settings.endpoints(case.kind)),
        }];
        let message = b"\0alice@example.org\0secret";
        ask(case, &providers, message, Mechanism::Plain)
    })
}

fn ask(case: &Case, providers: &[Asked<'_>], message: &[u8], mechanism: Mechanism) -> String {
    let rules = LoginSettings::new(providers);
    let then = case.then.as_ref().map(|body| Reply::json(200, body));
    let mut replies = [Some(reply(case)), then].into_iter().flatten();
    let mut ask = |question: &_| Ok(replies.next().unwrap_or_else(|| panic!("{question:?}")));
    let outcome = judge_asking(rules, mechanism, message, Some(&[]), clock(case), &mut ask);
    assert!(replies.next().is_none(), "every answer was wanted");
    text(outcome.code())
}

fn read_metadata(settings: &Settings, case: &Case) -> String {
    let found = match Metadata::parse(settings.issuer(), case.body.as_bytes()) {
        Ok(found) => found,
        Err(error) => return format!("{error:?}"),
    };
    let endpoints = [
        ("jwks_uri", found.key_set.is_some()),
        ("introspection_endpoint", found.introspection.is_some()),
        ("userinfo_endpoint", found.userinfo.is_some()),
        ("token_endpoint", found.token.is_some()),
    ];
    let found = endpoints.iter().filter(|(_, is_there)| *is_there);
    let names: Vec<&str> = found.map(|(name, _)| *name).collect();
    names.join(" ")
}

fn count_keys(case: &Case) -> String {
    let set: Value = serde_json::from_str(&case.body).expect("a JWK Set");
    let keys = set["keys"].as_array().expect("keys");
    let is_usable = |jwk: &&Value| Jwk::parse(jwk.to_string().as_bytes()).is_ok();
    let usable = keys.iter().filter(is_usable).count();
    format!("{usable} of {}", keys.len())
}

fn reply(case: &Case) -> Reply {
    match &case.recording {
        Some(name) => recorded(&recording(name)),
        None => Reply {
            status: case.status,
            content_type: case.content_type.clone(),
            www_authenticate: case.www_authenticate.clone(),
            body: case.body.trim().as_bytes().to_vec(),
        },
    }
}

/// An answer as it came over the wire, but for its transfer coding.
fn recorded(text: &str) -> Reply {
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").expect("a head and a body");
    let header = |wanted: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim().to_owned())
    };
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let content_type = header("Content-Type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    Reply {
        status: status.expect("a status"),
        content_type: media_type.trim().to_owned(),
        www_authenticate: header("WWW-Authenticate").unwrap_or_default(),
        body: body.trim().as_bytes().to_vec(),
    }
}

fn object(text: &str) -> serde_json::Map<String, Value> {
    if text.is_empty() {
        return serde_json::Map::new();
    }
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn clock(case: &Case) -> UnixTime {
    UnixTime::from_seconds(match case.recording {
        Some(_) => RECORDED,
        None => NOW,
    })
}

fn text(code: Result<&str, &'static str>) -> String {
    code.map_or_else(str::to_owned, str::to_owned)
}
