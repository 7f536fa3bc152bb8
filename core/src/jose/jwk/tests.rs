use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;

use base64::{
    Engine as _,
    engine::general_purpose::{
        GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD,
    },
};

use super::*;
use crate::crypto::{Backend as _, RustCrypto};

/// Points of which one coordinate begins with a byte of zeros: small multiples of the base point.
const SHORT_X: [(&str, &str, &str); 3] = [
    (
        "P-256",
        "AFVDiUrz0A7X10Cr29dclrBod7eH219w7qeLkKjXwAo",
        "u0yFo9jqKe-q-iRAaRLdhNWxTcMr9lbvbGvVil2UP5I",
    ),
    (
        "P-384",
        "AE0QSybuVnH3LBDJhoQdPmXSheJRYWG3uqNBsSYxueMrbw1YlthDHFHV2To3y8kO",
        "8RoeP4t7kFOO5CzADuk0puLuJVQWB9j7ZceosR4viGhTiG7vOGXskzIAufJVmfKf",
    ),
    (
        "P-521",
        "AGUr88UpJ6Qyxz28M5HATrC_ellu_bU_DSTPA9q48Xes5Dg8DG1eMBQjcRL-rxN-eaMp1-Hm2JMXONWrUJbsjzB4",
        "AVvm7xvdZgHW7IorcxFKgRKRHNj-jocuAFHt2BfJoDRwh7tol8kHLPN0MRVAIRz1_3nR8Aclc1T3-Bc8w-jesJDL",
    ),
];
const SHORT_Y: [(&str, &str, &str); 3] = [
    (
        "P-256",
        "mGriUG8f8QTQQjCGHY9LSY9LxMbQCbMPdUTcEpuC0o0",
        "ADzMwKZGDgrjKKTZfTx7YdhvxiicGJ8lJREMRBuwfpc",
    ),
    (
        "P-384",
        "0DqnSPX0jrPgxUtoPyXS4tfX4yASgqlbV6Wf-4-Uz0xDsRB8qUS5IRw1ERLeFu0Y",
        "AAoIxgLcXgAx2tCIwZMF9rJSorw_JF96W4C0hMe5n2mBwyN0xxSnaDJV9TMfZrsG",
    ),
    (
        "P-521",
        "AVhTieNZ4eIYJqL1vxVxVtSI7TRUG5iHRpksSrFFuMa2ZXQp4TlhNNo188VW33JaMY9PULq9hc0oZh9FYnlny-IH",
        "ACouYYyaiu3znwtVVXonrpOOMIimVO4c67bIJbomPdtEbg1p5XVgV6yED_Vuz0q_2H1zbCrpKIgPNDqg6oa5rSpO",
    ),
];

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Whether the key can be read and prepared.
fn is_usable(json: &str) -> bool {
    let Ok(jwk) = Jwk::parse(json.as_bytes()) else {
        return false;
    };
    let mut buffer = KeyBuffer::new();
    let material = jwk.material_or_secret(&mut buffer);
    material.is_ok_and(|material| RustCrypto.prepare(&material, jwk.algorithms()).is_ok())
}

#[track_caller]
fn check(json: &str, expected: bool) {
    assert_eq!(is_usable(json), expected, "{json}");
}

