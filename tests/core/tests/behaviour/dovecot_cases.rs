//! What Dovecot's own tests and its observed behaviour say of tokens and messages, against us.
//!
//! The cases follow the tests of Dovecot 2.4.4 (`test-oauth2-jwt.c`, `test-mech.c`, `test-auth-gs2.c`,
//! `test-sasl-oauth2.c`, `test-sasl-authentication.c`) and matrices that were run against 2.3.19 and 2.4.1;
//! where versions differ, the newest counts. Keys are drawn and tokens signed at run time. Where we are
//! stricter is listed in `tests/vectors/dovecot_cases.tsv` with the reason; looser we may be nowhere. The clock
//! allows no skew here, as Dovecot's did not.
//!
//! Not comparable: answers of providers and the export of fields, which concern no verdict on a token;
//! and `EdDSA`, which Dovecot does not know.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use gatepost_core::exchange::LoginSettings;
use gatepost_core::sasl::{ClientResponse, Compat, Error, Mechanism};
use gatepost_core::{Audience, Policy, UnixTime};
use gatepost_core_tests::judge::{BACKENDS, Key, judge, xoauth2};
use gatepost_core_tests::mint::Issuer;
use serde_json::{Value, json};

const NOW: i64 = 1_795_312_000;
const STRICTER: &str = include_str!("../../../vectors/dovecot_cases.tsv");

static FIRST: LazyLock<Issuer> = LazyLock::new(Issuer::new);
static SECOND: LazyLock<Issuer> = LazyLock::new(Issuer::new);

/// Cases, each with Dovecot's verdict and ours.
#[derive(Default)]
struct Table(Vec<(String, bool, bool)>);

impl Table {
    fn case(&mut self, name: impl Into<String>, dovecot: bool, ours: bool) {
        self.0.push((name.into(), dovecot, ours));
    }

    /// Compares with what is listed for `suite`, in both directions.
    #[track_caller]
    fn check(self, suite: &str) {
        let looser: Vec<_> = self
            .0
            .iter()
            .filter(|(_, dovecot, ours)| *ours && !dovecot)
            .collect();
        assert!(looser.is_empty(), "looser than Dovecot: {looser:?}");
        let stricter = self.0.iter().filter(|(_, dovecot, ours)| *dovecot && !ours);
        let stricter: BTreeSet<&str> = stricter.map(|(name, ..)| name.as_str()).collect();
        let listed = STRICTER.lines().skip(1).map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [listed, case, reason] = columns[..] else {
                panic!("three columns: {line}")
            };
            assert!(!reason.is_empty(), "{line}");
            (listed, case)
        });
        let listed: BTreeSet<&str> = listed
            .filter(|(listed, _)| *listed == suite)
            .map(|(_, case)| case)
            .collect();
        assert_eq!(stricter, listed, "stricter than Dovecot");
        let same = self
            .0
            .iter()
            .filter(|(_, dovecot, ours)| dovecot == ours)
            .count();
        println!("{suite}: {same} as Dovecot, {} stricter", stricter.len());
    }
}

fn policy() -> Policy<'static> {
    let mut policy = Policy::new("dovecot", Audience::Any);
    policy.username_claims = &["email"];
    policy.skew = 0;
    policy
}

