//! Keys as bytes: moduli, points and secrets in one arena, prepared anew for each signature.
//!
//! A prepared RSA key is three times its modulus, and a table of prepared keys as large as its largest
//! times their number. Preparing one takes a thousandth of its verification.
//!
//! A provider's JWK Set is read key by key: those that are new are kept, but not lent before the set has turned out
//! to be whole. Where there is no room for one that a login waits for, the one of that provider goes that has not
//! verified anything for the longest time.

mod stored;
mod wanted;

use core::sync::atomic::{AtomicU32, Ordering};

use gatepost_core::{
    crypto::{AlgorithmSet, KeyMaterial, KeyType, Unsupported},
    exchange::TrustedKey,
    jose::{Jwk, KeyBuffer, KeyError},
};
use heapless::Vec;

use crate::baked::BakedKey;
use stored::{Label, Lent, Stored, take_apart};

pub(crate) use wanted::{IsWanted, WantedKey};

/// Up to `KEYS` keys whose numbers and identifiers take up to `ARENA` bytes together.
pub(crate) struct KeyRing<const KEYS: usize, const ARENA: usize> {
    types: &'static [KeyType],
    arena: Vec<u8, ARENA>,
    keys: Vec<Stored, KEYS>,
    /// Counts verifications.
    verified: AtomicU32,
    is_partial: bool,
    has_freed: bool,
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
            verified: AtomicU32::new(0),
            is_partial: false,
            has_freed: false,
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
        let before = self.keys.len();
        self.retain(|key| !key.algorithms.is_empty());
        self.has_freed = is_whole && self.keys.len() < before;
        let own = self.keys.iter().filter(|key| key.provider == provider);
        own.count()
    }

    /// Whether there is room for some of those now, where others have gone with that set.
    pub(crate) fn has_room_now(&self) -> bool {
        self.is_partial && self.has_freed
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
            let (same, least) = self.find(&stored, numbers, label, is_wanted);
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
                Some(index) if is_this_wanted => self.remove_at(index),
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

    /// The place of the same key, and of the one of its provider that makes room first.
    fn find(
        &self,
        stored: &Stored,
        numbers: &[u8],
        label: Label<'_>,
        is_wanted: IsWanted<'_>,
    ) -> (Option<usize>, Option<usize>) {
        let (mut same, mut least) = (None, None);
        for (index, key) in self.lent().enumerate() {
            let known = key.stored;
            if known.provider != stored.provider {
                continue;
            }
            if known.shape == stored.shape && key.numbers == numbers && key.label == label {
                same = Some(index);
            }
            let used = known.used.load(Ordering::Relaxed);
            let rank = (!known.algorithms.is_empty(), used);
            let is_less = least.is_none_or(|(less, _)| rank < less);
            if is_less && !is_wanted(key.label.kid, known.algorithms.union(known.found)) {
                least = Some((rank, index));
            }
        }
        (same, least.map(|(_, index)| index))
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

#[cfg(test)]
mod tests;
