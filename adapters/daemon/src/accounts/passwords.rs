//! Application passwords: looked for in memory alone. When each was used last is written in batches, and no login waits
//! for it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatepost_accounts::app_password::{self, PasswordId, Place, Use};
use gatepost_accounts::scim::Effect;
use gatepost_core::Rejection;
use gatepost_core::app_password::VerifierKey;
use gatepost_core::dovecot::Origin;
use gatepost_core::exchange::PasswordQuery;
use gatepost_store::job;
use gatepost_tokio::FoundPassword;

use super::login::account;
use super::{Accounts, SettingsError, now};
use crate::config::AccountSettings;

/// How often uses are written.
const EVERY: Duration = Duration::from_mins(1);

/// A use of a password within the same hour as another is not written.
const MILLIS_AN_HOUR: i64 = 3_600_000;

/// Uses that are written in one transaction.
const CHUNK: usize = 1_000;

/// What application passwords are found by, and which have been used.
#[derive(Default)]
pub(super) struct AppPasswords {
    keys: Vec<VerifierKey>,
    uses: Mutex<Uses>,
}

/// Uses of one hour.
#[derive(Default)]
struct Uses {
    hour: i64,
    /// The passwords that were used in it.
    seen: HashSet<PasswordId>,
    waiting: Vec<(PasswordId, Use)>,
}

impl AppPasswords {
    /// Reads the keys.
    ///
    /// # Errors
    /// [`SettingsError`]: one is not there.
    pub(super) fn load(settings: &AccountSettings) -> Result<Self, SettingsError> {
        let keys = settings.app_password_keys();
        let keys = keys.map_err(SettingsError::AppPasswordKey)?;
        Ok(Self {
            keys: keys.iter().map(VerifierKey::new).collect(),
            uses: Mutex::default(),
        })
    }

    pub(super) fn are_kept(&self) -> bool {
        !self.keys.is_empty()
    }

    fn note(&self, password: PasswordId, used: Use) {
        let mut noted = self.uses();
        let hour = used.at.millis().div_euclid(MILLIS_AN_HOUR);
        if noted.hour != hour {
            noted.hour = hour;
            noted.seen.clear();
        }
        if noted.seen.insert(password) {
            noted.waiting.push((password, used));
        }
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        // Nothing in there is ever half done.
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    /// Finds an application password for a login that comes from `origin`.
    pub(super) fn find_password(
        &self,
        query: PasswordQuery<'_>,
        origin: Option<&Origin>,
    ) -> FoundPassword {
        let place = Place {
            service: origin.map_or("", |origin| origin.service.as_str()),
            address: origin.and_then(|origin| origin.remote.address),
            now: now(),
        };
        let aliases_log_in = self.settings.aliases_log_in();
        let found = self.held.read(|index, _| {
            let typed = (query.user, query.password);
            let found = app_password::find(index, &self.app_passwords.keys, typed, place);
            found.map(|(entry, password)| (account(entry, aliases_log_in), password))
        });
        match found {
            None => FoundPassword::Unavailable,
            Some(Err(why)) => FoundPassword::Unfit(why),
            Some(Ok((account, password))) => {
                let used = Use {
                    at: place.now,
                    from: place.address,
                };
                self.app_passwords.note(password, used);
                FoundPassword::Good {
                    account,
                    number: password.0,
                }
            }
        }
    }

    /// Whether passwords have to be looked at that are nobody else's to judge, or that may not be taken at all.
    pub(crate) fn judges_passwords(&self) -> bool {
        self.settings.judges_passwords()
    }

    /// Why a password is refused before anybody looks at it; `user` is whose it is, if that is known.
    pub(crate) fn bars_password(
        &self,
        origin: &Origin,
        user: Option<&str>,
        is_app_password: bool,
    ) -> Option<Rejection> {
        let (service, address) = (origin.service.as_str(), origin.remote.address);
        if !self.settings.takes_passwords(user, service, address) {
            return Some(Rejection::PasswordNotAllowed);
        }
        let is_required = self.settings.required_app_passwords().holds(service);
        (is_required && !is_app_password).then_some(Rejection::AppPasswordRequired)
    }

    /// Whether application passwords are the only ones, for whatever service.
    pub(crate) fn takes_app_passwords_only(&self) -> bool {
        self.settings.required_app_passwords() == crate::config::Required::Everywhere
    }

    /// Writes now and then which passwords were used.
    pub(crate) async fn follow_uses(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.write_uses();
        }
    }

    /// Writes which passwords were used. Where that fails, their next uses in another hour will be.
    pub(super) fn write_uses(&self) {
        let waiting = std::mem::take(&mut self.app_passwords.uses().waiting);
        for chunk in waiting.chunks(CHUNK) {
            let uses = chunk.to_vec();
            let work = move |session: &mut dyn gatepost_store::Session| {
                let noted = session.note_uses(&uses);
                (noted.map_or(Effect::RollBack, |()| Effect::Commit), ())
            };
            // The store tells of its trouble itself.
            self.submit(job(work, |_| {}));
        }
    }
}
