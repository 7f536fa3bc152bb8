//! Keys as bytes: moduli, points and secrets in one arena, prepared anew for each signature.
//!
//! A prepared RSA key is three times its modulus, and a table of prepared keys as large as its largest
//! times their number. Preparing one takes a thousandth of its verification.
//!
//! A provider's JWK Set is read key by key: those that are new are kept, but not lent before the set has turned out
//! to be whole. Where there is no room for one that a login waits for, the one of that provider goes that has not
//! verified anything for the longest time.

use core::sync::atomic::{AtomicU32, Ordering};

use gatepost_core::{
    crypto::{
        Algorithm, AlgorithmSet, Curve, EcPublicKey, Ed25519PublicKey, HmacSecret,
        InvalidSignature, KeyMaterial, KeyType, RsaPublicKey, Unsupported, VerifyingKey,
    },
    exchange::TrustedKey,
    jose::{Jwk, KeyBuffer, KeyError},
};
use heapless::Vec;

use crate::baked::BakedKey;

/// Up to `KEYS` keys whose numbers and identifiers take up to `ARENA` bytes together.
pub(crate) struct KeyRing<const KEYS: usize, const ARENA: usize> {
    types: &'static [KeyType],
    arena: Vec<u8, ARENA>,
    keys: Vec<Stored, KEYS>,
    /// Counts verifications.
    verified: AtomicU32,
    is_partial: bool,
}

/// One key: where its numbers end and its identifier begins is found by their lengths.
struct Stored {
    /// The provider's place among those of the settings.
    provider: u8,
    shape: Shape,
    /// What it serves; nothing as long as the set that it comes from may be cut off.
    algorithms: AlgorithmSet,
    /// What it serves by the set that is being read, as far as it has been found in there.
    found: AlgorithmSet,
    /// The verification that it has done last, or that it is kept for.
    used: AtomicU32,
    numbers: u16,
    /// Length of the identifier; a key without one has an empty one, which no key may have.
    kid: u16,
    /// Length of its issuer, as with the identifier.
    issuer: u16,
}

/// What the numbers are.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Shape {
    Hmac,
    Rsa { exponent: [u8; 4] },
    Ec(Curve),
    Ed25519,
}

/// A key out of the ring, ready to verify.
struct Lent<'r> {
    types: &'static [KeyType],
    verified: &'r AtomicU32,
    stored: &'r Stored,
    numbers: &'r [u8],
    label: Label<'r>,
}

/// What a key says of itself: its identifier, and the one issuer that it signs for; empty for none.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Label<'l> {
    kid: &'l str,
    issuer: &'l str,
}

impl Lent<'_> {
    fn trusted(&self) -> TrustedKey<'_> {
        let Label { kid, issuer } = self.label;
        let mut trusted = TrustedKey::new(self, Some(kid).filter(|kid| !kid.is_empty()));
        trusted.issuer = Some(issuer).filter(|issuer| !issuer.is_empty());
        trusted
    }
}

impl VerifyingKey for Lent<'_> {
    fn algorithms(&self) -> AlgorithmSet {
        self.stored.algorithms
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if !self.stored.algorithms.contains(algorithm) {
            return Err(InvalidSignature);
        }
        let material = self.stored.material(self.numbers).ok_or(InvalidSignature)?;
        KeyType::verify(self.types, &material, algorithm, signing_input, signature)?;
        self.stored.use_now(self.verified);
        Ok(())
    }
}

/// The key that a token names: a digest of its identifier tells it from others well enough to make room for it.
#[derive(Clone, Copy)]
pub(crate) struct WantedKey {
    kid: u32,
    algorithm: Algorithm,
}

impl WantedKey {
    pub(crate) fn new(kid: &str, algorithm: Algorithm) -> Self {
        let kid = digest(kid);
        Self { kid, algorithm }
    }

    /// A key without an identifier may be any.
    pub(crate) fn is(self, kid: &str, algorithms: AlgorithmSet) -> bool {
        algorithms.contains(self.algorithm) && (kid.is_empty() || digest(kid) == self.kid)
    }
}

