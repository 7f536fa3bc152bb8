use std::{format, string::String, vec::Vec};

use super::*;

/// Passwords whose characters have nothing to do with each other, the first and the last there are.
fn some() -> Vec<AppPassword> {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_be_bytes()[0]
    };
    let mut passwords = Vec::from([[0; 14], [0xFF; 14]].map(AppPassword::from_random));
    passwords.extend((0..14).map(|_| AppPassword::from_random([0; 14].map(|_: u8| random()))));
    passwords
}

fn read(text: &str) -> Option<Result<[u8; AppPassword::LEN], Mistyped>> {
    AppPassword::read(text).map(|read| read.map(|password| *password.expose()))
}

/// Whether the characters are a password.
fn is_good(characters: &[u8]) -> bool {
    let text = String::from_utf8(characters.to_vec()).unwrap();
    let read = read(&format!("gp-{text}")).expect("the prefix is there");
    read.is_ok_and(|read| read == characters)
}

fn shown(password: &AppPassword) -> String {
    password.show(&mut [0; AppPassword::SHOWN_LEN]).into()
}

#[test]
fn every_single_wrong_character_is_found() {
    for password in some() {
        let good = *password.expose();
        assert!(is_good(&good));
        for place in 0..good.len() {
            let is_taken = |character: &&u8| {
                let mut typed = good;
                typed[place] = **character;
                is_good(&typed)
            };
            let taken: Vec<u8> = ALPHABET.iter().filter(is_taken).copied().collect();
            assert_eq!(taken, [good[place]]);
        }
    }
}

#[test]
fn any_two_characters_that_have_changed_places_are_found() {
    for password in some() {
        let good = *password.expose();
        for one in 0..good.len() {
            for other in one + 1..good.len() {
                let mut typed = good;
                typed.swap(one, other);
                assert_eq!(is_good(&typed), good[one] == good[other]);
            }
        }
    }
}

#[test]
fn any_two_wrong_characters_are_found() {
    let good = *some()[2].expose();
    for one in 0..good.len() {
        for other in one + 1..good.len() {
            for character in ALPHABET {
                for another in ALPHABET {
                    let mut typed = good;
                    (typed[one], typed[other]) = (*character, *another);
                    assert_eq!(is_good(&typed), typed == good);
                }
            }
        }
    }
}

#[test]
fn a_character_too_many_or_too_few_is_found() {
    for password in some() {
        let good = *password.expose();
        for place in 0..good.len() {
            let mut fewer = good.to_vec();
            let character = fewer.remove(place);
            assert!(!is_good(&fewer));
            let mut more = good.to_vec();
            more.insert(place, character);
            assert!(!is_good(&more));
            // One that is missed, and one that is added somewhere else.
            for character in ALPHABET {
                fewer.push(*character);
                assert_eq!(is_good(&fewer), fewer == good);
                fewer.pop();
            }
        }
    }
}

#[test]
fn a_password_has_21_random_characters() {
    let mut seen = Vec::from([*AppPassword::from_random([0; 14]).expose()]);
    for bit in 0..112 {
        let mut random = [0_u8; 14];
        random[bit / 8] = 0x80 >> (bit % 8);
        seen.push(*AppPassword::from_random(random).expose());
    }
    let changed = |other: &[u8; 24]| (0..24).find(|place| other[*place] != seen[0][*place]);
    for (bit, password) in seen[1..].iter().enumerate() {
        assert_eq!(changed(password), (bit < 105).then_some(bit / 5), "{bit}");
    }
}

#[test]
fn a_password_is_shown_in_groups_and_read_whatever_its_spacing_and_case() {
    for password in some() {
        let (good, shown) = (*password.expose(), shown(&password));
        assert_eq!(shown.len(), AppPassword::SHOWN_LEN);
        let groups = shown.strip_prefix("gp-").unwrap();
        assert!(groups.split('-').all(|group| group.len() == 4));
        let bare = shown.replace('-', "");
        let spaced = shown.replace('-', " ");
        let looks_alike = shown.replace('1', "l").replace('0', "o");
        for typed in [
            shown.clone(),
            shown.to_ascii_uppercase(),
            format!(" \t{shown}\r\n"),
            shown.replace('-', "--"),
            shown.replace('-', " - "),
            shown.replace('-', "\u{a0}"),
            format!("\u{a0}{}", shown.replace('-', "\u{202f}")),
            format!("gp-{}", groups.replace('-', "").replace("", " ")),
            bare,
            spaced,
            looks_alike.to_ascii_uppercase(),
            looks_alike,
            shown.replace('1', "I"),
        ] {
            assert_eq!(read(&typed), Some(Ok(good)), "{typed}");
        }
    }
}

