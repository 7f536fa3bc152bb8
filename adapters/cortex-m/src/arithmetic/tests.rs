//! The arithmetic, against crypto-bigint's.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U256, U384, U576};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::field::{Field as _, P256, P384, P521};

const PRIME: U256 =
    U256::from_be_hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
const PRIME_384: U384 = U384::from_be_hex(
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
);

fn number(Words(words): &Words) -> U256 {
    U256::from_le_slice(words.map(u32::to_le_bytes).as_flattened())
}

/// Numbers of all lengths, with runs of zeros and ones, and those around the prime.
fn numbers() -> std::vec::Vec<Words> {
    let mut rng = StdRng::seed_from_u64(15);
    let words = |number: U256| {
        let bytes = number.to_le_bytes();
        let (chunks, _) = bytes.as_chunks::<4>();
        Words(core::array::from_fn(|at| u32::from_le_bytes(chunks[at])))
    };
    let one = U256::ONE;
    let mut numbers = std::vec![
        words(U256::ZERO),
        words(one),
        words(U256::MAX),
        words(PRIME),
        words(PRIME.wrapping_sub(&one)),
        words(PRIME.wrapping_add(&one)),
        words(U256::ZERO.wrapping_sub(&PRIME)),
    ];
    for _ in 0..40 {
        numbers.push(Words(rng.random()));
        let runs = core::array::from_fn(|_| {
            [0, 1, u32::MAX, u32::MAX - 1, rng.random()][rng.random_range(0..5)]
        });
        numbers.push(Words(runs));
    }
    numbers
}

#[test]
fn the_field_of_p256_is_that_of_the_library() {
    let params = FixedMontyParams::new_vartime(Odd::new(PRIME).unwrap());
    let form =
        |number: &U256| FixedMontyForm::new(&number.rem_vartime(&PRIME.to_nz().unwrap()), &params);
    // 1 / R
    let unit = form(&U256::ZERO.wrapping_sub(&PRIME)).invert().unwrap();
    let check = |found: Words, expected: FixedMontyForm<{ U256::LIMBS }>| {
        assert_eq!(form(&number(&found)).retrieve(), expected.retrieve());
    };
    for a in &numbers() {
        let of_a = form(&number(a));
        check(square(a), of_a.square() * unit);
        for b in &numbers() {
            let of_b = form(&number(b));
            check(multiply(a, b), of_a * of_b * unit);
            check(add(a, b), of_a + of_b);
            check(subtract(a, b), of_a - of_b);
            let are_equal = of_a.retrieve() == of_b.retrieve();
            assert_eq!(P256(*a).equals(&P256(*b)), are_equal);
        }
        let bytes = number(a).to_be_bytes();
        let read = P256::from_bytes(&bytes);
        assert_eq!(read.is_some(), number(a) < PRIME);
        if let Some(P256(read)) = read {
            check(read, of_a * unit.invert().unwrap());
        }
    }
}

#[test]
fn the_field_of_p384_is_that_of_the_library() {
    let params = FixedMontyParams::new_vartime(Odd::new(PRIME_384).unwrap());
    let mut rng = StdRng::seed_from_u64(384);
    let mut numbers = std::vec![
        U384::ZERO,
        U384::ONE,
        PRIME_384.wrapping_sub(&U384::ONE),
        PRIME_384.wrapping_sub(&U384::from(2_u32)),
    ];
    for _ in 0..60 {
        let words: [u32; 12] = core::array::from_fn(|_| {
            [0, u32::MAX, u32::MAX - 1, rng.random(), rng.random()][rng.random_range(0..5)]
        });
        let number = U384::from_le_slice(words.map(u32::to_le_bytes).as_flattened());
        numbers.push(number.rem_vartime(&PRIME_384.to_nz().unwrap()));
    }
    let read = |number: &U384| P384::from_bytes(&<[u8; 48]>::from(number.to_be_bytes())).unwrap();
    let check = |found: P384, expected: FixedMontyForm<{ U384::LIMBS }>| {
        let expected = read(&expected.retrieve());
        assert_eq!(found.0, expected.0);
    };
    for a in &numbers {
        let of_a = FixedMontyForm::new(a, &params);
        check(read(a).square(), of_a.square());
        for b in &numbers {
            let of_b = FixedMontyForm::new(b, &params);
            check(read(a).multiply(&read(b)), of_a * of_b);
            check(read(a).add(&read(b)), of_a + of_b);
            check(read(a).subtract(&read(b)), of_a - of_b);
            assert_eq!(read(a).equals(&read(b)), a == b);
        }
    }
    assert_eq!(read(&U384::ONE).0, P384::ONE.0);
    for too_large in [PRIME_384, U384::MAX] {
        assert!(P384::from_bytes(&<[u8; 48]>::from(too_large.to_be_bytes())).is_none());
    }
    assert!(P384::from_bytes(&[0; 47]).is_none());
}

