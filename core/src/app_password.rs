//! Application passwords: what users of mail clients that know nothing of OAuth log in with.
//!
//! The form alone: the prefix `gp-`, then 24 characters of Crockford's alphabet of 32 letters without look-alikes, of
//! which 21 are random (105 bits) and 3 a checksum. Whoever keeps passwords keeps their [verifiers](VerifierKey).
//!
//! ```
//! use gatepost_core::app_password::AppPassword;
//!
//! let password = AppPassword::from_random(*b"fourteen bytes"); // From your source of entropy.
//! let mut shown = [0; AppPassword::SHOWN_LEN];
//! assert_eq!(password.show(&mut shown), "gp-csqq-awkm-cnjp-w832-f5t6-adej");
//!
//! let typed = AppPassword::read("GP CSQQ AWKM CNJP W832 F5T6 ADEJ");
//! assert!(matches!(typed, Some(Ok(typed)) if typed.expose() == password.expose()));
//! assert!(matches!(AppPassword::read("gp-csqq-awkm-cnjp-w832-f5t6-adek"), Some(Err(_))));
//! assert!(AppPassword::read("correct horse").is_none());
//! ```

use ::hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// An application password, well formed. Never printed.
#[derive(Clone, Copy)]
pub struct AppPassword([u8; Self::LEN]);

/// What has the prefix, and is no application password: somebody has mistyped one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mistyped;

impl core::fmt::Display for Mistyped {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("The application password is mistyped")
    }
}

impl core::error::Error for Mistyped {}

/// Why an application password that is well formed opens nothing: a client is told the same whichever it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unfit {
    /// There is no such user, or he has no such password.
    Unknown,
    /// It is not for this service.
    WrongService,
    /// It is not for the client's network.
    WrongNetwork,
    /// Its time is over.
    Expired,
    /// It has been revoked.
    Revoked,
    /// Its account may not log in.
    Disabled,
}

/// Crockford's alphabet, in lower case: no `i`, `l`, `o` or `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of the checksum, 15 bits.
const CHECKSUM: usize = 3;

impl AppPassword {
    /// Characters behind the prefix, and bytes of what is kept secret.
    pub const LEN: usize = 24;
    /// Bytes of a password as it is shown: the prefix, six groups of four, and what stands between them.
    pub const SHOWN_LEN: usize = 32;

    /// Makes one of 105 of the 112 random bits.
    #[must_use]
    pub fn from_random(random: [u8; 14]) -> Self {
        let bits = random
            .iter()
            .fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        let mut secret = [0; Self::LEN];
        let mut left = 112_u32;
        for place in secret.iter_mut().take(Self::LEN.saturating_sub(CHECKSUM)) {
            left = left.saturating_sub(5);
            *place = low_symbol(bits >> left);
        }
        let checksum = secret
            .iter()
            .fold(Checksum::START, |checksum, symbol| checksum.add(*symbol));
        for (place, symbol) in secret.iter_mut().rev().zip(checksum.symbols()) {
            *place = symbol;
        }
        Self(secret.map(character))
    }

    /// Reads what somebody typed as a password: blanks and hyphens may stand anywhere behind the prefix and blanks
    /// before it, case does not matter, and `i`, `l` and `o` are taken for the digits that they look like.
    ///
    /// `None` is none of ours. Whatever has the prefix is ours and nobody else's, well formed or not; without its
    /// hyphen, only what is well formed.
    ///
    /// # Errors
    /// [`Mistyped`] where it has the prefix, and is not well formed.
    #[must_use]
    pub fn read(text: &str) -> Option<Result<Self, Mistyped>> {
        let read = Typed::read(text)?;
        match read.password().filter(|_| !read.has_domain) {
            Some(password) => Some(Ok(password)),
            None => read.has_prefix.then_some(Err(Mistyped)),
        }
    }

    /// Whether a user's name, as far as the `@`, looks so much like an application password that it has to be kept
    /// secret: it is one, or has the prefix and two characters too many or too few, and nothing that none has.
    #[must_use]
    pub fn is_like(name: &str) -> bool {
        Typed::read(name).is_some_and(|read| {
            let is_near = !read.is_foreign && read.count.abs_diff(Self::LEN) <= 2;
            read.has_prefix && is_near || read.password().is_some()
        })
    }

    /// Writes it as it is shown to its user, in groups of four.
    #[must_use]
    pub fn show<'s>(&self, room: &'s mut [u8; Self::SHOWN_LEN]) -> &'s str {
        let groups = self.0.chunks(4).flat_map(|group| [b"-", group]);
        let shown = [&b"gp"[..]].into_iter().chain(groups).flatten();
        for (place, byte) in room.iter_mut().zip(shown) {
            *place = *byte;
        }
        // The alphabet is ASCII.
        core::str::from_utf8(room).unwrap_or_default()
    }

    /// The characters behind the prefix, in lower case and without spacing: nothing may print them.
    #[must_use]
    pub const fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl core::fmt::Debug for AppPassword {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AppPassword(..)")
    }
}

/// The lowest five bits.
fn low_symbol(bits: u128) -> u8 {
    u8::try_from(bits & 0x1F).unwrap_or_default()
}

/// The character of one of the 32 symbols.
fn character(symbol: u8) -> u8 {
    ALPHABET.get(usize::from(symbol)).copied().unwrap_or(b'0')
}

