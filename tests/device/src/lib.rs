//! What a host asks of the core on a device: vectors to judge, and logins to measure.
//!
//! The host writes a script into the device's memory ([`Request`]s, each behind a `true`, then a `false`)
//! and reads the answers line by line; what a vector comes to is told by the same code on both sides.
#![cfg_attr(not(test), no_std)]

mod key;
mod vector;

use serde::{Deserialize, Serialize};

pub use key::{Key, Lent, TYPES};
pub use vector::Vector;

/// Where the script begins in the memory of the device with a Cortex-M4: at its PSRAM, which is zero where the host
/// wrote nothing.
pub const SCRIPT_ON_M4: usize = 0x2100_0000;

/// As [`SCRIPT_ON_M4`], of the one with a Cortex-M33.
pub const SCRIPT_ON_M33: usize = 0x8000_0000;

/// Room for the script, in bytes: the PSRAM of either board.
pub const MAX_SCRIPT: usize = 16 << 20;

/// One thing that is asked.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Request<'r> {
    /// A vector to judge.
    Judge {
        /// The vector.
        #[serde(borrow)]
        vector: Vector<'r>,
        /// What has to come of it.
        expected: &'r str,
    },
    /// A login that has to succeed.
    #[serde(borrow)]
    Measure(Login<'r>),
}

/// A login, and what its provider's policy says.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Login<'r> {
    /// The key's JWK.
    pub jwk: &'r [u8],
    /// The `AUTH` line, its end included.
    pub line: &'r [u8],
    /// The algorithm's registered name.
    pub algorithm: &'r str,
    /// What the token's signature is over.
    pub signing_input: &'r [u8],
    /// The token's signature.
    pub signature: &'r [u8],
    /// The line that has to answer it.
    pub answer: &'r str,
    /// When it is, in seconds since 1970.
    pub now: i64,
    /// The token's issuer.
    pub issuer: &'r str,
    /// Its audience.
    pub audience: &'r str,
    /// A scope that it has.
    pub scope: &'r str,
    /// The claim that names the user.
    pub username_claim: &'r str,
}