/// FNV-1a.
fn digest(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |digest, byte| {
        (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Whether a login waits for a key of this identifier that serves some of these algorithms.
pub(crate) type IsWanted<'w> = &'w dyn Fn(&str, AlgorithmSet) -> bool;

/// Why a key was left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LeftOut {
    /// It cannot be used.
    Key(KeyError),
    /// The ring is full.
    NoRoom,
}

impl core::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Key(error) => error.fmt(f),
            Self::NoRoom => f.write_str("no room for another key"),
        }
    }
}

impl<const KEYS: usize, const ARENA: usize> KeyRing<KEYS, ARENA> {
    /// A ring without keys, for those of these types.
    pub(crate) const fn new(types: &'static [KeyType]) -> Self {
        Self {
            types,
            arena: Vec::new(),
            keys: Vec::new(),
            verified: AtomicU32::new(0),
            is_partial: false,
        }
    }

    /// Adds a key that is part of the image.
    pub(crate) fn bake(
        &mut self,
        provider: u8,
        served: AlgorithmSet,
        key: &BakedKey,
    ) -> Result<(), LeftOut> {
        let material = key.material().map_err(refused)?;
        let algorithms = usable(self.types, &material, key.algorithms.intersection(served))?;
        let label = Label {
            kid: key.kid,
            issuer: key.issuer,
        };
        self.keep(provider, label, &material, algorithms, &|_, _| false)?;
        for key in &mut self.keys {
            let found = core::mem::replace(&mut key.found, AlgorithmSet::EMPTY);
            key.algorithms = key.algorithms.union(found);
        }
        Ok(())
    }

    /// A set of `provider`'s is going to be read.
    pub(crate) fn begin(&mut self, provider: u8) {
        self.end(provider, false);
        self.is_partial = false;
    }

    /// Whether the set that has been read has keys that are not here, for lack of room.
    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Takes a key out of it, which makes room for itself where it is wanted.
    pub(crate) fn take(
        &mut self,
        provider: u8,
        served: AlgorithmSet,
        jwk: &Jwk<'_>,
        is_wanted: IsWanted<'_>,
    ) -> Result<(), LeftOut> {
        let mut buffer = KeyBuffer::new();
        let label = Label {
            kid: jwk.kid().unwrap_or_default(),
            issuer: jwk.issuer().unwrap_or_default(),
        };
        let material = jwk.material(&mut buffer).map_err(LeftOut::Key)?;
        let algorithms = usable(self.types, &material, jwk.algorithms().intersection(served))?;
        self.keep(provider, label, &material, algorithms, is_wanted)
    }

    /// The set has been read: where it `is_whole` its keys are those of the provider, else they are forgotten. Tells
    /// how many there are.
    pub(crate) fn end(&mut self, provider: u8, is_whole: bool) -> usize {
        for key in &mut self.keys {
            if key.provider == provider {
                let found = core::mem::replace(&mut key.found, AlgorithmSet::EMPTY);
                if is_whole {
                    key.algorithms = found;
                }
            }
        }
        self.retain(|key| !key.algorithms.is_empty());
        let own = self.keys.iter().filter(|key| key.provider == provider);
        own.count()
    }

    /// Forgets a provider's keys.
    pub(crate) fn remove(&mut self, provider: u8) {
        self.retain(|key| key.provider != provider);
    }

    fn retain(&mut self, is_kept: impl Fn(&Stored) -> bool) {
        let (mut from, mut to) = (0_usize, 0_usize);
        for key in &self.keys {
            let end = from.saturating_add(key.length());
            if is_kept(key) {
                self.arena.copy_within(from..end, to);
                to = to.saturating_add(key.length());
            }
            from = end;
        }
        self.arena.truncate(to);
        self.keys.retain(is_kept);
    }

