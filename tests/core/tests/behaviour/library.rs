//! The core as a library: keys from JWK Sets, and tokens verified with them.

use gatepost_core::{
    Audience, KeyProblem, KeySet, Policy, Rejection, Requirement, UnixTime,
    crypto::{Backend as _, RustCrypto},
    exchange::MAX_PAYLOAD,
    jose::{JwkSet, KeyBuffer, KeyError, Member, MemberFault, ShortName, UnverifiedJwt},
    verify,
};

/// RFC 7515 appendix A.1: a secret in a JWK Set, as a provider should never publish it, and a token.
const SECRET: &str = r#"{"kty":"oct","kid":"hs","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
const SIGNED_WITH_SECRET: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// RFC 8037 appendix A.2.
const ED25519: &str =
    r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
/// RFC 7515 appendix A.3, and the key of the example `verify_token`.
const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
const EXAMPLE: &str = r#""kty":"EC","crv":"P-256","x":"zhxL26a4qAdGnAYHWQ1O02GoJrpsCgPB127GeuNYPTI","y":"2uA9RpTgXyzY9sDlthCKARjzWBAqMUhYCC6hRtKQUBU""#;
const TOKEN: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwic3ViIjoiMSIsImF1ZCI6Im1haWwiLCJlbWFpbCI6IkFsaWNlQEV4YW1wbGUuQ09NIiwic2NvcGUiOiJvcGVuaWQgbWFpbCIsImlhdCI6MTc5NTMxMjAwMCwiZXhwIjoxNzk1MzEyMzAwfQ.Zru9PqqKHjHVz_xYrkdgMkB8Y1doW12n1aBtlWG1br4dNTXibMaTjSmbbMrlq4UBhjT4VLz54XcaK4AxaucwMA";
/// While the token is good.
const NOW: UnixTime = UnixTime::from_seconds(1_795_312_100);

type Reports = Vec<(usize, Option<String>, KeyProblem)>;

fn set(keys: &[&str]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

fn jwk(numbers: &str, members: &str) -> String {
    format!("{{{numbers},{members}}}")
}

fn add<const N: usize>(keys: &mut KeySet<N>, json: &str) -> Reports {
    let mut reports = Vec::new();
    let outcome = keys.add_jwk_set(json.as_bytes(), |report| {
        reports.push((
            report.position,
            report.kid.map(str::to_owned),
            report.problem,
        ));
    });
    assert_eq!(outcome, Ok(()), "{json}");
    reports
}

/// Adds `jwks` to an empty set: what is reported, and how many keys there are.
fn read(jwks: &[&str]) -> (Reports, usize) {
    let mut keys = KeySet::<4>::new();
    let reports = add(&mut keys, &set(jwks));
    (reports, keys.len())
}

fn policy() -> Policy<'static> {
    let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
    policy.issuer = Some("https://id.example.com");
    policy.username_claims = &["email"];
    policy
}

/// The verdict on the example's token by these keys.
fn verdict(jwks: &[&str]) -> Result<String, &'static str> {
    let mut keys = KeySet::<4>::new();
    add(&mut keys, &set(jwks));
    let mut scratch = [0; MAX_PAYLOAD];
    let verified = verify(TOKEN, &keys, &policy(), NOW, &mut scratch);
    verified
        .map(|good| good.user().to_owned())
        .map_err(Rejection::code)
}

// K9: whoever reads a published secret could sign with it.
#[test]
fn a_secret_in_a_jwk_set_verifies_nothing_unless_asked_for() {
    let jwt = UnverifiedJwt::parse(SIGNED_WITH_SECRET).unwrap();
    let json = set(&[SECRET]);
    for jwk in JwkSet::parse(json.as_bytes()).unwrap() {
        let jwk = jwk.unwrap();
        let mut buffer = KeyBuffer::new();
        let Ok(material) = jwk.material(&mut buffer) else {
            continue;
        };
        let key = RustCrypto.prepare(&material, jwk.algorithms()).unwrap();
        let payload = jwt.verify(&key, &mut [0; 256]).map(|_| ());
        assert!(payload.is_err(), "a token signed with a published secret");
    }
}

