//! Whole logins against keys that are known to everybody.

use std::sync::LazyLock;

use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_core::exchange::LoginSettings;
use gatepost_core::sasl::{ClientResponse, Compat, Mechanism};
use serde_json::{Value, json};

use super::claims::{NOW, assert_accepted, policy};
use crate::judge::{BACKENDS, Key, PreparedKey, judge};

/// Most keys that are tried for one token.
const MAX_ATTEMPTS: usize = 4;

/// The secret of the key that the corpus is signed with.
const SECRET: &[u8; 32] = b"a secret that everybody may know";

/// The key of RFC 7515 appendix A.3, with which nobody signs but its readers.
const P256: [&str; 2] = [
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
];

/// The key that is good comes last but one: without `kid`, a token tries the others before.
static KEYS: LazyLock<Vec<PreparedKey>> = LazyLock::new(|| {
    let secret = |secret: &[u8; 32], kid: Value| {
        let k = URL_SAFE_NO_PAD.encode(secret);
        json!({"kty": "oct", "alg": "HS256", "k": k, "kid": kid})
    };
    let [x, y] = P256;
    let p256 = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "x": x, "y": y, "kid": "es"});
    let mut keys: Vec<Value> = [1, 2, 3]
        .map(|other| secret(&[other; 32], json!(format!("hs{other}"))))
        .into();
    keys.extend([
        secret(SECRET, json!("hs")),
        secret(&[9; 32], json!("hs9")),
        p256,
    ]);
    BACKENDS[0].prepare_all(&keys)
});

/// A client's message behind one byte. Its bits choose the mechanism, whether Dovecot's loose forms
/// are taken, and whether the token is signed first: no mutation would ever hit on a signature.
///
/// # Panics
/// Where no verdict is reached with as few keys as are tried at most, or one that is accepted is not
/// good by `serde_json` and aws-lc-rs.
pub fn exchange(data: &[u8]) {
    let Some((&how, message)) = data.split_first() else {
        return;
    };
    let mechanism = Mechanism::BEARER[usize::from(how & 1)];
    let compat = if how & 2 == 0 {
        Compat::Strict
    } else {
        Compat::Dovecot
    };
    let signed = if how & 4 == 0 {
        None
    } else {
        sign(mechanism, compat, message)
    };
    run(mechanism, compat, signed.as_deref().unwrap_or(message));
}

fn run(mechanism: Mechanism, compat: Compat, message: &[u8]) {
    let policy = policy();
    let keys: Vec<Key<'_>> = KEYS.iter().map(|key| key.trusted(&policy)).collect();
    let rules = LoginSettings {
        compat,
        ..LoginSettings::default()
    };
    let outcome = judge(rules, mechanism, message, &keys, NOW);
    assert!(outcome.attempts <= MAX_ATTEMPTS);
    assert!(outcome.challenges.len() <= 1);
    match outcome.verdict {
        Ok(user) => {
            assert!(outcome.attempts > 0 && outcome.challenges.is_empty());
            let response = ClientResponse::parse(mechanism, compat, message);
            check(&response.expect("a message that was read"), &user);
        }
        Err(rejection) => assert_eq!(
            outcome.challenges.is_empty(),
            rejection.status().is_none(),
            "{rejection:?}"
        ),
    }
}

/// What was accepted bears a signature that holds, claims that are good, and the name of its user.
fn check(response: &ClientResponse<'_>, user: &str) {
    let (signed, signature) = response
        .token()
        .expect("a token")
        .expose()
        .rsplit_once('.')
        .expect("a JWS");
    let (header, payload) = signed.split_once('.').expect("a JWS");
    let [header, payload, signature] = [header, payload, signature].map(|part| {
        let part = URL_SAFE_NO_PAD.decode(part);
        part.expect("a part in base64url")
    });
    let header: Value = serde_json::from_slice(&header).expect("a header in JSON");
    match header["alg"].as_str() {
        Some("HS256") => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
            hmac::verify(&key, signed.as_bytes(), &signature).expect("an authentic token");
        }
        Some("ES256") => public_key()
            .verify(signed.as_bytes(), &signature)
            .expect("a signature that holds"),
        other => panic!("{other:?} has no key"),
    }
    assert_accepted(user, &payload);
    if let Some(claimed) = response.authzid {
        let claimed: String = claimed.chars().collect();
        assert!(claimed.eq_ignore_ascii_case(user), "{claimed:?}");
    }
}

fn public_key() -> signature::UnparsedPublicKey<Vec<u8>> {
    let [x, y] = P256.map(|coordinate| {
        let coordinate = URL_SAFE_NO_PAD.decode(coordinate);
        coordinate.expect("a coordinate in base64url")
    });
    let point = [vec![4], x, y].concat();
    signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
}

/// The message with another signature in its token; `None` where it holds no JWS.
fn sign(mechanism: Mechanism, compat: Compat, message: &[u8]) -> Option<Vec<u8>> {
    let response = ClientResponse::parse(mechanism, compat, message).ok()?;
    let token = response.token().expect("a token").expose();
    let (signed, _) = token.rsplit_once('.')?;
    let (before, after) = str::from_utf8(message).ok()?.split_once(token)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    Some(format!("{before}{signed}.{signature}{after}").into_bytes())
}
