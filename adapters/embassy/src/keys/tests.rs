use super::*;
use crate::baked::Numbers;
use crate::testing::moving;
use gatepost_core::crypto::{Algorithm, Curve};
use gatepost_core::jose::JwkSet;
use std::{format, string::String};

const TYPES: &[KeyType] = &[KeyType::HMAC, KeyType::ED25519, KeyType::RSA];
const NOBODY: IsWanted<'_> = &|_, _| false;

fn baked(numbers: Numbers) -> BakedKey {
    let algorithms = AlgorithmSet::ALL;
    BakedKey {
        kid: "1",
        issuer: "",
        algorithms,
        numbers,
    }
}

/// Keys whose numbers are made up, of 2,048 bits each.
fn set(kids: &[&str]) -> String {
    let key =
        |kid: &&str| format!(r#"{{"kty":"RSA","kid":"{kid}","e":"AQAB","n":"x{kid:A<340}Q"}}"#);
    let keys: std::vec::Vec<_> = kids.iter().map(key).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// Reads a set that is whole, or not; tells how many keys there are, and how many were left out.
fn read<const KEYS: usize, const ARENA: usize>(
    ring: &mut KeyRing<KEYS, ARENA>,
    json: &str,
    is_whole: bool,
    is_wanted: IsWanted<'_>,
) -> (usize, usize) {
    ring.begin(0, false);
    take_all(ring, json, is_whole, is_wanted)
}

/// As [`read`], right after it.
fn read_again<const KEYS: usize, const ARENA: usize>(
    ring: &mut KeyRing<KEYS, ARENA>,
    json: &str,
    is_whole: bool,
    is_wanted: IsWanted<'_>,
) -> (usize, usize) {
    ring.begin(0, true);
    take_all(ring, json, is_whole, is_wanted)
}

fn take_all<const KEYS: usize, const ARENA: usize>(
    ring: &mut KeyRing<KEYS, ARENA>,
    json: &str,
    is_whole: bool,
    is_wanted: IsWanted<'_>,
) -> (usize, usize) {
    let mut left_out = 0;
    for jwk in JwkSet::parse(json.as_bytes()).unwrap().flatten() {
        let taken = ring.take(0, AlgorithmSet::ALL, &jwk, is_wanted);
        left_out += usize::from(taken.is_err());
    }
    (ring.end(0, is_whole), left_out)
}

fn kids<const KEYS: usize, const ARENA: usize>(ring: &KeyRing<KEYS, ARENA>) -> String {
    ring.lend(|[keys]: &[&[TrustedKey<'_>]; 1]| keys.iter().filter_map(|key| key.kid).collect())
}

#[test]
fn a_secret_is_part_of_the_image_or_none() {
    let mut ring = KeyRing::<2, 256>::new(TYPES);
    let secret = baked(Numbers::Hmac(&[7; 64]));
    assert_eq!(ring.bake(0, AlgorithmSet::ALL, &secret), Ok(()));
    let json = r#"{"keys":[{"kty":"oct","k":"YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY"}]}"#;
    assert_eq!(read(&mut ring, json, false, NOBODY), (1, 1));
    assert_eq!(kids(&ring), "1", "the image's is kept");
}

#[test]
fn a_type_that_is_not_linked_is_left_out() {
    let mut ring = KeyRing::<2, 256>::new(TYPES);
    let point = baked(Numbers::Ec(Curve::P256, &[4; 65]));
    let refused = ring.bake(0, AlgorithmSet::ALL, &point);
    assert_eq!(
        refused,
        Err(LeftOut::Key(KeyError::Material(Unsupported::NoAlgorithm)))
    );
}

#[test]
fn equal_keys_are_one_and_a_key_keeps_the_issuer_that_it_names() {
    let mut ring = KeyRing::<2, 256>::new(TYPES);
    let key = r#"{"kty":"OKP","crv":"Ed25519","kid":"k","issuer":"https://a/{tenantid}",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let other = key.replace("https://a", "https://b");
    let set = format!(r#"{{"keys":[{key},{key},{other},{key}]}}"#);
    for _ in 0..2 {
        assert_eq!(read(&mut ring, &set, true, NOBODY), (2, 0));
    }
    ring.lend(|[keys]: &[&[TrustedKey<'_>]; 1]| {
        let issuers: std::vec::Vec<_> = keys.iter().map(|key| key.issuer).collect();
        assert_eq!(
            issuers,
            [Some("https://a/{tenantid}"), Some("https://b/{tenantid}")]
        );
        assert!(keys.iter().all(|key| key.kid == Some("k")));
    });
}

#[test]
fn a_full_ring_takes_no_more() {
    let mut ring = KeyRing::<2, 32>::new(TYPES);
    let key = baked(Numbers::Hmac(&[7; 32]));
    assert_eq!(
        ring.bake(0, AlgorithmSet::ALL, &key),
        Err(LeftOut::NoRoom),
        "its identifier is one byte too many"
    );
    assert!(ring.arena.is_empty() && ring.keys.is_empty());
}

#[test]
fn a_set_replaces_what_was_known_where_it_is_whole() {
    let mut ring = KeyRing::<4, 2048>::new(TYPES);
    assert_eq!(read(&mut ring, &set(&["a", "b"]), true, NOBODY), (2, 0));
    assert_eq!(read(&mut ring, &set(&["b", "c"]), false, NOBODY), (2, 0));
    assert_eq!(kids(&ring), "ab", "it was cut off");
    assert_eq!(read(&mut ring, &set(&["b", "c"]), true, NOBODY), (2, 0));
    assert_eq!(kids(&ring), "bc");
    ring.begin(0, false);
    let json = set(&["d"]);
    let jwk = JwkSet::parse(json.as_bytes()).unwrap().next().unwrap();
    assert!(
        ring.take(0, AlgorithmSet::ALL, &jwk.unwrap(), NOBODY)
            .is_ok()
    );
    assert_eq!(kids(&ring), "bc", "nobody knows yet whether it is whole");
}

#[test]
fn a_key_serves_what_the_newest_set_says() {
    let mut ring = KeyRing::<4, 2048>::new(TYPES);
    let served = |ring: &KeyRing<4, 2048>| {
        ring.lend(|[keys]: &[&[TrustedKey<'_>]; 1]| keys[0].key.algorithms())
    };
    let narrow = set(&["a"]).replace("\"kid\"", "\"alg\":\"RS256\",\"kid\"");
    read(&mut ring, &set(&["a"]), true, NOBODY);
    assert!(served(&ring).contains(Algorithm::Rs512));
    read(&mut ring, &narrow, true, NOBODY);
    assert!(!served(&ring).contains(Algorithm::Rs512));
}

// D4: what did not fit counted as what the provider does not have.
#[test]
fn a_key_that_a_login_waits_for_finds_room() {
    check_room(KeyRing::<8, 4096>::new(TYPES));
    check_room(KeyRing::<12, { 8 * 257 + 256 }>::new(TYPES));
}

/// Each of twelve keys finds room in a ring for eight.
fn check_room<const KEYS: usize, const ARENA: usize>(mut ring: KeyRing<KEYS, ARENA>) {
    let all = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    for wanted in all {
        look_for(&mut ring, &set(&all), wanted);
        let kids = kids(&ring);
        assert_eq!(kids.len(), 8);
        assert!(ring.is_partial() && kids.contains(wanted), "{wanted}");
    }
    read(&mut ring, &set(&all[..8]), true, NOBODY);
    assert_eq!(read(&mut ring, &set(&all[..8]), true, NOBODY), (8, 0));
    assert!(!ring.is_partial() && kids(&ring).len() == 8);
}

/// Keys under these identifiers, all of which verify [`SIGNED`].
fn verifying_set(kids: &[&str]) -> String {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let key = |kid: &&str| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}"#);
    let keys: std::vec::Vec<_> = kids.iter().map(key).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

// RFC 8037 appendix A.4.
const SIGNED: &[u8] = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
const SIGNATURE: [u8; 64] = [
    0x86, 0x0c, 0x98, 0xd2, 0x29, 0x7f, 0x30, 0x60, 0xa3, 0x3f, 0x42, 0x73, 0x96, 0x72, 0xd6, 0x1b,
    0x53, 0xcf, 0x3a, 0xde, 0xfe, 0xd3, 0xd3, 0xc6, 0x72, 0xf3, 0x20, 0xdc, 0x02, 0x1b, 0x41, 0x1e,
    0x9d, 0x59, 0xb8, 0x62, 0x8d, 0xc3, 0x51, 0xe2, 0x48, 0xb8, 0x8b, 0x29, 0x46, 0x8e, 0x0e, 0x41,
    0x85, 0x5b, 0x0f, 0xb7, 0xd8, 0x3b, 0xb1, 0x5b, 0xe9, 0x02, 0xbf, 0xcc, 0xb8, 0xcd, 0x0a, 0x02,
];

/// Has the key `kid` verify a signature, which is good or not.
fn verify<const KEYS: usize, const ARENA: usize>(
    ring: &KeyRing<KEYS, ARENA>,
    kid: &str,
    is_good: bool,
) {
    ring.lend(|[keys]: &[&[TrustedKey<'_>]; 1]| {
        let key = keys.iter().find(|key| key.kid == Some(kid)).unwrap();
        let mut signature = SIGNATURE;
        signature[1] ^= u8::from(!is_good);
        let verified = key.key.verify(Algorithm::EdDsa, SIGNED, &signature);
        assert_eq!(verified.is_ok(), is_good);
    });
}

/// Reads a set as a look does for a login that waits for `wanted`.
fn look_for<const KEYS: usize, const ARENA: usize>(
    ring: &mut KeyRing<KEYS, ARENA>,
    json: &str,
    wanted: &str,
) {
    let is_wanted: IsWanted<'_> = &|kid, _| kid == wanted;
    read(ring, json, true, is_wanted);
    if !kids(ring).contains(wanted) {
        read_again(ring, json, true, is_wanted);
    }
}

fn wait(seconds: u64) {
    embassy_time::MockDriver::get().advance(embassy_time::Duration::from_secs(seconds));
}

#[test]
fn of_keys_that_have_verified_the_one_makes_room_that_did_so_least_lately() {
    let _moving = moving();
    let mut ring = KeyRing::<3, 2048>::new(TYPES);
    let set = verifying_set(&["a", "b", "c", "d", "e"]);
    read(&mut ring, &set, true, NOBODY);
    for kid in ["c", "a", "b"] {
        verify(&ring, kid, true);
        wait(1);
    }
    wait(600);
    look_for(&mut ring, &set, "d");
    assert_eq!(kids(&ring), "abd");
    verify(&ring, "d", true);
    look_for(&mut ring, &set, "e");
    assert_eq!(kids(&ring), "bde");
}

// Unsigned tokens that name published keys evicted the busiest one.
#[test]
fn only_a_key_that_verifies_is_in_use() {
    let _moving = moving();
    let mut ring = KeyRing::<2, 2048>::new(TYPES);
    let set = verifying_set(&["a", "b", "c", "d", "e"]);
    read(&mut ring, &set, true, NOBODY);
    verify(&ring, "a", true);
    wait(600);
    for named in ["c", "d", "e", "b", "c"] {
        look_for(&mut ring, &set, named);
        assert_eq!(kids(&ring), format!("a{named}"));
        verify(&ring, named, false);
    }
}

#[test]
fn of_keys_in_use_one_makes_room_in_a_look_and_none_that_verified_just_now() {
    let _moving = moving();
    let mut ring = KeyRing::<3, 2048>::new(TYPES);
    let set = verifying_set(&["a", "b", "c", "d", "e"]);
    read(&mut ring, &set, true, NOBODY);
    let all_verify = |ring: &KeyRing<3, 2048>| {
        for kid in ["a", "b", "c"] {
            verify(ring, kid, true);
        }
    };
    all_verify(&ring);
    look_for(&mut ring, &set, "d");
    assert_eq!(kids(&ring), "abc", "they are all in use");
    wait(600);
    let named: IsWanted<'_> = &|kid, _| kid == "d" || kid == "e";
    read(&mut ring, &set, true, named);
    assert_eq!(read_again(&mut ring, &set, true, named), (3, 1));
    assert_eq!(kids(&ring), "bcd");
}

#[test]
fn a_set_that_is_cut_off_takes_no_key_of_those_there_were() {
    let mut ring = KeyRing::<3, 2048>::new(TYPES);
    let all = ["a", "b", "c", "d", "e"];
    let wanted: IsWanted<'_> = &|kid, _| kid == "d";
    read(&mut ring, &set(&all[..3]), true, NOBODY);
    read(&mut ring, &set(&all), false, wanted);
    assert_eq!(kids(&ring), "abc");
    read(&mut ring, &set(&all), true, wanted);
    assert_eq!(
        kids(&ring),
        "abc",
        "whether it is whole is known at its end"
    );
    read_again(&mut ring, &set(&all), false, wanted);
    assert_eq!(kids(&ring), "bcd", "it has been seen in a whole one");
}

#[test]
fn a_key_that_never_finds_room_takes_that_of_no_other() {
    let mut ring = KeyRing::<4, 300>::new(TYPES);
    let small = verifying_set(&["a", "b", "c"]);
    let long = "long".repeat(20);
    let both = small.replace("]}", &format!(",{}", &set(&[&long])[9..]));
    read(&mut ring, &both, true, NOBODY);
    let wanted: IsWanted<'_> = &|kid, _| kid == long;
    assert_eq!(read_again(&mut ring, &both, true, wanted), (3, 1));
}

#[test]
fn no_key_of_another_provider_or_of_the_image_makes_room() {
    let mut ring = KeyRing::<2, 512>::new(TYPES);
    let secret = baked(Numbers::Hmac(&[7; 64]));
    for provider in [1, 2] {
        assert_eq!(ring.bake(provider, AlgorithmSet::ALL, &secret), Ok(()));
    }
    read(&mut ring, &set(&["a"]), true, &|_, _| true);
    assert_eq!(
        read_again(&mut ring, &set(&["a"]), true, &|_, _| true),
        (0, 1),
        "there is nothing of its own"
    );
    assert!(ring.is_partial());
}

#[test]
fn a_wanted_key_is_told_by_its_identifier_and_algorithm() {
    let wanted = WantedKey::of(Some("a"), Algorithm::Es256);
    let both = AlgorithmSet::of(&[Algorithm::Es256, Algorithm::Rs256]);
    assert!(wanted.is("a", both) && wanted.is("", both));
    assert!(!wanted.is("b", both));
    let other = AlgorithmSet::of(&[Algorithm::Rs256]);
    assert!(!wanted.is("a", other));
    let any = WantedKey::of(None, Algorithm::Es256);
    assert!(
        any.may_be("a", both) && !any.is("a", both),
        "none is evicted for it"
    );
    assert!(!any.may_be("a", other));
}
