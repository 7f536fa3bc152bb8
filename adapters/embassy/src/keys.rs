//! Keys as bytes: moduli, points and secrets in one arena, prepared anew for each signature.
//!
//! A prepared RSA key is three times its modulus, and a table of prepared keys as large as its largest
//! times their number. Preparing one takes a thousandth of its verification.
//!
//! A provider's JWK Set is read key by key: those that are new are kept, but not lent before the set has turned out
//! to be whole. Where there is no room for one that a login waits for, the set is read once more, and then the one of
//! that provider goes that has not verified anything for the longest time. A token names a key before anything vouches
//! for it: so of those that have verified one goes a look at most, and none that did so just now.

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
use stored::{Label, Lent, Stored, now, take_apart};

pub(crate) use wanted::{IsWanted, WantedKey};

/// How long a key that has verified a signature makes no room, in seconds: logins that come as often keep theirs.
const LATELY: u32 = 10;

/// Up to `KEYS` keys whose numbers and identifiers take up to `ARENA` bytes together.
#[expect(clippy::struct_excessive_bools, reason = "none follows from another")]
pub(crate) struct KeyRing<const KEYS: usize, const ARENA: usize> {
    types: &'static [KeyType],
    arena: Vec<u8, ARENA>,
    keys: Vec<Stored, KEYS>,
    /// Whether the set that is read was whole a moment ago: then keys make room for those that are wanted.
    is_second: bool,
    /// Whether one that has verified has made room already.
    has_evicted: bool,
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
            is_second: false,
            has_evicted: false,
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

    /// A set of `provider`'s is going to be read, for the first or for the second time.
    pub(crate) fn begin(&mut self, provider: u8, is_second: bool) {
        self.end(provider, false);
        self.is_second = is_second;
        self.has_evicted = false;
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
        self.retain(|_, key| !key.algorithms.is_empty());
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
        self.retain(|_, key| key.provider != provider);
    }

    fn retain(&mut self, is_kept: impl Fn(usize, &Stored) -> bool) {
        let (mut from, mut to) = (0_usize, 0_usize);
        for (index, key) in self.keys.iter().enumerate() {
            let end = from.saturating_add(key.length());
            if is_kept(index, key) {
                self.arena.copy_within(from..end, to);
                to = to.saturating_add(key.length());
            }
            from = end;
        }
        self.arena.truncate(to);
        let mut indices = 0..;
        self.keys
            .retain(|key| indices.next().is_some_and(|index| is_kept(index, key)));
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
                stored,
                numbers,
                label: Label {
                    kid: core::str::from_utf8(kid).ok()?,
                    issuer: core::str::from_utf8(issuer).ok()?,
                },
            })
        })
    }

    /// Keeps a key, for which others of its provider make room where it is wanted.
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
        let mut stored = Stored {
            provider,
            shape,
            algorithms: AlgorithmSet::EMPTY,
            found: algorithms,
            used: AtomicU32::new(0),
            numbers: length(numbers),
            kid: length(kid),
            issuer: length(issuer),
        };
        // Equal keys are one, or a token could mean either.
        if let Some(known) = self.find(&stored, numbers, label) {
            known.found = known.found.union(algorithms);
            return Ok(());
        }
        if !self.has_room(&stored, 0) {
            self.is_partial = true;
            let evicted = Some(is_wanted).filter(|_| is_wanted(label.kid, algorithms));
            let evicted = evicted.and_then(|is_wanted| self.evicted_for(&stored, is_wanted));
            let evicted = evicted.ok_or(LeftOut::NoRoom)?;
            if self.is_second {
                // Even if the set is cut off now.
                stored.algorithms = algorithms;
            }
            self.retain(|index, _| evicted & bit(index) == 0);
        }
        for part in [numbers, kid, issuer] {
            let _ = self.arena.extend_from_slice(part);
        }
        let _ = self.keys.push(stored);
        Ok(())
    }

    /// The same key, where it is here.
    fn find(&mut self, stored: &Stored, numbers: &[u8], label: Label<'_>) -> Option<&mut Stored> {
        let is_same = |key: Lent<'_>| {
            let (known, same_label) = (key.stored, key.label == label);
            let same_owner = known.provider == stored.provider && known.shape == stored.shape;
            same_owner && same_label && key.numbers == numbers
        };
        let same = self.lent().position(is_same)?;
        self.keys.get_mut(same)
    }

    /// Whether there is room for a key, without those that are `evicted`.
    fn has_room(&self, stored: &Stored, evicted: u64) -> bool {
        let stay =
            |(index, key): (usize, &Stored)| (evicted & bit(index) == 0).then_some(key.length());
        let stay = self.keys.iter().enumerate().filter_map(stay);
        let (keys, bytes) = stay.fold((0_usize, stored.length()), |(keys, bytes), length| {
            (keys.saturating_add(1), bytes.saturating_add(length))
        });
        keys < KEYS && bytes <= ARENA
    }

    /// Those that make room for a key, a bit each; `None` where there are too few.
    fn evicted_for(&mut self, stored: &Stored, is_wanted: IsWanted<'_>) -> Option<u64> {
        let (mut evicted, mut has_evicted, now) = (0, self.has_evicted, now());
        while !self.has_room(stored, evicted) {
            let evictable = self.lent().enumerate().filter_map(|(index, key)| {
                let known = key.stored;
                let is_other = known.provider != stored.provider || !evicted & bit(index) == 0;
                let algorithms = known.algorithms.union(known.found);
                if is_other || is_wanted(key.label.kid, algorithms) {
                    return None;
                }
                if known.algorithms.is_empty() {
                    // It comes from the set that is being read.
                    return Some((0, 0, index));
                }
                let used = known.used.load(Ordering::Relaxed);
                let is_in_use = used > 0 && (has_evicted || now.saturating_sub(used) < LATELY);
                (self.is_second && !is_in_use).then_some((1, used, index))
            });
            let (_, used, index) = evictable.min()?;
            has_evicted |= used > 0;
            evicted |= bit(index);
        }
        self.has_evicted = has_evicted;
        Some(evicted)
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

/// Stands for the key at a place, of which there are 64 at most.
fn bit(index: usize) -> u64 {
    let shift = u32::try_from(index).unwrap_or(u32::MAX);
    1_u64.checked_shl(shift).unwrap_or(0)
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