    /// Lends all keys: a list for each of `N` providers.
    pub(crate) fn lend<const N: usize, R>(
        &self,
        to: impl FnOnce(&[&[TrustedKey<'_>]; N]) -> R,
    ) -> R {
        let usable = self.lent().filter(|key| !key.stored.algorithms.is_empty());
        let lent: Vec<_, KEYS> = usable.collect();
        let mut trusted: Vec<TrustedKey<'_>, KEYS> = Vec::new();
        let mut counts = [0; N];
        for (provider, count) in counts.iter_mut().enumerate() {
            let before = trusted.len();
            for key in &lent {
                if usize::from(key.stored.provider) == provider {
                    // As many fit as there are.
                    let _ = trusted.push(key.trusted());
                }
            }
            *count = trusted.len().saturating_sub(before);
        }
        let mut rest = &*trusted;
        to(&counts.map(|count| rest.split_off(..count).unwrap_or_default()))
    }

    /// Each key, its numbers and its label out of the arena.
    fn lent(&self) -> impl Iterator<Item = Lent<'_>> {
        let mut rest = &*self.arena;
        self.keys.iter().filter_map(move |stored| {
            let numbers = rest.split_off(..stored.numbers.into())?;
            let kid = rest.split_off(..stored.kid.into())?;
            let issuer = rest.split_off(..stored.issuer.into())?;
            Some(Lent {
                types: self.types,
                verified: &self.verified,
                stored,
                numbers,
                label: Label {
                    kid: core::str::from_utf8(kid).ok()?,
                    issuer: core::str::from_utf8(issuer).ok()?,
                },
            })
        })
    }

    /// Keeps a key, for which others of its provider make room where it is wanted: those first that come from the
    /// set that is being read, as that may be cut off, and then those that were not used for the longest time.
    #[inline(never)] // It is there once, for all kinds of keys.
    fn keep(
        &mut self,
        provider: u8,
        label: Label<'_>,
        material: &KeyMaterial<'_>,
        algorithms: AlgorithmSet,
        is_wanted: IsWanted<'_>,
    ) -> Result<(), LeftOut> {
        let (shape, numbers) = take_apart(material);
        let (kid, issuer) = (label.kid.as_bytes(), label.issuer.as_bytes());
        let length = |text: &[u8]| u16::try_from(text.len()).unwrap_or(u16::MAX);
        let stored = Stored {
            provider,
            shape,
            algorithms: AlgorithmSet::EMPTY,
            found: algorithms,
            used: AtomicU32::new(0),
            numbers: length(numbers),
            kid: length(kid),
            issuer: length(issuer),
        };
        let is_this_wanted = is_wanted(label.kid, algorithms);
        if is_this_wanted {
            stored.use_now(&self.verified);
        }
        loop {
            let (mut same, mut least) = (None, None);
            for (index, key) in self.lent().enumerate() {
                let known = key.stored;
                if known.provider != provider {
                    continue;
                }
                if known.shape == shape && key.numbers == numbers && key.label == label {
                    same = Some(index);
                }
                let rank = (
                    !known.algorithms.is_empty(),
                    known.used.load(Ordering::Relaxed),
                );
                let is_less = least.is_none_or(|(less, _)| rank < less);
                if is_less && !is_wanted(key.label.kid, known.algorithms.union(known.found)) {
                    least = Some((rank, index));
                }
            }
            // Equal keys are one, or a token could mean either.
            if let Some(known) = same.and_then(|index| self.keys.get_mut(index)) {
                known.found = known.found.union(algorithms);
                if is_this_wanted {
                    known.used = stored.used;
                }
                return Ok(());
            }
            let room = ARENA.saturating_sub(self.arena.len());
            if !self.keys.is_full() && stored.length() <= room {
                break;
            }
            self.is_partial = true;
            match least {
                Some((_, index)) if is_this_wanted => self.remove_at(index),
                _ => return Err(LeftOut::NoRoom),
            }
        }
        // There is room.
        for part in [numbers, kid, issuer] {
            let _ = self.arena.extend_from_slice(part);
        }
        let _ = self.keys.push(stored);
        Ok(())
    }

    fn remove_at(&mut self, index: usize) {
        let from = self.keys.iter().take(index).map(Stored::length).sum();
        let length = self.keys.remove(index).length();
        self.arena.copy_within(length.saturating_add(from).., from);
        let left = self.arena.len().saturating_sub(length);
        self.arena.truncate(left);
    }
}

impl<const KEYS: usize, const ARENA: usize> core::fmt::Debug for KeyRing<KEYS, ARENA> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The arena may hold secrets.
        f.debug_struct("KeyRing")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

impl Stored {
    fn use_now(&self, verified: &AtomicU32) {
        let now = verified.load(Ordering::Relaxed).wrapping_add(1);
        verified.store(now, Ordering::Relaxed);
        self.used.store(now, Ordering::Relaxed);
    }

    fn length(&self) -> usize {
        let parts = [self.numbers, self.kid, self.issuer];
        parts.into_iter().map(usize::from).sum()
    }

    fn material<'r>(&self, numbers: &'r [u8]) -> Option<KeyMaterial<'r>> {
        Some(match self.shape {
            Shape::Hmac => KeyMaterial::Hmac(HmacSecret::new(numbers).ok()?),
            Shape::Rsa { exponent } => {
                KeyMaterial::Rsa(RsaPublicKey::new(numbers, &exponent).ok()?)
            }
            Shape::Ec(curve) => KeyMaterial::Ec(EcPublicKey::new(curve, numbers).ok()?),
            Shape::Ed25519 => KeyMaterial::Ed25519(Ed25519PublicKey::new(numbers.try_into().ok()?)),
        })
    }
}

