//! Signature checks that are several times as fast on the processors that multiply and add twice in one instruction:
//! Cortex-M4, M7 and M33 (with its DSP extension) have `UMAAL`.
//!
//! An image names these [`KeyType`]s in the place of the core's own, which run on every processor. Signatures and keys
//! are public: nothing here takes constant time, and nothing here may ever see a private key.
//!
//! ```text
//! KeyType ─┬─ ecdsa: scalars ── point ── field ─┬─ arithmetic ─┬─ umaal: a few functions of instructions
//!          │       (crypto-bigint)              │              └─ portable: their twin, for hosts
//!          └─ rsa: powers ──────────────────────┘
//! ```
//!
//! Elsewhere than on a Cortex-M the same code runs on portable arithmetic: right, but slow.
#![no_std]
#![deny(unsafe_code)]

#[cfg(test)]
extern crate std;

mod arithmetic;
mod digits;
mod ecdsa;
mod field;
mod generator;
mod point;
mod rsa;

use gatepost_core::crypto::{AlgorithmSet, KeyMaterial, KeyType, Unsupported, VerifyingKey};

pub use ecdsa::{P256Key, P384Key, P521Key};
pub use rsa::RSA;

/// P-256: ES256.
pub const P256: KeyType = KeyType::new(p256);
/// P-384: ES384.
pub const P384: KeyType = KeyType::new(p384);
/// P-521: ES512.
pub const P521: KeyType = KeyType::new(p521);

macro_rules! curve {
    ($name:ident, $key:ident) => {
        fn $name(
            material: &KeyMaterial<'_>,
            _: AlgorithmSet,
            to: &mut dyn FnMut(&dyn VerifyingKey),
        ) -> Result<(), Unsupported> {
            let KeyMaterial::Ec(key) = material else {
                return Err(Unsupported::NoAlgorithm);
            };
            to(&$key::new(key)?);
            Ok(())
        }
    };
}

curve!(p256, P256Key);
curve!(p384, P384Key);
curve!(p521, P521Key);