fn oct(members: &str) -> String {
    format!(r#"{{"kty":"oct","k":"{SECRET}",{members}}}"#)
}

fn ec(crv: &str, x: &str, y: &str) -> String {
    format!(r#"{{"kty":"EC","crv":"{crv}","x":"{x}","y":"{y}"}}"#)
}

fn bytes(number: &str) -> Vec<u8> {
    let mut bytes = std::vec![0; 128];
    let len = URL_SAFE_NO_PAD.decode_slice(number, &mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

fn encode(engine: &GeneralPurpose, bytes: impl AsRef<[u8]>) -> String {
    let mut text = std::vec![0; 1024];
    let len = engine.encode_slice(bytes, &mut text).unwrap();
    text.truncate(len);
    String::from_utf8(text).unwrap()
}

fn url(bytes: impl AsRef<[u8]>) -> String {
    encode(&URL_SAFE_NO_PAD, bytes)
}

fn standard(bytes: impl AsRef<[u8]>) -> String {
    encode(&STANDARD, bytes)
}

/// A modulus whose text holds both characters in which the alphabets differ, and needs padding.
fn modulus() -> Vec<u8> {
    let mut modulus: Vec<u8> = (0..=255).collect();
    modulus[0] = 0xfb;
    modulus[1] = 0xff;
    modulus
}

fn rsa(n: &str, e: &str) -> String {
    format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#)
}

// RFC 7517 section 4.3: "Duplicate key operation values MUST NOT be present in the array" (K6).
#[test]
fn key_ops_are_strings_without_repetition() {
    check(&oct(r#""key_ops":["verify"]"#), true);
    check(&oct(r#""key_ops":["sign","verify"]"#), true);
    check(&oct(r#""key_ops":["verify","other"]"#), true);
    for operations in [
        r#"["verify","verify"]"#,
        r#"["verify","sign","verify"]"#,
        r#"["sign","sign","verify"]"#,
        r#"["verify","sign","sign"]"#,
        r#"["verify","\u0076erify"]"#,
        r#"["verify",0]"#,
        r#"["verify",null]"#,
        r#"["verify",["sign"]]"#,
        r#"[0,"verify"]"#,
        r#"["verify",{}]"#,
        r#""verify""#,
        r#"{"verify":true}"#,
        "true",
        "[]",
    ] {
        check(&oct(&format!(r#""key_ops":{operations}"#)), false);
    }
}

#[test]
fn key_ops_are_bounded() {
    let operations = |count| {
        let others: Vec<String> = (1..count).map(|index| format!(r#","{index}""#)).collect();
        oct(&format!(r#""key_ops":["verify"{}]"#, others.concat()))
    };
    check(&operations(16), true);
    check(&operations(17), false);
}

#[test]
fn members_of_odd_types_refuse_the_key() {
    for member in ["use", "alg", "kid"] {
        for value in ["1", "true", "[]", r#"["sig"]"#, "{}"] {
            check(&oct(&format!(r#""{member}":{value}"#)), false);
        }
    }
}

#[test]
fn null_is_absence() {
    for members in [
        r#""alg":null"#,
        r#""use":null"#,
        r#""key_ops":null"#,
        r#""kid":null"#,
        r#""crv":null,"x":null,"n":null"#,
        r#""alg":null,"use":null,"key_ops":null,"kid":null,"x5c":null,"issuer":null"#,
    ] {
        check(&oct(members), true);
    }
    check(r#"{"kty":"oct","k":null}"#, false);
    check(&format!(r#"{{"kty":null,"k":"{SECRET}"}}"#), false);
}

#[test]
fn a_kid_that_is_empty_or_null_is_none() {
    for kid in ["\"\"", "null"] {
        let json = oct(&format!(r#""kid":{kid}"#));
        let jwk = Jwk::parse(json.as_bytes()).unwrap();
        assert_eq!(jwk.kid(), None, "{kid}");
    }
}

#[test]
fn names_are_read_with_their_escapes() {
    check(&oct(r#""alg":"HS\u0032\u0035\u0036""#), true);
    let (_, x, y) = SHORT_X[0];
    check(&ec(r"P\u002d256", x, y), true);
    check(&ec("P-256", x, y).replace("EC", r"\u0045C"), true);
}

// RFC 7518 section 6.2.1.2 demands the full length; writers of integers leave a zero out, or add one (K5).
#[test]
fn a_coordinate_may_lack_a_zero_or_have_one_too_many() {
    for (crv, x, y) in SHORT_X.into_iter().chain(SHORT_Y) {
        check(&ec(crv, x, y), true);
        let shortened = |number| {
            let bytes = bytes(number);
            let start = usize::from(bytes[0] == 0);
            url(&bytes[start..])
        };
        let lengthened = |number| url([&[0][..], &bytes(number)].concat());
        check(&ec(crv, &shortened(x), &shortened(y)), true);
        check(&ec(crv, &lengthened(x), y), true);
        check(&ec(crv, x, &lengthened(y)), true);
        check(&ec(crv, &lengthened(x), &lengthened(y)), true);
        check(&ec(crv, &lengthened(x), &shortened(y)), true);
    }
    // The 40,393rd multiple of P-256's base point begins with two zeros: one may be missing, and the other stays.
    let x = "AAA_XxeKoHBsQjHrblSVqhZCxbiplBJ8iUZfIplKQvk";
    let y = "wkizN1mfDC8pdy4lbx1VScibqeVzE4LNHjzAnRDQC1U";
    check(&ec("P-256", x, y), true);
    check(&ec("P-256", &url(&bytes(x)[1..]), y), true);
    check(&ec("P-256", &url(&bytes(x)[2..]), y), false);
}

#[test]
fn other_lengths_of_a_coordinate_are_refused() {
    for (crv, x, y) in SHORT_X {
        let (x_bytes, y_bytes) = (bytes(x), bytes(y));
        // A byte that is none of zero, in front, behind, or missing.
        check(&ec(crv, &url([&[1][..], &x_bytes].concat()), y), false);
        check(&ec(crv, &url([&x_bytes[..], &[0]].concat()), y), false);
        check(&ec(crv, x, &url(&y_bytes[1..])), false);
        check(&ec(crv, x, &url(&y_bytes[..y_bytes.len() - 1])), false);
        // More than one.
        check(&ec(crv, &url([&[0, 0][..], &x_bytes].concat()), y), false);
        check(&ec(crv, &url(&x_bytes[2..]), y), false);
        check(&ec(crv, "", y), false);
        // Digits moved from one to the other.
        let moved = [&x_bytes[..], &y_bytes[..1]].concat();
        check(&ec(crv, &url(&moved), &url(&y_bytes[1..])), false);
    }
}

// `corpora/wellknown/battle-net.json` writes `n` in the other alphabet, with padding (K5).
#[test]
fn a_public_number_may_be_written_in_either_alphabet_with_or_without_padding() {
    let n = modulus();
    for n in [
        url(&n),
        encode(&URL_SAFE, &n),
        encode(&STANDARD_NO_PAD, &n),
        standard(&n),
        standard(&n).replace('/', r"\/"),
        standard([&[0][..], &n].concat()),
    ] {
        check(&rsa(&n, "AQAB"), true);
    }
    check(&rsa(&url(&n), "Aw=="), true);
    for (crv, x, y) in SHORT_X {
        check(&ec(crv, &standard(bytes(x)), y), true);
        check(&ec(crv, x, &standard(bytes(y))), true);
    }
    let x = bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    let okp = |x: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
    check(&okp(&standard(&x)), true);
    check(&okp(&encode(&URL_SAFE, &x)), true);
    check(&okp(&url([&[0][..], &x].concat())), false);
}

#[test]
fn a_number_has_one_alphabet_and_no_bits_left_over() {
    let padded = standard(modulus());
    let n = padded.trim_end_matches('=');
    assert_eq!(padded.len() - n.len(), 2, "both bytes of padding");
    let mut last = n.to_string();
    last.pop();
    let (start, end) = n.split_at(64);
    let rest: String = end.chars().skip(1).collect();
    for n in [
        n.replacen('+', "-", 1),
        n.replacen('/', "_", 1),
        format!("{n}="),
        format!("{n}==="),
        format!("{n}===="),
        format!("={n}=="),
        format!("{last}B"),
        format!("{last}B=="),
        format!("{last}="),
        last,
        format!("{n} "),
        format!(" {n}"),
        format!(r"{n}\n"),
        format!("{start}\\n{end}"),
        format!("{start}*{rest}"),
        format!("{start}é{rest}"),
    ] {
        check(&rsa(&n, "AQAB"), false);
    }
    for e in ["AQAB=", "AQAB====", "=", "AQ=B", "A"] {
        check(&rsa(n, e), false);
    }
}

#[test]
fn a_secret_has_one_spelling() {
    let mut secret = [0xff; 32];
    secret[31] = 0xfe;
    let oct = |k: &str| format!(r#"{{"kty":"oct","k":"{k}"}}"#);
    check(&oct(&url(secret)), true);
    check(&oct(&encode(&URL_SAFE, secret)), false);
    check(&oct(&encode(&STANDARD_NO_PAD, secret)), false);
    check(&oct(&standard(secret)), false);
    check(&oct(&standard(secret).replace('/', r"\/")), false);
}

#[test]
fn a_key_may_name_its_issuer() {
    let issuer = |issuer: &str| {
        let json = oct(&format!(r#""issuer":{issuer}"#));
        Jwk::parse(json.as_bytes()).map(|jwk| jwk.issuer().map(String::from))
    };
    let url = "https://login.example.com/{tenantid}/v2.0";
    assert_eq!(issuer(&format!("\"{url}\"")), Ok(Some(url.to_string())));
    assert_eq!(
        issuer(r#""https:\/\/a""#),
        Ok(Some("https://a".to_string()))
    );
    assert_eq!(issuer("null"), Ok(None));
    // One that cannot be read is not one that is absent.
    let wrong = |fault| Err(Member::Issuer.is(fault));
    assert_eq!(issuer("7"), wrong(MemberFault::Type));
    let long = format!("\"{}\"", "a".repeat(Jwk::MAX_ISSUER + 1));
    assert_eq!(issuer(&long), wrong(MemberFault::TooLong));
}
