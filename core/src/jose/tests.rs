use super::*;
use crate::{
    claims::TokenType,
    crypto::{Algorithm, AlgorithmSet, InvalidSignature, KeyMaterial, Unsupported, VerifyingKey},
};
use ::base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{format, string::String};

fn encode(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let mut text = std::vec![0; bytes.len() * 2];
    let len = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text).unwrap();
    text.truncate(len);
    String::from_utf8(text).unwrap()
}

fn token(header: impl AsRef<[u8]>) -> String {
    format!("{}.e30.c2ln", encode(header))
}

#[track_caller]
fn refuse_header(header: impl AsRef<[u8]>, expected: Error) {
    let text = String::from_utf8_lossy(header.as_ref()).into_owned();
    assert_eq!(
        UnverifiedJwt::parse(&token(header)).err(),
        Some(expected),
        "{text}"
    );
}

#[test]
fn a_header_chooses_algorithm_and_key() {
    let token =
        token(r#"{"typ":"at+jwt","alg":"ES256","kid":"k\u0031","x":[{}],"jku":"https://evil"}"#);
    let jwt = UnverifiedJwt::parse(&token).unwrap();
    assert_eq!(jwt.header().algorithm(), Algorithm::Es256);
    assert_eq!(jwt.header().kid(), Some("k1"));
    assert_eq!(jwt.header().token_type, TokenType::AccessToken);
}

#[test]
fn both_names_of_ed25519_are_known() {
    for name in ["EdDSA", "Ed25519"] {
        let token = token(format!(r#"{{"alg":"{name}"}}"#));
        assert_eq!(
            UnverifiedJwt::parse(&token).unwrap().header().algorithm(),
            Algorithm::EdDsa
        );
    }
}

#[test]
fn every_algorithm_has_one_name() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
    }
}

#[test]
fn a_compact_jws_has_three_parts() {
    for opaque in [
        "",
        ".",
        "abc",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        "...",
        "abc.def",
    ] {
        assert_eq!(
            UnverifiedJwt::parse(opaque).err(),
            Some(Error::NotCompactJws),
            "{opaque}"
        );
    }
}

#[test]
fn a_header_is_one_object_of_base64url() {
    assert_eq!(
        UnverifiedJwt::parse("*.e30.c2ln").err(),
        Some(Error::Encoding)
    );
    assert_eq!(
        UnverifiedJwt::parse("e30=.e30.c2ln").err(),
        Some(Error::Encoding)
    );
    for header in [
        "",
        "[]",
        "null",
        "\"x\"",
        "{} ",
        "{\"alg\":\"HS256\"}x",
        "{",
        "{\"alg\":HS256}",
    ] {
        let expected = if header == "{} " {
            Error::MissingAlgorithm
        } else {
            Error::Header
        };
        refuse_header(header, expected);
    }
    refuse_header(b"{\"alg\":\"HS256\xff\"}", Error::Header);
    refuse_header(r#"{"\u0061lg":"HS256"}"#, Error::Header);
}

#[test]
fn an_algorithm_is_named_exactly() {
    refuse_header("{}", Error::MissingAlgorithm);
    refuse_header(r#"{"alg":1}"#, Error::MissingAlgorithm);
    refuse_header(r#"{"alg":null}"#, Error::MissingAlgorithm);
    for name in [
        "none",
        "None",
        "",
        "es256",
        "HS256 ",
        "ES256K",
        "RSA-OAEP",
        "HS257",
        "ES\\u0032\\u0035\\u0036",
    ] {
        refuse_header(
            format!(r#"{{"alg":"{name}"}}"#),
            Error::UnsupportedAlgorithm,
        );
    }
}

#[test]
fn a_key_identifier_is_a_short_string() {
    refuse_header(r#"{"alg":"HS256","kid":""}"#, Error::KeyId);
    refuse_header(r#"{"alg":"HS256","kid":5}"#, Error::KeyId);
    refuse_header(r#"{"alg":"HS256","kid":["a"]}"#, Error::KeyId);
    let longest = "k".repeat(Header::MAX_KID);
    assert!(
        UnverifiedJwt::parse(&token(format!(r#"{{"alg":"HS256","kid":"{longest}"}}"#))).is_ok()
    );
    refuse_header(
        format!(r#"{{"alg":"HS256","kid":"{longest}k"}}"#),
        Error::KeyId,
    );
}

#[test]
fn headers_that_change_the_meaning_are_refused() {
    refuse_header(
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        Error::CriticalExtension,
    );
    refuse_header(r#"{"alg":"HS256","crit":[]}"#, Error::CriticalExtension);
    refuse_header(r#"{"alg":"HS256","b64":false}"#, Error::UnencodedPayload);
    refuse_header(r#"{"alg":"HS256","b64":true}"#, Error::UnencodedPayload);
    refuse_header(r#"{"alg":"HS256","alg":"none"}"#, Error::DuplicateHeader);
    refuse_header(r#"{"alg":"HS256","x":1,"x":1}"#, Error::DuplicateHeader);
}

#[test]
fn headers_are_bounded() {
    let header = |len: usize| {
        let rest = len - r#"{"alg":"HS256","x":""}"#.len();
        format!(r#"{{"alg":"HS256","x":"{}"}}"#, "x".repeat(rest))
    };
    assert!(UnverifiedJwt::parse(&token(header(Header::MAX_LEN))).is_ok());
    refuse_header(header(Header::MAX_LEN + 1), Error::HeaderTooLong);
    refuse_header(
        format!(
            r#"{{"alg":"HS256","x":{}1{}}}"#,
            "[".repeat(20),
            "]".repeat(20)
        ),
        Error::Header,
    );
}

#[test]
fn token_types_are_media_types_without_case() {
    for (typ, expected) in [
        ("at+jwt", TokenType::AccessToken),
        ("AT+JWT", TokenType::AccessToken),
        ("application/at+jwt", TokenType::AccessToken),
        ("APPLICATION/AT+JWT", TokenType::AccessToken),
        ("JWT", TokenType::Unspecified),
        ("jwt", TokenType::Unspecified),
        ("application/jwt", TokenType::Unspecified),
        ("", TokenType::Other),
        ("ID", TokenType::Other),
        ("logout+jwt", TokenType::Other),
        ("text/jwt", TokenType::Other),
        ("application/", TokenType::Other),
        ("application/application/jwt", TokenType::Other),
        ("application?jwt", TokenType::Other),
    ] {
        let token = token(format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#));
        assert_eq!(
            UnverifiedJwt::parse(&token).unwrap().header().token_type,
            expected,
            "{typ}"
        );
    }
    let unspecified = token(r#"{"alg":"HS256"}"#);
    assert_eq!(
        UnverifiedJwt::parse(&unspecified)
            .unwrap()
            .header()
            .token_type,
        TokenType::Unspecified
    );
    refuse_header(r#"{"alg":"HS256","typ":1}"#, Error::TokenType);
}

#[test]
fn signatures_are_bounded() {
    let token = |len: usize| {
        format!(
            "{}.e30.{}",
            encode(r#"{"alg":"RS256"}"#),
            encode("s".repeat(len))
        )
    };
    assert!(UnverifiedJwt::parse(&token(512)).is_ok());
    assert_eq!(
        UnverifiedJwt::parse(&token(513)).err(),
        Some(Error::SignatureTooLong)
    );
}

/// Takes the one signature `sig` over whatever it is asked about.
struct Only(AlgorithmSet, &'static [u8]);

impl VerifyingKey for Only {
    fn algorithms(&self) -> AlgorithmSet {
        self.0
    }

    fn verify(&self, _: Algorithm, input: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        if input == self.1 && signature == b"sig" {
            Ok(())
        } else {
            Err(InvalidSignature)
        }
    }
}

const HS256: &str = "eyJhbGciOiJIUzI1NiJ9";

#[track_caller]
fn check_verify(payload_and_signature: &str, scratch: usize, expected: Result<&[u8], VerifyError>) {
    let token = format!("{HS256}.{payload_and_signature}");
    let signed = token.rsplit_once('.').unwrap().0.as_bytes().to_vec().leak();
    let key = Only(AlgorithmSet::of(&[Algorithm::Hs256]), signed);
    let mut scratch = std::vec![0; scratch];
    let payload = UnverifiedJwt::parse(&token)
        .unwrap()
        .verify(&key, &mut scratch);
    assert_eq!(
        payload.map(|payload| payload.bytes().to_vec()),
        expected.map(<[u8]>::to_vec),
        "{token}"
    );
}

#[test]
fn the_payload_is_what_was_signed() {
    check_verify("e30.c2ln", 2, Ok(b"{}"));
    check_verify(".c2ln", 0, Ok(b""));
    check_verify("e30.c2lo", 2, Err(VerifyError::Signature));
    check_verify("e30.c2l", 2, Err(VerifyError::Token(Error::Encoding)));
    check_verify("e30.c2ln=", 2, Err(VerifyError::Token(Error::Encoding)));
    check_verify("e30.", 2, Err(VerifyError::Signature));
    check_verify("e3.c2ln", 2, Err(VerifyError::Token(Error::Encoding)));
    check_verify(
        "e30.c2ln",
        1,
        Err(VerifyError::Token(Error::PayloadTooLong)),
    );
}

#[test]
fn a_key_is_only_asked_for_its_algorithms() {
    let token = format!("{HS256}.e30.c2ln");
    let key = Only(
        AlgorithmSet::of(&[Algorithm::Hs384]),
        b"eyJhbGciOiJIUzI1NiJ9.e30",
    );
    let verified = UnverifiedJwt::parse(&token)
        .unwrap()
        .verify(&key, &mut [0; 8])
        .err();
    assert_eq!(verified, Some(VerifyError::Signature));
}

#[test]
fn unverified_tokens_are_not_printed() {
    let token = format!("{HS256}.c2VjcmV0.c2ln");
    let debug = format!("{:?}", UnverifiedJwt::parse(&token).unwrap());
    assert!(
        !debug.contains("c2Vj") && !debug.contains("c2ln"),
        "{debug}"
    );
}

// Keys.

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

#[track_caller]
fn check_jwk(json: &str, expected: Result<AlgorithmSet, KeyError>) {
    let usable = Jwk::parse(json.as_bytes()).and_then(|jwk| {
        Ok(jwk
            .material_or_secret(&mut KeyBuffer::new())?
            .algorithms()
            .intersection(jwk.algorithms()))
    });
    assert_eq!(usable, expected, "{json}");
}

fn number(len: usize) -> String {
    encode(std::vec![0xC1; len])
}

#[test]
fn a_jwk_serves_its_alg_or_what_its_type_allows() {
    let hs256 = AlgorithmSet::of(&[Algorithm::Hs256]);
    check_jwk(&format!(r#"{{"kty":"oct","k":"{SECRET}"}}"#), Ok(hs256));
    check_jwk(
        &format!(r#"{{"kty":"oct","alg":"HS256","k":"{SECRET}"}}"#),
        Ok(hs256),
    );
    check_jwk(
        &format!(r#"{{"kty":"oct","alg":"RS256","k":"{SECRET}"}}"#),
        Ok(AlgorithmSet::EMPTY),
    );
    check_jwk(
        &format!(r#"{{"kty":"oct","alg":"A128KW","k":"{SECRET}"}}"#),
        Err(KeyError::UnsupportedAlgorithm(ShortName::new("A128KW"))),
    );
    let rsa = |alg| {
        format!(
            r#"{{"kty":"RSA",{alg}"n":"{}","e":"AQAB","d":"AA"}}"#,
            number(256)
        )
    };
    check_jwk(
        &rsa(r#""alg":"PS256","#),
        Ok(AlgorithmSet::of(&[Algorithm::Ps256])),
    );
    check_jwk(
        &rsa(""),
        Ok(AlgorithmSet::of(&[
            Algorithm::Rs256,
            Algorithm::Rs384,
            Algorithm::Rs512,
            Algorithm::Ps256,
            Algorithm::Ps384,
            Algorithm::Ps512,
        ])),
    );
    let x = number(32);
    check_jwk(
        &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#),
        Ok(AlgorithmSet::of(&[Algorithm::EdDsa])),
    );
}

#[test]
fn a_curve_binds_its_algorithm_and_its_lengths() {
    for (crv, len, algorithm) in [
        ("P-256", 32, Algorithm::Es256),
        ("P-384", 48, Algorithm::Es384),
        ("P-521", 66, Algorithm::Es512),
    ] {
        let jwk = |x, y| {
            format!(
                r#"{{"kty":"EC","crv":"{crv}","x":"{}","y":"{}"}}"#,
                number(x),
                number(y)
            )
        };
        check_jwk(&jwk(len, len), Ok(AlgorithmSet::of(&[algorithm])));
        for (x, y, member) in [
            (len - 2, len, Member::X),
            (len, len - 2, Member::Y),
            (len + 1, len, Member::X),
            (len, len + 1, Member::Y),
            (0, len, Member::X),
            (len, 0, Member::Y),
        ] {
            check_jwk(
                &jwk(x, y),
                Err(KeyError::Member(member, MemberFault::Length)),
            );
        }
    }
}

#[test]
fn unknown_types_are_told_from_broken_keys() {
    for (kind, name) in [
        (
            r#""kty":"EC","crv":"secp256k1","x":"AA","y":"AA""#,
            "secp256k1",
        ),
        (r#""kty":"OKP","crv":"X25519","x":"AA""#, "X25519"),
        (r#""kty":"OKP","crv":"Ed448","x":"AA""#, "Ed448"),
        (r#""kty":"AKP","pub":"AA""#, "AKP"),
        (r#""kty":"rsa","n":"AA","e":"AQAB""#, "rsa"),
        (r#""kty":"no name""#, ""),
        (r#""kty":"a-name-of-17-byte""#, ""),
        (r#""kty":"""#, ""),
    ] {
        let error = KeyError::UnsupportedType(ShortName::new(name));
        check_jwk(&format!("{{{kind}}}"), Err(error));
    }
    for text in ["[]", "", "{", r#"{"kty":"oct""#] {
        check_jwk(text, Err(KeyError::Malformed));
    }
    let okp = |x: &str| format!(r#""kty":"OKP","crv":"Ed25519","x":"{x}""#);
    for (members, member, fault) in [
        ("", Member::Kty, MemberFault::Missing),
        (r#""kty":1"#, Member::Kty, MemberFault::Type),
        (
            r#""kty":"EC","x":"AA","y":"AA""#,
            Member::Crv,
            MemberFault::Missing,
        ),
        (r#""kty":"OKP","x":"AA""#, Member::Crv, MemberFault::Missing),
        (
            r#""kty":"OKP","crv":1,"x":"AA""#,
            Member::Crv,
            MemberFault::Type,
        ),
        (
            r#""kty":"EC","crv":"P-256","y":"AA""#,
            Member::X,
            MemberFault::Missing,
        ),
        (
            r#""kty":"EC","crv":"P-256","x":"AA""#,
            Member::Y,
            MemberFault::Missing,
        ),
        (r#""kty":"RSA","e":"AQAB""#, Member::N, MemberFault::Missing),
        (r#""kty":"RSA","n":"AA""#, Member::E, MemberFault::Missing),
        (r#""kty":"oct","k":1"#, Member::K, MemberFault::Type),
        (
            &format!(r#""kty":"oct","k":"{SECRET}=""#),
            Member::K,
            MemberFault::Encoding,
        ),
        (
            &format!(r#""kty":"oct","k":"\u0041{SECRET}""#),
            Member::K,
            MemberFault::Encoding,
        ),
        (&okp(&number(31)), Member::X, MemberFault::Length),
        (&okp(&number(33)), Member::X, MemberFault::Length),
    ] {
        check_jwk(
            &format!("{{{members}}}"),
            Err(KeyError::Member(member, fault)),
        );
    }
    check_jwk(
        &format!(r#"{{"kty":"oct","k":"{SECRET}","k":"{SECRET}"}}"#),
        Err(KeyError::DuplicateMember),
    );
}

#[test]
fn sizes_are_policed() {
    let material = |error| Err(KeyError::Material(error));
    let rsa = |n: &str, e: &str| format!(r#"{{"kty":"RSA","alg":"RS256","n":"{n}","e":"{e}"}}"#);
    let rs256 = Ok(AlgorithmSet::of(&[Algorithm::Rs256]));
    check_jwk(
        &rsa(&number(255), "AQAB"),
        material(Unsupported::ModulusSize),
    );
    check_jwk(&rsa(&number(256), "AQAB"), rs256);
    check_jwk(&rsa(&number(512), "AQAB"), rs256);
    check_jwk(
        &rsa(&number(513), "AQAB"),
        material(Unsupported::ModulusSize),
    );
    check_jwk(
        &rsa(&number(514), "AQAB"),
        Err(KeyError::Member(Member::N, MemberFault::TooLong)),
    );
    check_jwk(
        &rsa(&encode([&[0][..], &[0xC1; 512]].concat()), "AQAB"),
        rs256,
    );
    check_jwk(
        &rsa(&encode([&[0x7F][..], &[0xC1; 255]].concat()), "AQAB"),
        material(Unsupported::ModulusSize),
    );
    check_jwk(
        &rsa(&encode([0xC2; 256]), "AQAB"),
        material(Unsupported::Modulus),
    );
    for exponent in ["AQ", "Ag", "", "AAAB", "AQAA", "AQAAAAE"] {
        check_jwk(
            &rsa(&number(256), exponent),
            material(Unsupported::Exponent),
        );
    }
    check_jwk(&rsa(&number(256), "Aw"), rs256);
    let oct = |len| format!(r#"{{"kty":"oct","k":"{}"}}"#, number(len));
    check_jwk(&oct(31), material(Unsupported::SecretLength));
    check_jwk(&oct(47), Ok(AlgorithmSet::of(&[Algorithm::Hs256])));
    check_jwk(
        &oct(48),
        Ok(AlgorithmSet::of(&[Algorithm::Hs256, Algorithm::Hs384])),
    );
    check_jwk(
        &oct(64),
        Ok(AlgorithmSet::of(&[
            Algorithm::Hs256,
            Algorithm::Hs384,
            Algorithm::Hs512,
        ])),
    );
    check_jwk(&oct(257), material(Unsupported::SecretLength));
}

#[test]
fn use_and_key_ops_may_forbid() {
    let hs256 = Ok(AlgorithmSet::of(&[Algorithm::Hs256]));
    let jwk = |members: &str| format!(r#"{{"kty":"oct","k":"{SECRET}",{members}}}"#);
    check_jwk(&jwk(r#""use":"sig""#), hs256);
    check_jwk(&jwk(r#""key_ops":["sign","verify"]"#), hs256);
    check_jwk(&jwk(r#""use":"sig","key_ops":["verify"]"#), hs256);
    for members in [
        r#""use":"enc""#,
        r#""use":"SIG""#,
        r#""use":"""#,
        r#""key_ops":[]"#,
        r#""key_ops":["sign"]"#,
        r#""key_ops":["encrypt","wrapKey"]"#,
        r#""use":"sig","key_ops":["sign"]"#,
        r#""use":"enc","key_ops":["verify"]"#,
    ] {
        check_jwk(&jwk(members), Err(KeyError::NotForSignatures));
    }
    for (members, member, fault) in [
        (r#""use":1"#, Member::Use, MemberFault::Type),
        (r#""key_ops":"verify""#, Member::KeyOps, MemberFault::Type),
        (r#""key_ops":[1]"#, Member::KeyOps, MemberFault::Type),
        (
            r#""key_ops":["sign","sign"]"#,
            Member::KeyOps,
            MemberFault::Repeated,
        ),
    ] {
        check_jwk(&jwk(members), Err(KeyError::Member(member, fault)));
    }
}

#[test]
fn a_jwk_has_a_usable_kid_or_none() {
    let kid = |kid: &str| {
        let json = format!(r#"{{"kty":"oct","k":"{SECRET}"{kid}}}"#);
        Jwk::parse(json.as_bytes()).map(|jwk| jwk.kid().map(String::from))
    };
    assert_eq!(kid(""), Ok(None));
    assert_eq!(kid(r#","kid":"a\u0062""#), Ok(Some("ab".into())));
    assert_eq!(kid(r#","kid":"""#), Ok(None));
    let wrong = |fault| Err(KeyError::Member(Member::Kid, fault));
    assert_eq!(kid(r#","kid":1"#), wrong(MemberFault::Type));
    assert_eq!(
        kid(&format!(r#","kid":"{}""#, "k".repeat(257))),
        wrong(MemberFault::TooLong)
    );
}

#[test]
fn one_bad_key_does_not_spoil_a_set() {
    let good = format!(r#"{{"kty":"oct","k":"{SECRET}","kid":"g"}}"#);
    let set = format!(r#"{{"other":1,"keys":[{good},{{"kty":"AKP"}},5,{good}]}}"#);
    let kids = |json: &str| {
        JwkSet::parse(json.as_bytes()).map(|set| {
            set.map(|jwk| jwk.map(|jwk| jwk.kid().map(String::from)))
                .collect::<std::vec::Vec<_>>()
        })
    };
    // The same in pieces of any length.
    let in_pieces = |json: &[u8], length: usize| {
        let (mut buffer, mut kept, mut kids) = ([0; 512], 0, std::vec![]);
        let mut reader = JwkSetReader::new();
        for piece in json.chunks(length) {
            buffer[kept..][..piece.len()].copy_from_slice(piece);
            kept = reader.read(&mut buffer, kept + piece.len(), |jwk| {
                kids.push(jwk.map(|jwk| jwk.kid().map(String::from)));
            });
        }
        reader.finish().map(|()| kids)
    };
    let kids = |json: &str| {
        let whole = kids(json);
        for length in [1, 7, 200] {
            assert_eq!(in_pieces(json.as_bytes(), length), whole, "{json}");
        }
        if whole.is_ok() {
            let unfinished = in_pieces(&json.as_bytes()[..json.len() - 1], 7);
            assert_eq!(unfinished, Err(KeyError::Malformed), "{json}");
        }
        whole
    };
    let good_kid = Ok(Some(String::from("g")));
    let expected = [
        good_kid.clone(),
        Err(KeyError::UnsupportedType(ShortName::new("AKP"))),
        Err(KeyError::Malformed),
        good_kid,
    ];
    assert_eq!(kids(&set).unwrap(), expected);
    assert_eq!(kids(r#"{"keys":[]}"#).unwrap(), []);
    assert_eq!(kids(r#"{"x":1,"k\u0065ys":[],"x":2}"#).unwrap(), []);
    assert_eq!(kids("{}"), Err(KeyError::Malformed));
    assert_eq!(kids(r#"{"keys":{}}"#), Err(KeyError::Malformed));
    assert_eq!(
        kids(r#"{"keys":[],"keys":[]}"#),
        Err(KeyError::DuplicateMember)
    );
}

#[test]
fn what_is_printed_of_a_set_is_a_short_name() {
    let name = ShortName::new("AKP");
    assert_eq!(format!("{name} {name:?}"), r#"AKP "AKP""#);
    let reader = JwkSetReader::new();
    assert_eq!(format!("{reader:?}"), "JwkSetReader(..)");
}

/// An administrator reads it, and looks for the member.
#[test]
fn what_is_wrong_with_a_member_names_it() {
    for (members, said) in [
        (r#""n":"AA""#, "Its kty is missing"),
        (r#""kty":"RSA","e":"AQAB""#, "Its n is missing"),
        (r#""kty":"RSA","n":"AA","e":7"#, "Its e is not a string"),
        (
            r#""kty":"oct","k":"AA","key_ops":"verify""#,
            "Its key_ops is not an array of strings",
        ),
        (r#""kty":"oct","k":"AA","alg":1"#, "Its alg is not a string"),
    ] {
        let json = format!("{{{members}}}");
        let mut buffer = KeyBuffer::new();
        let read = Jwk::parse(json.as_bytes())
            .and_then(|jwk| jwk.material_or_secret(&mut buffer).map(drop));
        assert_eq!(format!("{}", read.unwrap_err()), said, "{json}");
    }
}

#[test]
fn sets_are_bounded() {
    let set = |count| {
        let key = format!(r#"{{"kty":"oct","k":"{SECRET}"}}"#);
        format!(r#"{{"keys":[{}]}}"#, std::vec![key; count].join(","))
    };
    let outcomes = |json: &str| {
        JwkSet::parse(json.as_bytes())
            .unwrap()
            .map(Result::err)
            .collect::<std::vec::Vec<_>>()
    };
    assert_eq!(
        outcomes(&set(JwkSet::MAX_KEYS)),
        std::vec![None; JwkSet::MAX_KEYS]
    );
    let beyond = outcomes(&set(JwkSet::MAX_KEYS + 2));
    assert_eq!(beyond.len(), JwkSet::MAX_KEYS + 1);
    assert_eq!(beyond.last(), Some(&Some(KeyError::TooManyKeys)));
    let (mut buffer, mut read) = (set(JwkSet::MAX_KEYS + 2).into_bytes(), std::vec![]);
    let (length, mut reader) = (buffer.len(), JwkSetReader::new());
    reader.read(&mut buffer, length, |key| read.push(key.err()));
    assert_eq!((reader.finish(), read), (Ok(()), beyond), "in pieces");
}

#[test]
fn public_keys_come_in_pem() {
    let read = |text: &[u8]| pem(text, &mut [0; 1024]).map(|material| material.algorithms());
    let only = |algorithm| Ok(AlgorithmSet::of(&[algorithm]));
    assert_eq!(
        read(include_bytes!("testdata/p256.pem")),
        only(Algorithm::Es256)
    );
    assert_eq!(
        read(include_bytes!("testdata/p384.pem")),
        only(Algorithm::Es384)
    );
    assert_eq!(
        read(include_bytes!("testdata/p521.pem")),
        only(Algorithm::Es512)
    );
    assert_eq!(
        read(include_bytes!("testdata/ed.pem")),
        only(Algorithm::EdDsa)
    );
    assert!(
        read(include_bytes!("testdata/rsa.pem"))
            .unwrap()
            .contains(Algorithm::Ps512)
    );
    assert_eq!(
        read(include_bytes!("testdata/k1.pem")),
        Err(KeyError::UnsupportedType(ShortName::NONE))
    );
    assert_eq!(
        read(include_bytes!("testdata/p256c.pem")),
        Err(KeyError::Material(Unsupported::Point))
    );
    let small = include_bytes!("testdata/rsa1024.pem");
    assert_eq!(
        read(small),
        Err(KeyError::Material(Unsupported::ModulusSize))
    );
}

#[test]
fn broken_pem_is_no_key() {
    let good = core::str::from_utf8(include_bytes!("testdata/ed.pem")).unwrap();
    let read = |text: &str| pem(text.as_bytes(), &mut [0; 1024]).map(|_| ()).err();
    assert_eq!(read(good.trim_end()), None);
    for text in [
        "",
        "x",
        &good.replace("PUBLIC", "PRIVATE"),
        &good.replace("PUBLIC KEY", "CERTIFICATE"),
        &good.replace("-----END", "----END"),
        &good.replacen('\n', "\n*", 1),
        &good.replacen("\nM", "\nN", 1),
    ] {
        assert_eq!(read(text), Some(KeyError::PublicKeyInfo), "{text}");
    }
    assert_eq!(
        pem(good.as_bytes(), &mut [0; 16]).map(|_| ()).err(),
        Some(KeyError::PublicKeyInfo)
    );
}

#[test]
fn der_is_exact() {
    let mut buffer = [0; 256];
    let (_, der) = pem_rfc7468::decode(include_bytes!("testdata/ed.pem"), &mut buffer).unwrap();
    let read = |der: &[u8]| public_key_der(der).map(|_| ()).err();
    assert_eq!(read(der), None);
    assert_eq!(read(&der[..der.len() - 1]), Some(KeyError::PublicKeyInfo));
    assert_eq!(read(&[der, &[0]].concat()), Some(KeyError::PublicKeyInfo));
    let mut unused_bits = der.to_vec();
    unused_bits[11] = 1; // The count of unused bits in front of the key.
    assert_eq!(read(&unused_bits), Some(KeyError::PublicKeyInfo));
}

#[test]
fn secrets_come_in_base64() {
    let read = |text: &str| match secret_base64(text.as_bytes(), &mut KeyBuffer::new()) {
        Ok(KeyMaterial::Hmac(secret)) => Ok(secret.expose().to_vec()),
        Ok(_) => panic!("not a secret"),
        Err(error) => Err(error),
    };
    let expected: std::vec::Vec<u8> = (0..32).collect();
    for text in [
        SECRET.into(),
        format!("{SECRET}="),
        format!(" {SECRET}=\r\n"),
    ] {
        assert_eq!(read(&text).as_ref(), Ok(&expected), "{text:?}");
    }
    for text in ["not base64!", "AAEC\nAwQF", "-----BEGIN PUBLIC KEY-----"] {
        assert_eq!(read(text), Err(KeyError::Secret), "{text:?}");
    }
    assert_eq!(
        read("AAEC"),
        Err(KeyError::Material(Unsupported::SecretLength))
    );
    assert_eq!(read(""), Err(KeyError::Material(Unsupported::SecretLength)));
    assert_eq!(read(&"A".repeat(4000)), Err(KeyError::Secret));
}