/// The members every good token has, and `more` as it is written.
fn payload(more: &str) -> String {
    format!(r#"{{"sub":"testuser","email":"testuser"{more}}}"#)
}

fn good() -> String {
    payload(&format!(
        r#","exp":{},"nbf":{},"iat":{}"#,
        NOW + 500,
        NOW - 500,
        NOW - 250
    ))
}

/// One key of Dovecot's layout: owner (`azp`), algorithm, `kid`, and who holds it.
type Stored<'k> = (&'k str, &'k str, &'k str, &'k Issuer);

/// Whether the token is taken, which both backends have to agree on.
#[track_caller]
fn takes(stored: &[Stored<'_>], policy: &Policy<'_>, token: &str) -> bool {
    let jwks: Vec<Value> = stored
        .iter()
        .map(|(_, alg, _, issuer)| issuer.jwk(alg))
        .collect();
    let [first, second] = BACKENDS.map(|backend| {
        let keys = backend.prepare_all(&jwks);
        let mut trusted = vec![];
        for (key, (owner, _, kid, _)) in keys.iter().zip(stored) {
            trusted.push(Key {
                key: &*key.key,
                kid: Some(kid),
                owner: Some(owner),
                issuer: None,
                policy,
            });
        }
        let message = xoauth2("testuser", token);
        judge(
            LoginSettings::default(),
            Mechanism::XOAuth2,
            &message,
            &trusted,
            UnixTime::from_seconds(NOW),
        )
    });
    assert_eq!(first, second, "the backends agree");
    first.verdict.is_ok()
}

/// Signed by the only key there is: HS256, `default`, `default`.
#[track_caller]
fn takes_claims(header: &Value, payload: &str) -> bool {
    let token = FIRST.sign_with_header("HS256", header, payload.as_bytes());
    takes(
        &[("default", "HS256", "default", &FIRST)],
        &policy(),
        &token,
    )
}

fn plain() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

#[test]
fn what_is_listed_is_of_a_known_suite() {
    let suites = STRICTER.lines().skip(1).map(|line| line.split('\t').next());
    let known = ["jwt tests", "observed", "messages", "gs2", "loose messages"];
    assert!(suites.flatten().all(|suite| known.contains(&suite)));
}

#[test]
fn tokens_of_dovecots_tests() {
    let mut table = Table::default();
    for alg in ["HS256", "HS384", "HS512", "RS256", "PS256", "ES256"] {
        let claims = payload(&format!(r#","iat":{NOW},"exp":{}.000E+0"#, NOW + 600));
        let token =
            FIRST.sign_with_header(alg, &json!({"alg": alg, "typ": "JWT"}), claims.as_bytes());
        table.case(
            alg,
            true,
            takes(&[("default", alg, "default", &FIRST)], &policy(), &token),
        );
    }
    escaped_names(&mut table);
    dates(&mut table);
    broken_tokens(&mut table);
    key_identifiers(&mut table);
    let nested = r#","aud":["dacity","iron"],"user":{"name":"test","enabled":true,"features":["one","two"]},
        "borders":{"left":[],"middle":{"one":1,"inner":{"middle":{"two":2}}}}"#;
    let claims = good().replace(r#","exp""#, &format!(r#"{nested},"exp""#));
    table.case("nested fields", true, takes_claims(&plain(), &claims));
    table.check("jwt tests");
}

fn escaped_names(table: &mut Table) {
    let url = "http://test.unit/local%key";
    for (azp, kid) in [
        (None, None),
        (None, Some("test")),
        (Some("test"), Some("test")),
        (Some(url), Some(url)),
        (Some("../"), Some("../")),
    ] {
        let mut header = plain();
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        let more = azp.map_or(String::new(), |azp| format!(r#","azp":"{azp}","exp""#));
        let claims = if more.is_empty() {
            good()
        } else {
            good().replace(r#","exp""#, &more)
        };
        let token = FIRST.sign_with_header("HS256", &header, claims.as_bytes());
        let stored = [
            (
                azp.unwrap_or("default"),
                "HS256",
                kid.unwrap_or("default"),
                &*FIRST,
            ),
            ("somebody else", "HS256", "another", &*SECOND),
        ];
        table.case(
            format!("azp {azp:?}, kid {kid:?}"),
            true,
            takes(&stored, &policy(), &token),
        );
        let stored = [("somebody else", "HS256", kid.unwrap_or("default"), &*FIRST)];
        table.case(
            "a key of another azp",
            false,
            takes(&stored, &policy(), &token),
        );
    }
}

fn dates(table: &mut Table) {
    let mut case = |name: &str, dovecot, more: String| {
        table.case(name, dovecot, takes_claims(&plain(), &payload(&more)));
    };
    case("exp", true, format!(r#","exp":{}"#, NOW + 500));
    case(
        "exp, nbf, iat",
        true,
        format!(
            r#","exp":{},"nbf":{},"iat":{}"#,
            NOW + 500,
            NOW - 500,
            NOW - 250
        ),
    );
    case(
        "exp, nbf, early iat",
        true,
        format!(
            r#","exp":{},"nbf":{},"iat":{}"#,
            NOW + 500,
            NOW - 500,
            NOW - 3600
        ),
    );
    case("sub only", false, String::new());
    case(
        "iat is text",
        false,
        format!(r#","exp":{},"iat":"1.1.2019 16:00""#, NOW + 500),
    );
    case("expired", false, format!(r#","exp":{}"#, NOW - 500));
    case(
        "issued in future",
        false,
        format!(r#","exp":{},"iat":{}"#, NOW + 1000, NOW + 500),
    );
    case(
        "not valid yet",
        false,
        format!(r#","exp":{},"nbf":{}"#, NOW + 500, NOW + 250),
    );
    case(
        "ISO 8601",
        true,
        r#","exp":"2026-11-22T06:00:00Z","nbf":"2026-11-22T01:00:00Z""#.to_owned(),
    );
    case(
        "nbf 0, iat in exponents",
        true,
        format!(r#","exp":{},"nbf":0,"iat":{NOW}.000E+0"#, NOW + 500),
    );
    case(
        "exp before iat",
        false,
        format!(r#","exp":{},"iat":{NOW}"#, NOW - 1),
    );
    for date in ["-1", "true", "1e30", "\"1795312500\"", "null", "[]", "{}"] {
        case(&format!("exp {date}"), false, format!(r#","exp":{date}"#));
    }
    for date in ["null", "[]", "{}"] {
        case(
            &format!("nbf {date}"),
            true,
            format!(r#","exp":{},"nbf":{date}"#, NOW + 500),
        );
    }
    case("exp 1.5", true, format!(r#","exp":{}.5"#, NOW + 500));
    table.case("no claims", false, takes_claims(&plain(), "{}"));
    table.case(
        "exp only",
        false,
        takes_claims(&plain(), &format!(r#"{{"exp":{}}}"#, NOW + 500)),
    );
}

fn broken_tokens(table: &mut Table) {
    let signed = FIRST.sign_with_header("HS256", &plain(), good().as_bytes());
    let parts: Vec<&str> = signed.split('.').collect();
    let [header, body, signature] = parts[..] else {
        panic!("three parts")
    };
    for token in [
        String::new(),
        r#"{"alg":"HS256":"typ":"JWT"}"#.to_owned(),
        "aGVsbG8sIHdvcmxkCg".to_owned(),
        "eyJ0eXAiOiAiSldUIn0.e30.e30".to_owned(),
        format!("e3R5cDogamtzLCBhbGc6IEhTMjU2fQ.{body}.{signature}"),
        format!("eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJXVEYifQ.{body}.{signature}"),
        "yJhbGciOiJIUzI1NiIsInR5".to_owned(),
        header.to_owned(),
        format!("{header}.."),
        format!("{header}.{body}."),
        format!("{header}.{body}.{}", "A".repeat(43)),
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."),
    ] {
        let taken = takes(
            &[("default", "HS256", "default", &FIRST)],
            &policy(),
            &token,
        );
        table.case(format!("broken {token}"), false, taken);
    }
}

fn key_identifiers(table: &mut Table) {
    let stored = [
        ("default", "HS256", "first", &*FIRST),
        ("default", "HS256", "second", &*SECOND),
    ];
    for (kid, signer, dovecot) in [
        ("first", &*FIRST, true),
        ("second", &*SECOND, true),
        ("first", &*SECOND, false),
        ("missing", &*FIRST, false),
        ("", &*FIRST, false),
    ] {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": kid});
        let token = signer.sign_with_header("HS256", &header, good().as_bytes());
        table.case(
            format!("kid {kid:?}"),
            dovecot,
            takes(&stored, &policy(), &token),
        );
    }
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": "hello.world/%"});
    let token = FIRST.sign_with_header("HS256", &header, good().as_bytes());
    let stored = [("default", "HS256", "hello.world/%", &*FIRST)];
    table.case("kid to be escaped", true, takes(&stored, &policy(), &token));
}

#[test]
fn tokens_of_observed_behaviour() {
    let mut table = Table::default();
    let with = |name: &str, value: Value| {
        let mut header = plain();
        header[name] = value;
        header
    };
    for (name, header, dovecot) in [
        ("typ at+jwt", with("typ", json!("at+jwt")), true),
        ("typ jwt", with("typ", json!("jwt")), true),
        ("typ logout+jwt", with("typ", json!("logout+jwt")), true),
        ("alg in lower case", with("alg", json!("hs256")), true),
        ("alg RS257", with("alg", json!("RS257")), false),
        ("crit", with("crit", json!(["exp"])), true),
        ("kid array", with("kid", json!(["default"])), true),
        ("no alg", json!({"typ": "JWT"}), false),
    ] {
        table.case(name, dovecot, takes_claims(&header, &good()));
    }
    for (name, more, dovecot) in [
        ("azp array", r#","azp":["default"]"#, true),
        ("azp empty", r#","azp":"""#, false),
        ("aud array", r#","aud":["a","b"]"#, true),
        ("cnf", r#","cnf":{"jkt":"x"}"#, true),
        ("nonce", r#","nonce":"x""#, true),
        ("typ Refresh", r#","typ":"Refresh""#, true),
        ("exp twice, the second past", r#","exp":1"#, true),
        ("email twice", r#","email":"testuser""#, true),
    ] {
        let claims = good();
        let claims = format!("{}{more}}}", claims.strip_suffix('}').expect("an object"));
        table.case(name, dovecot, takes_claims(&plain(), &claims));
    }
    for (name, sub, dovecot) in [
        ("sub empty", "\"\"", true),
        ("sub number", "5", true),
        ("sub null", "null", false),
    ] {
        table.case(
            name,
            dovecot,
            takes_claims(
                &plain(),
                &good().replace("\"sub\":\"testuser\"", &format!("\"sub\":{sub}")),
            ),
        );
    }
    let missing = good().replace("\"sub\":\"testuser\",", "");
    table.case("sub missing", false, takes_claims(&plain(), &missing));
    spellings(&mut table);
    keys_of_another_type(&mut table);
    table.check("observed");
}

fn spellings(table: &mut Table) {
    let token = FIRST.sign_with_header("HS256", &plain(), good().as_bytes());
    let key = [("default", "HS256", "default", &*FIRST)];
    table.case("no padding", true, takes(&key, &policy(), &token));
    table.case(
        "padding",
        true,
        takes(&key, &policy(), &format!("{token}=")),
    );
    table.case(
        "a trailing space",
        true,
        takes(&key, &policy(), &format!("{token} ")),
    );
    table.case(
        "four parts",
        false,
        takes(&key, &policy(), &format!("{token}.")),
    );
    let mut issuers = policy();
    issuers.issuer = Some("https://id.example.com");
    for (iss, dovecot) in [
        ("https://id.example.com", true),
        ("https://id.example.com/", false),
    ] {
        let claims = good().replace(r#","exp""#, &format!(r#","iss":"{iss}","exp""#));
        let token = FIRST.sign_with_header("HS256", &plain(), claims.as_bytes());
        table.case(format!("iss {iss}"), dovecot, takes(&key, &issuers, &token));
    }
    table.case("iss missing", false, takes(&key, &issuers, &token));
}

/// Dovecot finds the key by the header's algorithm, and does not ask what curve it is on.
fn keys_of_another_type(table: &mut Table) {
    for (header, signer, stored, dovecot) in [
        ("ES256", "ES384", "ES384", true),
        ("HS256", "RS256", "RS256", false),
        ("RS256", "HS256", "HS256", false),
        ("ES256", "RS256", "RS256", false),
    ] {
        let token = FIRST.sign_with_header(
            signer,
            &json!({"alg": header, "typ": "JWT"}),
            good().as_bytes(),
        );
        let name = format!("{header} signed as {signer}");
        table.case(
            name,
            dovecot,
            takes(&[("default", stored, "default", &FIRST)], &policy(), &token),
        );
    }
}

#[test]
fn messages_of_dovecots_tests() {
    use Mechanism::{OAuthBearer, XOAuth2};
    let mut table = Table::default();
    for (mechanism, message, dovecot) in [
        (
            OAuthBearer,
            "n,a=testuser,p=cHJvb2Y=,f=nonstandart\x01host=server\x01port=143\x01auth=Bearer vF9d\x01\x01",
            false,
        ),
        (XOAuth2, "user=testuser\x01auth=Bearer vF9d\x01\x01", true),
        (
            OAuthBearer,
            "n,a=testuser,\x01auth=Bearer vF9d\x01\x01",
            true,
        ),
        (OAuthBearer, "", false),
        (XOAuth2, "", false),
        (
            OAuthBearer,
            "n,a==testuser,\x01auth=Bearer token\x01\x01",
            false,
        ),
        (
            OAuthBearer,
            "n,a=testuser,f=non-standard\x01auth=Bearer token\x01\x01",
            false,
        ),
        (
            OAuthBearer,
            "F,n,a=testuser,f=non-standard\x01auth=Bearer token\x01\x01",
            false,
        ),
        (OAuthBearer, "n,a=testuser\x01auth=token\x01\x01", false),
        (OAuthBearer, "\x01", false),
        (XOAuth2, "testuser\x01auth=Bearer token\x01\x01", false),
        (XOAuth2, "user=testuser\x01auth=token\x01\x01", false),
        (
            OAuthBearer,
            "n,a=user,\x01auth=Bearer tokentokentoken\x01\x01",
            true,
        ),
        (
            OAuthBearer,
            "n,a=user,\x01auth=Bearer tokentokentoken\x01",
            false,
        ),
        (
            OAuthBearer,
            "n,a=user,\x01auth=Bearer tokentokentoken",
            false,
        ),
        (
            OAuthBearer,
            "n,a=frop=2Cfriep=3Dfrml,n=user\x01auth=Bearer t\x01\x01",
            false,
        ),
        (OAuthBearer, "n,a=fr,p,\x01auth=Bearer t\x01\x01", false),
        (
            OAuthBearer,
            "p=tls-exporter,a=fr,\x01auth=Bearer t\x01\x01",
            false,
        ),
    ] {
        let parsed = ClientResponse::parse(mechanism, Compat::Strict, message.as_bytes());
        table.case(
            message.escape_default().to_string(),
            dovecot,
            parsed.is_ok(),
        );
    }
    pairs(&mut table);
    table.check("messages");
}

/// `test-sasl-oauth2.c`: pairs within a message; some are cut off.
fn pairs(table: &mut Table) {
    let printable: String = (' '..='~').collect();
    let values = format!("key={printable}\t\r\n\x01");
    let letters: String = ('a'..='z').chain('A'..='Z').collect();
    let letters = format!("{letters}=v\x01");
    for (pairs, dovecot) in [
        ("key=value\x01", true),
        ("key=value=frop\x01", true),
        ("key=\x01", true),
        ("a=1\x01b=2\x01", true),
        ("host=server\x01port=143\x01", true),
        (&*letters, true),
        (&*values, true),
        ("=\x01", false),
        ("a\x01", false),
        ("k e y=a\x01", false),
        ("key1=a\x01", false),
        ("key=a\x02\x01", false),
        ("key=\u{e9}\x01", false),
    ] {
        let message = format!("n,a=u,\x01{pairs}auth=Bearer t\x01\x01");
        let parsed =
            ClientResponse::parse(Mechanism::OAuthBearer, Compat::Strict, message.as_bytes());
        table.case(pairs.escape_default().to_string(), dovecot, parsed.is_ok());
    }
    for cut in ["=", "a", "key=value", "key=a\x02", "key=value\x01key2"] {
        let message = format!("n,a=u,\x01auth=Bearer t\x01{cut}");
        let parsed =
            ClientResponse::parse(Mechanism::OAuthBearer, Compat::Strict, message.as_bytes());
        table.case(
            format!("cut off after {}", cut.escape_default()),
            false,
            parsed.is_ok(),
        );
    }
}

#[test]
fn gs2_headers_of_dovecots_tests() {
    let mut table = Table::default();
    let names = [
        ("frop", "frop"),
        ("frop=2Cfriep=3Dfrml", "frop,friep=frml"),
        ("=2Cfrop=2C", ",frop,"),
        ("=3Dfrop=3D", "=frop="),
        ("=2C=3D", ",="),
    ];
    for flag in [
        "n",
        "y",
        "p=frop",
        "p=tls-exporter",
        "p=frop2",
        "p=vnd.example.com-frop",
    ] {
        table.case(
            format!("{flag},,"),
            true,
            is_gs2(&format!("{flag},,"), None),
        );
        for (written, name) in names {
            let header = format!("{flag},a={written},");
            table.case(header.clone(), true, is_gs2(&header, Some(name)));
        }
    }
    for header in [
        "",
        ",",
        ",,",
        "F,n",
        "F,n,",
        "F,n,,",
        "F,y,,",
        "F,p=frop,,",
        "Fn,",
        "Fn,,",
        "q,,",
        "F,q",
        "F,q,",
        "p=,",
        "p=,,",
        "p=_frop,,",
        "p=frop_,,",
        "p=fr_p,,",
        "p=frop",
        "p=frop,",
        "n,a",
        "n,a,",
        "n,a=",
        "n,a=,",
        "n,a=fr=p,",
        "n,a==rop,",
        "n,a=fro=,",
        "n,a==20rop,",
        "n,a=fr=20p,",
        "n,a=fro=20,",
        "n,a==32rop,",
        "n,a=fr=32p,",
        "n,a=fro=32,",
        "n,a=frop",
        "\0n,,",
        "n\0,,",
        "n,\0,",
        "n,a\0=x,",
        "n,a=\0,",
        "n,a=x\0,",
        "p\0=x,,",
        "p=\0,,",
        "p=x\0,,",
        "F\0,n,,",
        "F,\0n,,",
    ] {
        table.case(
            header.escape_default().to_string(),
            false,
            is_gs2(header, None),
        );
    }
    table.check("gs2");
}

/// Whether `header` is grammatical and names `name`; channel binding is understood, and then refused.
fn is_gs2(header: &str, name: Option<&str>) -> bool {
    let message = format!("{header}\x01auth=Bearer t\x01\x01");
    match ClientResponse::parse(Mechanism::OAuthBearer, Compat::Strict, message.as_bytes()) {
        Ok(response) => {
            response
                .authzid
                .map(|name| name.chars().collect::<String>())
                .as_deref()
                == name
        }
        Err(error) => error == Error::ChannelBinding,
    }
}

/// The loose forms that Dovecot 2.3 and 2.4.1 take are taken with `compat = "dovecot"` alone.
#[test]
fn loose_messages_of_observed_behaviour() {
    use Mechanism::{OAuthBearer, XOAuth2};
    let mut table = Table::default();
    for (mechanism, message, dovecot) in [
        (OAuthBearer, "a=u,n\x01auth=Bearer t\x01\x01", true),
        (OAuthBearer, "n,a=u\x01auth=Bearer t\x01\x01", true),
        (OAuthBearer, "n,a=u,\x01auth=Bearer t\x01", true),
        (OAuthBearer, "n,a=u,\x01auth=Bearer t", true),
        (OAuthBearer, "n,a=u,\x01auth=Bearer t\x01\x01junk", true),
        (OAuthBearer, "n,a=u,\x01what\x01auth=Bearer t\x01\x01", true),
        (
            OAuthBearer,
            "n,a=u,\x01auth=Bearer x\x01auth=bearer t\x01\x01",
            true,
        ),
        (OAuthBearer, "n,,\x01auth=Bearer t\x01\x01", false),
        (OAuthBearer, "F,n,a=u,\x01auth=Bearer t\x01\x01", false),
        (OAuthBearer, "p=x,a=u,\x01auth=Bearer t\x01\x01", false),
        (OAuthBearer, "n,a=u,f=x\x01auth=Bearer t\x01\x01", false),
        (OAuthBearer, "n,a=u=2c,\x01auth=Bearer t\x01\x01", false),
        (OAuthBearer, "n,a=u,\x01auth=Bearer t\0\x01\x01", false),
        (OAuthBearer, "n,a=u,\x01auth=Bearer t\r\n\x01\x01", false),
        (OAuthBearer, "n,a=u,\x01auth=Bearer \x01\x01", false),
        (OAuthBearer, "\x01", false),
        (XOAuth2, "auth=Bearer t\x01user=u\x01\x01", true),
        (XOAuth2, "user=x\x01user=u\x01auth=Bearer t", true),
        (XOAuth2, "user=u\x01what\x01auth=Bearer t\x01\x01", true),
        (XOAuth2, "n,a=u,\x01auth=Bearer t\x01\x01", false),
    ] {
        let parsed = ClientResponse::parse(mechanism, Compat::Dovecot, message.as_bytes());
        if let Ok(response) = parsed {
            assert_eq!(
                response.token().expect("a token").expose(),
                "t",
                "{message:?}"
            );
        }
        table.case(
            message.escape_default().to_string(),
            dovecot,
            parsed.is_ok(),
        );
        if dovecot {
            let strict = ClientResponse::parse(mechanism, Compat::Strict, message.as_bytes());
            assert!(strict.is_err(), "{message:?}");
        }
    }
    table.check("loose messages");
}
