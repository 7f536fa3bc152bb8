//! Application passwords, found by their verifiers alone.

use std::net::IpAddr;

use gatepost_core::app_password::Unfit;
use hashbrown::HashTable;
use ipnet::IpNet;

use crate::app_password::{KeptPassword, PasswordId, Place, Services, Verifier};
use crate::time::Timestamp;

/// The end of the time of what never ends.
const NEVER: u32 = u32::MAX;

/// One password, as logins need it: 56 bytes.
#[derive(Clone, Debug)]
pub struct Password {
    verifier: Verifier,
    id: PasswordId,
    /// Seconds since 1970; [`NEVER`] if there is no end.
    expires: u32,
    services: Services,
    is_revoked: bool,
    /// `None` where it is good from everywhere.
    networks: Option<Box<Networks>>,
}

#[derive(Clone, Debug)]
struct Networks(Box<[IpNet]>);

impl Password {
    fn new(kept: &KeptPassword) -> Self {
        let networks = &*kept.networks;
        Self {
            verifier: kept.verifier,
            id: kept.id,
            expires: kept.expires.map_or(NEVER, seconds),
            services: kept.services,
            is_revoked: kept.revoked.is_some(),
            networks: (!networks.is_empty()).then(|| Box::new(Networks(networks.into()))),
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> PasswordId {
        self.id
    }

    /// Judges whether it is good in that place.
    ///
    /// # Errors
    /// Why it is not.
    pub fn judge(&self, place: Place<'_>) -> Result<(), Unfit> {
        if self.is_revoked {
            return Err(Unfit::Revoked);
        }
        if self.expires != NEVER && self.expires <= seconds(place.now) {
            return Err(Unfit::Expired);
        }
        if !self.services.contain(place.service) {
            return Err(Unfit::WrongService);
        }
        if !self.is_good_from(place.address) {
            return Err(Unfit::WrongNetwork);
        }
        Ok(())
    }

    fn is_good_from(&self, address: Option<IpAddr>) -> bool {
        let Some(networks) = &self.networks else {
            return true;
        };
        let address = address.map(|address| address.to_canonical());
        let mut networks = networks.0.iter();
        address.is_some_and(|address| networks.any(|network| network.contains(&address)))
    }
}

/// A time as it is kept here.
fn seconds(time: Timestamp) -> u32 {
    let seconds = time.millis().div_euclid(1000).max(0);
    u32::try_from(seconds).unwrap_or(NEVER)
}

/// All passwords.
#[derive(Clone, Debug, Default)]
pub(super) struct Passwords(HashTable<Password>);

impl Passwords {
    pub(super) fn put(&mut self, kept: &KeptPassword) {
        if let Some(replaced) = &kept.replaces {
            self.remove(replaced);
        }
        self.remove(&kept.verifier);
        let password = Password::new(kept);
        let hash = |one: &Password| one.verifier.hash();
        self.0.insert_unique(hash(&password), password, hash);
    }

    fn remove(&mut self, verifier: &Verifier) {
        let is_it = |one: &Password| one.verifier == *verifier;
        if let Ok(found) = self.0.find_entry(verifier.hash(), is_it) {
            found.remove();
        }
    }

    pub(super) fn find(&self, verifier: &Verifier) -> Option<&Password> {
        let is_it = |one: &Password| one.verifier == *verifier;
        self.0.find(verifier.hash(), is_it)
    }
}