/// What of `algorithms` the key serves here.
fn usable(
    types: &[KeyType],
    material: &KeyMaterial<'_>,
    algorithms: AlgorithmSet,
) -> Result<AlgorithmSet, LeftOut> {
    let mut usable = AlgorithmSet::EMPTY;
    KeyType::lend(types, material, algorithms, &mut |key| {
        usable = key.algorithms();
    })
    .map_err(refused)?;
    Ok(usable)
}

fn refused(why: Unsupported) -> LeftOut {
    LeftOut::Key(KeyError::Material(why))
}

fn take_apart<'m>(material: &KeyMaterial<'m>) -> (Shape, &'m [u8]) {
    match material {
        KeyMaterial::Hmac(secret) => (Shape::Hmac, secret.expose()),
        KeyMaterial::Rsa(key) => {
            let exponent = key.exponent().to_be_bytes();
            (Shape::Rsa { exponent }, key.modulus())
        }
        KeyMaterial::Ec(key) => (Shape::Ec(key.curve()), key.sec1()),
        KeyMaterial::Ed25519(key) => (Shape::Ed25519, key.bytes()),
        // There are no others.
        _ => (Shape::Hmac, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baked::Numbers;
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
        ring.begin(0);
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
        ring.begin(0);
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
            let found = read(&mut ring, &set(&all), true, &|kid, _| kid == wanted);
            assert_eq!(found.0, 8);
            assert!(
                ring.is_partial() && kids(&ring).contains(wanted),
                "{wanted}"
            );
        }
        read(&mut ring, &set(&all[..8]), true, NOBODY);
        assert_eq!(read(&mut ring, &set(&all[..8]), true, NOBODY), (8, 0));
        assert!(!ring.is_partial() && kids(&ring).len() == 8);
    }

    #[test]
    fn the_key_that_was_used_least_lately_makes_room() {
        let mut ring = KeyRing::<3, 2048>::new(TYPES);
        let all = ["a", "b", "c", "d", "e"];
        for (wanted, expected) in [("c", "abc"), ("a", "abc"), ("d", "acd"), ("e", "ade")] {
            read(&mut ring, &set(&all), true, &|kid, _| kid == wanted);
            assert_eq!(kids(&ring), expected, "{wanted}");
        }
    }

    #[test]
    fn no_key_of_another_provider_or_of_the_image_makes_room() {
        let mut ring = KeyRing::<2, 512>::new(TYPES);
        let secret = baked(Numbers::Hmac(&[7; 64]));
        for provider in [1, 2] {
            assert_eq!(ring.bake(provider, AlgorithmSet::ALL, &secret), Ok(()));
        }
        assert_eq!(
            read(&mut ring, &set(&["a"]), true, &|_, _| true),
            (0, 1),
            "there is nothing of its own"
        );
        assert!(ring.is_partial());
    }

    #[test]
    fn a_wanted_key_is_told_by_its_identifier_and_algorithm() {
        let wanted = WantedKey::new("a", Algorithm::Es256);
        let both = AlgorithmSet::of(&[Algorithm::Es256, Algorithm::Rs256]);
        assert!(wanted.is("a", both) && wanted.is("", both));
        assert!(!wanted.is("b", both));
        assert!(!wanted.is("a", AlgorithmSet::of(&[Algorithm::Rs256])));
    }
}