// K9
#[test]
fn a_key_set_refuses_secrets_unless_asked_for() {
    let mut scratch = [0; MAX_PAYLOAD];
    let mut verdict = |keys: &KeySet<4>| {
        let verified = verify(SIGNED_WITH_SECRET, keys, &policy(), NOW, &mut scratch);
        verified.map(|_| ()).map_err(Rejection::code)
    };
    let mut keys = KeySet::<4>::new();
    let refused = KeyProblem::Unusable(KeyError::SharedSecret);
    let reports = add(&mut keys, &set(&[SECRET]));
    assert_eq!(reports, [(0, Some("hs".to_owned()), refused)]);
    assert!(keys.is_empty());
    // Its issuer is none of ours, whatever keys there are.
    assert_eq!(verdict(&keys), Err("unknown_key"));

    let mut keys = KeySet::<4>::new().taking_secrets();
    assert_eq!(add(&mut keys, &set(&[SECRET])), []);
    // The signature holds, and the claims are not for us.
    assert_eq!(verdict(&keys), Err("expired"));
}

#[test]
fn unusable_keys_are_reported_and_spoil_no_other() {
    let no_y = r#"{"kty":"EC","crv":"P-256","kid":"no-y","x":"AA"}"#;
    let unknown = r#"{"kty":"AKP","kid":"pq"}"#;
    let (reports, usable) = read(&[no_y, unknown, "7", &jwk(ED25519, r#""kid":"ed""#)]);
    let report = |position, kid: Option<&str>, error| {
        (
            position,
            kid.map(str::to_owned),
            KeyProblem::Unusable(error),
        )
    };
    let missing = KeyError::Member(Member::Y, MemberFault::Missing);
    let unsupported = KeyError::UnsupportedType(ShortName::new("AKP"));
    let expected = [
        report(0, Some("no-y"), missing),
        report(1, Some("pq"), unsupported),
        report(2, None, KeyError::Malformed),
    ];
    assert_eq!((&*reports, usable), (&expected[..], 1));
}

#[test]
fn what_is_no_jwk_set_is_an_error() {
    for (json, expected) in [
        ("[]", KeyError::Malformed),
        (r#"{"keys":[],"keys":[]}"#, KeyError::DuplicateMember),
    ] {
        let outcome = KeySet::<4>::new().add_jwk_set(json.as_bytes(), |_| panic!("no key"));
        assert_eq!(outcome, Err(expected), "{json}");
    }
}

// K3
#[test]
fn equal_keys_are_one_and_different_ones_of_one_kid_are_ambiguous() {
    let named = |numbers, alg: &str| jwk(numbers, &format!(r#""kid":"2026-11"{alg}"#));
    let (any, es256) = (named(EXAMPLE, ""), named(EXAMPLE, r#","alg":"ES256""#));
    let (other, ed25519) = (named(P256, ""), named(ED25519, ""));
    let report = |position, problem| (position, Some("2026-11".to_owned()), problem);
    let alice = Ok("Alice@example.com".to_owned());
    for (jwks, problem, count, expected) in [
        // The same key once more.
        (vec![&any, &es256], Some(KeyProblem::Repeated), 1, &alice),
        (vec![&es256, &any], Some(KeyProblem::Repeated), 1, &alice),
        // One `kid`, two algorithms.
        (vec![&any, &ed25519], None, 2, &alice),
        (
            vec![&any, &other],
            Some(KeyProblem::Ambiguous),
            2,
            &Err("ambiguous_key"),
        ),
    ] {
        let jwks: Vec<&str> = jwks.into_iter().map(String::as_str).collect();
        let reports: Vec<_> = problem
            .map(|problem| report(1, problem))
            .into_iter()
            .collect();
        assert_eq!(read(&jwks), (reports, count), "{jwks:?}");
        assert_eq!(&verdict(&jwks), expected, "{jwks:?}");
    }
}

#[test]
fn a_wider_key_takes_the_place_of_all_that_it_covers() {
    // RFC 7517 appendix A.1.
    const RSA: &str = r#""kty":"RSA","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw""#;
    let with_alg = |alg: &str| jwk(RSA, &format!(r#""kid":"r","alg":"{alg}""#));
    let (rs256, ps256) = (with_alg("RS256"), with_alg("PS256"));
    assert_eq!(read(&[&rs256, &ps256]), (vec![], 2));
    let (reports, count) = read(&[&rs256, &ps256, &jwk(RSA, r#""kid":"r""#)]);
    let repeated = (2, Some("r".to_owned()), KeyProblem::Repeated);
    assert_eq!((reports, count), (vec![repeated], 1));
}

#[test]
fn a_full_set_says_so() {
    let mut keys = KeySet::<1>::new();
    let json = set(&[&jwk(P256, r#""kid":"a""#), &jwk(EXAMPLE, r#""kid":"b""#)]);
    let full = (1, Some("b".to_owned()), KeyProblem::NoRoom);
    assert_eq!(add(&mut keys, &json), [full]);
    assert_eq!(keys.len(), 1);
    assert!(keys.trusted().iter().all(|key| key.kid == Some("a")));
}

#[test]
fn a_report_is_a_sentence() {
    let mut said = Vec::new();
    let mut keys = KeySet::<4>::new();
    let json = set(&[SECRET, "7"]);
    let read = keys.add_jwk_set(json.as_bytes(), |report| said.push(report.to_string()));
    assert_eq!(read, Ok(()));
    let secret =
        "Key 0 (kid \"hs\"): It is a shared secret (oct), and only public keys are taken here";
    assert_eq!(
        said,
        [secret, "Key 1: It is not a JSON object that can be read"]
    );
}

#[test]
fn a_rejection_says_whose_fault_it_is() {
    let key = jwk(EXAMPLE, r#""kid":"2026-11""#);
    let mut keys = KeySet::<4>::new();
    add(&mut keys, &set(&[&key]));
    let forged = format!(
        "{}A",
        TOKEN.strip_suffix('A').unwrap().replace(".eyJ", ".eyK")
    );
    let late = UnixTime::from_seconds(1_795_316_000);
    let no_keys = KeySet::<4>::new();
    let mut long = [0; MAX_PAYLOAD];
    let mut check = |token: &str, keys, now, scratch: usize, code, is_temporary| {
        let rejection = verify(token, keys, &policy(), now, &mut long[..scratch]).err();
        let is_one = |rejection: &Rejection| {
            rejection.code() == code && rejection.status().is_none() == is_temporary
        };
        assert!(
            rejection.as_ref().is_some_and(is_one),
            "{code}: {rejection:?}"
        );
    };
    check(TOKEN, &keys, late, MAX_PAYLOAD, "expired", false);
    check(&forged, &keys, NOW, MAX_PAYLOAD, "bad_signature", false);
    check("opaque", &keys, NOW, MAX_PAYLOAD, "opaque_token", false);
    check("a b", &keys, NOW, MAX_PAYLOAD, "malformed_token", false);
    check("", &keys, NOW, MAX_PAYLOAD, "no_token", false);
    check(TOKEN, &no_keys, NOW, MAX_PAYLOAD, "no_keys", true);
    check(TOKEN, &keys, NOW, 16, "internal_error", true);
}

#[test]
fn a_policy_that_asks_for_too_much_is_not_the_tokens_fault() {
    let mut keys = KeySet::<4>::new();
    add(&mut keys, &set(&[&jwk(EXAMPLE, r#""kid":"2026-11""#)]));
    let claims: Vec<String> = (0..80).map(|i| format!("claim{i}")).collect();
    let of_one: Vec<_> = (0..80)
        .map(|_| Requirement {
            claim: "mail",
            any_of: &["a"],
        })
        .collect();
    let of_each: Vec<_> = claims
        .iter()
        .map(|claim| Requirement {
            claim,
            any_of: &["a"],
        })
        .collect();
    let check = |required: &[Requirement<'_>], code| {
        let mut policy = policy();
        policy.required = required;
        let mut scratch = [0; MAX_PAYLOAD];
        let rejection = verify(TOKEN, &keys, &policy, NOW, &mut scratch).err();
        assert_eq!(
            rejection.map(Rejection::code),
            Some(code),
            "{}",
            required.len()
        );
    };
    // `iss`, `aud` and their like are read beside these.
    check(&of_each[..8], "unmet_requirement");
    check(&of_each[..17], "internal_error");
    check(&of_one[..40], "unmet_requirement");
    check(&of_one, "internal_error");
}
