//! Keys for somebody else who verifies: Dovecot, which looks one up by what a token says of it.

use gatepost_core::crypto::Algorithm;

use super::Trust;
use crate::keys::{LoadedKey, Written};

/// What somebody else looks a key up by; all of it comes from a token that nobody has verified.
#[derive(Clone, Copy, Debug)]
pub struct WantedKey<'w> {
    /// The client that the token was minted for; `default` where it names none.
    pub azp: &'w str,
    /// The algorithm that it says it is signed with.
    pub algorithm: Algorithm,
    /// The key's identifier; [`DEFAULT_KID`](Self::DEFAULT_KID) where it names none.
    pub kid: &'w str,
}

impl Trust {
    /// The one key of `provider` that `wanted` stands for, as text: a public key in PEM, or a secret in base64
    /// where the provider's settings let it be told.
    ///
    /// As for a login, a key that has the identifier comes before those without any; where several are left,
    /// none is given, for the other can try one only. A client that the provider's policy does not take gets
    /// no key, nor one that belongs to another client.
    #[must_use]
    pub fn written_key(&self, provider: &str, wanted: &WantedKey<'_>) -> Option<&str> {
        let owned = self.owned();
        let mut all = owned.providers.iter().zip(&owned.found);
        let (settings, found) = all.find(|(settings, _)| settings.name == provider)?;
        let parties = &settings.authorized_parties;
        if !parties.is_empty() && !parties.iter().any(|party| party == wanted.azp) {
            return None;
        }
        let is_named = found.keys.iter().any(|key| wanted.names(key));
        let mut fitting = found.keys.iter().filter(|key| {
            let may_be_meant = wanted.names(key) || !is_named && wanted.may_mean(key);
            may_be_meant && wanted.is_served_by(key)
        });
        let key = fitting.next()?;
        let is_only = fitting.next().is_none();
        key.written
            .as_ref()
            .filter(|_| is_only)
            .map(Written::as_str)
    }
}

impl WantedKey<'_> {
    /// What Dovecot asks for where a token names no key.
    pub const DEFAULT_KID: &'static str = "default";

    fn is_served_by(&self, key: &LoadedKey) -> bool {
        let is_owned = |owner: &String| owner == self.azp;
        key.owner.as_ref().is_none_or(is_owned) && key.key.algorithms().contains(self.algorithm)
    }

    fn names(&self, key: &LoadedKey) -> bool {
        key.kid.as_deref() == Some(self.kid)
    }

    /// Where no key has the identifier: whether it may mean this one all the same.
    fn may_mean(&self, key: &LoadedKey) -> bool {
        self.kid == Self::DEFAULT_KID || key.kid.is_none()
    }
}