#[test]
fn the_field_of_p521_is_that_of_the_library() {
    let power = U576::ONE.shl_vartime(521);
    let prime = power.wrapping_sub(&U576::ONE);
    let params = FixedMontyParams::new_vartime(Odd::new(prime).unwrap());
    let mut rng = StdRng::seed_from_u64(521);
    let mut numbers = std::vec![U576::ZERO, U576::ONE, prime.wrapping_sub(&U576::ONE)];
    for _ in 0..60 {
        let words: [u32; 18] = core::array::from_fn(|_| {
            [0, u32::MAX, u32::MAX - 1, rng.random(), rng.random()][rng.random_range(0..5)]
        });
        let number = U576::from_le_slice(words.map(u32::to_le_bytes).as_flattened());
        numbers.push(number.rem_vartime(&prime.to_nz().unwrap()));
    }
    let bytes = |number: &U576| <[u8; 72]>::from(number.to_be_bytes());
    let read = |number: &U576| P521::from_bytes(&bytes(number)[6..]).unwrap();
    // Zero has two forms.
    let check = |found: P521, expected: FixedMontyForm<{ U576::LIMBS }>| {
        let expected = read(&expected.retrieve());
        assert!(found.0 == expected.0 || found.is_zero() && expected.is_zero());
    };
    for a in &numbers {
        let of_a = FixedMontyForm::new(a, &params);
        check(read(a).square(), of_a.square());
        for b in &numbers {
            let of_b = FixedMontyForm::new(b, &params);
            check(read(a).multiply(&read(b)), of_a * of_b);
            check(read(a).add(&read(b)), of_a + of_b);
            let difference = read(a).subtract(&read(b));
            check(difference, of_a - of_b);
            // Both forms of zero may go on.
            check(difference.multiply(&read(b)), (of_a - of_b) * of_b);
            check(difference.add(&difference), (of_a - of_b).double());
            assert_eq!(read(a).equals(&read(b)), a == b);
        }
    }
    for too_large in [prime, power, U576::MAX] {
        assert!(P521::from_bytes(&bytes(&too_large)[6..]).is_none());
    }
    assert!(P521::from_bytes(&[0; 65]).is_none());
}

#[test]
fn a_row_is_as_long_as_the_shorter_slice_in_blocks_of_four() {
    let mut rng = StdRng::seed_from_u64(4);
    for (sum_len, length, done) in [
        (4, 4, 4),
        (8, 9, 8),
        (12, 8, 8),
        (3, 8, 0),
        (8, 0, 0),
        (68, 64, 64),
    ] {
        for factor in [0, 1, u32::MAX, rng.random()] {
            let numbers: std::vec::Vec<u32> = (0..length).map(|_| rng.random()).collect();
            let before: std::vec::Vec<u32> = (0..sum_len).map(|_| rng.random()).collect();
            let mut after = before.clone();
            let mut carry = 0_u128;
            for at in 0..done {
                carry += u128::from(before[at]) + u128::from(numbers[at]) * u128::from(factor);
                carry = {
                    let expected = (carry & 0xffff_ffff) as u32;
                    let mut probe = before.clone();
                    multiply_row(&mut probe, &numbers, factor);
                    assert_eq!(probe[at], expected);
                    carry >> 32
                };
            }
            assert_eq!(
                u128::from(multiply_row(&mut after, &numbers, factor)),
                carry
            );
            assert_eq!(after[done..], before[done..]);
        }
    }
}