/// What begins as an application password may.
struct Typed {
    /// Whether a hyphen follows the letters.
    has_prefix: bool,
    secret: [u8; AppPassword::LEN],
    /// How many characters of the alphabet there are, also where they are too many.
    count: usize,
    checksum: Checksum,
    /// Whether there are others.
    is_foreign: bool,
    /// Whether they end at an `@`.
    has_domain: bool,
}

impl Typed {
    // One loop, without adapters: it is part of every device's image.
    #[inline(never)]
    fn read(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let mut first = chars.next()?;
        while is_blank(first) {
            first = chars.next()?;
        }
        if !matches!((first, chars.next()?), ('g' | 'G', 'p' | 'P')) {
            return None;
        }
        let mut read = Self {
            has_prefix: chars.as_str().as_bytes().first() == Some(&b'-'),
            secret: [0; AppPassword::LEN],
            count: 0,
            checksum: Checksum::START,
            is_foreign: false,
            has_domain: false,
        };
        for c in chars {
            if is_blank(c) || c == '-' {
                continue;
            }
            let Some(symbol) = symbol(c) else {
                read.has_domain = c == '@';
                read.is_foreign = !read.has_domain;
                break;
            };
            if let Some(place) = read.secret.get_mut(read.count) {
                *place = character(symbol);
            }
            read.count = read.count.saturating_add(1);
            read.checksum = read.checksum.add(symbol);
        }
        Some(read)
    }

    /// The password, if it is well formed as far as there is one.
    fn password(&self) -> Option<AppPassword> {
        let is_whole = !self.is_foreign && self.count == AppPassword::LEN;
        (is_whole && self.checksum == Checksum::GOOD).then_some(AppPassword(self.secret))
    }
}

/// Whether it may separate groups: a page's text may have been copied with its own blanks.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r' | '\u{a0}' | '\u{202f}')
}

/// The symbol that a character stands for, or the one that it looks like.
fn symbol(c: char) -> Option<u8> {
    let character = match u8::try_from(c).ok()?.to_ascii_lowercase() {
        b'i' | b'l' => b'1',
        b'o' => b'0',
        byte => byte,
    };
    let place = ALPHABET.iter().position(|byte| *byte == character)?;
    u8::try_from(place).ok()
}

/// The remainder of a password, as a polynomial over GF(32), by (x + 1)(x + a)(x + a^2), where a^5 = a^2 + 1.
///
/// That is a Reed-Solomon code: two passwords differ in four characters or more, as no 31 symbols that differ in
/// fewer have the same remainder. So up to three wrong characters are found wherever they stand, and any two that
/// have changed places; of all other texts, one in 32,768 has the right one.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Checksum(u16);

impl Checksum {
    /// Not nothing, so that a character `0` too many in front changes it.
    const START: Self = Self(1);
    /// That of a password with its own checksum.
    const GOOD: Self = Self(0);

    /// What x^3 leaves: (1 + a + a^2) x^2 + (a + a^2 + a^3) x + a^3, multiplied by each power of a below 5.
    const GENERATOR: [u16; 5] = {
        let mut generator = [0; 5];
        let mut multiple = [0b0_0111, 0b0_1110, 0b0_1000];
        let mut rest = generator.as_mut_slice();
        while let Some((first, others)) = rest.split_first_mut() {
            let [square, linear, constant] = multiple;
            *first = square << 10 | linear << 5 | constant;
            multiple = [times_a(square), times_a(linear), times_a(constant)];
            rest = others;
        }
        generator
    };

    fn add(self, symbol: u8) -> Self {
        let shifted = (self.0 << 5 | u16::from(symbol)) & 0x7FFF;
        let carried = self.0 >> 10;
        let reduced = Self::GENERATOR
            .iter()
            .enumerate()
            .filter(|(bit, _)| carried >> bit & 1 == 1)
            .fold(shifted, |sum, (_, multiple)| sum ^ multiple);
        Self(reduced)
    }

    /// The symbols that make it good in place of three zeros, the last one first.
    fn symbols(self) -> [u8; CHECKSUM] {
        [0, 5, 10].map(|shift| low_symbol((self.0 >> shift).into()))
    }
}

/// A symbol of GF(32), multiplied by a.
const fn times_a(symbol: u16) -> u16 {
    let doubled = symbol << 1;
    if doubled & 0b10_0000 == 0 {
        doubled
    } else {
        doubled ^ 0b10_0101
    }
}

/// The secret key of an installation, by which application passwords are kept and found: it lies elsewhere than they
/// do.
pub struct VerifierKey(Hmac<Sha256>);

impl VerifierKey {
    /// Prepares `key`: random bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let mut block = [0; 64];
        for (place, byte) in block.iter_mut().zip(key) {
            *place = *byte;
        }
        // HMAC itself pads a key by zeros (RFC 2104 section 2).
        Self(Hmac::new(&block.into()))
    }

    /// What is kept of a password of `account`, and what it is found by: HMAC-SHA-256 of the account's identifier and
    /// the characters behind the prefix.
    ///
    /// No two accounts and passwords are the same bytes, as every password has as many.
    #[must_use]
    pub fn verifier(&self, account: &[u8], password: &AppPassword) -> [u8; 32] {
        let tag = self.0.clone().chain_update(account);
        tag.chain_update(password.0).finalize().into_bytes().into()
    }
}

impl core::fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("VerifierKey(..)")
    }
}

#[cfg(test)]
mod tests;
