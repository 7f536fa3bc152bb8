//! Keys as bytes: moduli, points and secrets in one arena, prepared anew for each signature.
//!
//! A prepared RSA key is three times its modulus, and a table of prepared keys as large as its largest
//! times their number. Preparing one takes a thousandth of its verification.

use gatepost_core::{
    crypto::{
        Algorithm, AlgorithmSet, Curve, EcPublicKey, Ed25519PublicKey, HmacSecret,
        InvalidSignature, KeyMaterial, KeyType, RsaPublicKey, Unsupported, VerifyingKey,
    },
    exchange::TrustedKey,
    jose::{Jwk, JwkSet, KeyBuffer, KeyError},
};
use heapless::Vec;

use crate::baked::BakedKey;

/// Up to `KEYS` keys whose numbers and identifiers take up to `ARENA` bytes together.
pub(crate) struct KeyRing<const KEYS: usize, const ARENA: usize> {
    types: &'static [KeyType],
    arena: Vec<u8, ARENA>,
    keys: Vec<Stored, KEYS>,
}

/// One key: where its numbers end and its identifier begins is found by their lengths.
#[derive(Clone, Copy)]
struct Stored {
    /// The provider's place among those of the settings.
    provider: u8,
    shape: Shape,
    algorithms: AlgorithmSet,
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
        KeyType::verify(self.types, &material, algorithm, signing_input, signature)
    }
}

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
        self.keep(provider, label, &material, algorithms)
    }

    /// Takes the keys of `json` for those that `provider` had, unless none can be used; tells how many, and
    /// gives those that were left out to `complain`.
    pub(crate) fn replace(
        &mut self,
        provider: u8,
        served: AlgorithmSet,
        json: &[u8],
        mut complain: impl FnMut(LeftOut),
    ) -> usize {
        let usable = JwkSet::parse(json).into_iter().flatten();
        let types = self.types;
        let is_usable = |jwk: Jwk<'_>| read(types, served, &jwk, &mut KeyBuffer::new()).is_ok();
        if !usable.flatten().any(is_usable) {
            return 0;
        }
        self.remove(provider);
        let before = self.keys.len();
        for jwk in JwkSet::parse(json).into_iter().flatten() {
            if let Err(why) = self.add(provider, served, jwk) {
                complain(why);
            }
        }
        self.keys.len().saturating_sub(before)
    }

    /// Forgets a provider's keys.
    pub(crate) fn remove(&mut self, provider: u8) {
        let (mut from, mut to) = (0_usize, 0_usize);
        for key in &self.keys {
            let end = from.saturating_add(key.length());
            if key.provider != provider {
                self.arena.copy_within(from..end, to);
                to = to.saturating_add(key.length());
            }
            from = end;
        }
        self.arena.truncate(to);
        self.keys.retain(|key| key.provider != provider);
    }

    /// Lends all keys: a list for each of `N` providers.
    pub(crate) fn lend<const N: usize, R>(
        &self,
        to: impl FnOnce(&[&[TrustedKey<'_>]; N]) -> R,
    ) -> R {
        let lent: Vec<_, KEYS> = self.lent().collect();
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
                stored,
                numbers,
                label: Label {
                    kid: core::str::from_utf8(kid).ok()?,
                    issuer: core::str::from_utf8(issuer).ok()?,
                },
            })
        })
    }

    fn add(
        &mut self,
        provider: u8,
        served: AlgorithmSet,
        jwk: Result<Jwk<'_>, KeyError>,
    ) -> Result<(), LeftOut> {
        let mut buffer = KeyBuffer::new();
        let jwk = jwk.map_err(LeftOut::Key)?;
        let label = Label {
            kid: jwk.kid().unwrap_or_default(),
            issuer: jwk.issuer().unwrap_or_default(),
        };
        let (material, algorithms) = read(self.types, served, &jwk, &mut buffer)?;
        self.keep(provider, label, &material, algorithms)
    }

    fn keep(
        &mut self,
        provider: u8,
        label: Label<'_>,
        material: &KeyMaterial<'_>,
        algorithms: AlgorithmSet,
    ) -> Result<(), LeftOut> {
        let (shape, numbers) = take_apart(material);
        let is_same = |key: &Lent<'_>| {
            let is_its = key.stored.provider == provider && key.stored.shape == shape;
            is_its && key.numbers == numbers && key.label == label
        };
        // Equal keys are one, or a token could mean either.
        let same = self.lent().position(|key| is_same(&key));
        if let Some(stored) = same.and_then(|index| self.keys.get_mut(index)) {
            stored.algorithms = stored.algorithms.union(algorithms);
            return Ok(());
        }
        let length = |text: &[u8]| u16::try_from(text.len()).unwrap_or(u16::MAX);
        let (kid, issuer) = (label.kid.as_bytes(), label.issuer.as_bytes());
        let stored = Stored {
            provider,
            shape,
            algorithms,
            numbers: length(numbers),
            kid: length(kid),
            issuer: length(issuer),
        };
        let before = self.arena.len();
        let is_kept = self.arena.extend_from_slice(numbers).is_ok()
            && self.arena.extend_from_slice(kid).is_ok()
            && self.arena.extend_from_slice(issuer).is_ok()
            && self.keys.push(stored).is_ok();
        if !is_kept {
            self.arena.truncate(before);
            return Err(LeftOut::NoRoom);
        }
        Ok(())
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

/// A key's numbers in `buffer`, and what it may serve here.
fn read<'b>(
    types: &[KeyType],
    served: AlgorithmSet,
    jwk: &Jwk<'_>,
    buffer: &'b mut KeyBuffer,
) -> Result<(KeyMaterial<'b>, AlgorithmSet), LeftOut> {
    let material = jwk.material(buffer).map_err(LeftOut::Key)?;
    let algorithms = usable(types, &material, jwk.algorithms().intersection(served))?;
    Ok((material, algorithms))
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

    const TYPES: &[KeyType] = &[KeyType::HMAC, KeyType::ED25519];

    fn baked(numbers: Numbers) -> BakedKey {
        let algorithms = AlgorithmSet::ALL;
        BakedKey {
            kid: "1",
            issuer: "",
            algorithms,
            numbers,
        }
    }

    #[test]
    fn a_secret_is_part_of_the_image_or_none() {
        let mut ring = KeyRing::<2, 256>::new(TYPES);
        let secret = baked(Numbers::Hmac(&[7; 64]));
        assert_eq!(ring.bake(0, AlgorithmSet::ALL, &secret), Ok(()));
        let json = br#"{"keys":[{"kty":"oct","k":"YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY"}]}"#;
        assert_eq!(ring.replace(0, AlgorithmSet::ALL, json, |_| ()), 0);
        assert_eq!(ring.keys.len(), 1, "the image's is kept");
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
        let set = std::format!(r#"{{"keys":[{key},{key},{other},{key}]}}"#);
        let mut complaints = 0;
        let kept = ring.replace(0, AlgorithmSet::ALL, set.as_bytes(), |_| complaints += 1);
        assert_eq!((kept, complaints), (2, 0));
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
}