#[test]
fn what_has_the_prefix_is_ours_and_nothing_else() {
    for typed in [
        "gp-",
        "GP-",
        " gP-x",
        "gp-0123-4567-89ab-cdef-ghjk-mnpq",
        "gp-u",
        "gp-secret\u{e9}",
        "gp--",
        "gp-\0",
        "gp-csqq-awkm-cnjp-w832-f5t6-adej@",
        "gp-csqq-awkm-cnjp-w832-f5t6-adej@example.com",
        "gp-csqq-awkm-cnjp-w832-f5t6-adej.",
    ] {
        assert_eq!(read(typed), Some(Err(Mistyped)), "{typed}");
    }
    for other in [
        "",
        " ",
        "g",
        "gp",
        "g-p-",
        "gp_0123",
        "gp 0123",
        "gp csqq awkm cnjp w832 f5t6 adej@",
        "gp0123-4567-89ab-cdef-ghjk-mnpq",
        "gpg-0123",
        "agp-0123",
        "\u{ff47}p-0123",
        "gp\u{2010}0123",
    ] {
        assert_eq!(read(other), None, "{other}");
    }
}

fn shortened(shown: &str, by: usize) -> String {
    shown.chars().take(shown.len() - by).collect()
}

#[test]
fn a_name_that_looks_like_a_password_is_one() {
    for password in some() {
        let shown = shown(&password);
        for name in [
            shown.clone(),
            shown.to_ascii_uppercase(),
            shown.replace('-', " "),
            format!("{shown}@example.com"),
            shortened(&shown, 1),
            shortened(&shown, 2),
            format!("{shown}x"),
            format!("{shown}xx"),
            shown.replacen('-', "-0", 2).replacen("-0", "-", 1),
        ] {
            assert!(AppPassword::is_like(&name), "{name}");
        }
        for name in [
            &shortened(&shown, 4),
            &format!("{shown}xxx"),
            &format!("{shown}."),
            &format!("a@{shown}"),
            "gp-alice@example.com",
            "gp-",
            "gp",
            "",
        ] {
            assert!(!AppPassword::is_like(name), "{name}");
        }
    }
}

/// Computed with Python's `hmac` module.
#[test]
fn a_verifier_is_hmac_sha_256_of_account_and_password() {
    let key = VerifierKey::new(b"0123456789abcdef0123456789ABCDEF");
    let password = AppPassword::from_random(*b"fourteen bytes");
    assert_eq!(
        key.verifier(b"account-1", &password),
        *b"\xd4\x9c\x08\x7f\x9c\x50\xa9\x3e\x41\xc1\x50\x9a\xda\x02\x48\x02\
          \x35\x4c\x7c\x90\x13\x30\x93\x0b\x51\x63\xb0\x03\x08\x75\xae\x94"
    );
}

#[test]
fn a_verifier_is_of_one_key_one_account_and_one_password() {
    let (key, other_key) = (VerifierKey::new(&[1; 32]), VerifierKey::new(&[2; 32]));
    let passwords = some();
    let mut seen = Vec::new();
    for key in [key, other_key] {
        for account in [&b""[..], b"1", b"11", passwords[0].expose()] {
            for password in &passwords {
                seen.push(key.verifier(account, password));
            }
        }
    }
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

#[test]
fn nothing_prints_a_password_or_a_key() {
    let password = AppPassword::from_random([7; 14]);
    let key = VerifierKey::new(&[1; 32]);
    assert_eq!(
        format!("{password:?} {key:?} {:?}", AppPassword::read("gp-x")),
        "AppPassword(..) VerifierKey(..) Some(Err(Mistyped))"
    );
}
