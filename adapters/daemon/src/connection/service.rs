//! What all connections share.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost_core::dovecot::Origin;
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Rejection, UnixTime};
use tokio::sync::watch;

use crate::accounts::Accounts;
use crate::connection::peer::Stage;
use crate::judging::generation::Generation;
use crate::judging::guesses::Guesses;
use crate::metrics::Metrics;

/// What all connections share.
pub(crate) struct Service {
    pub(crate) generation: watch::Receiver<Arc<Generation>>,
    pub(crate) metrics: Metrics,
    /// How far the daemon is.
    pub(crate) stopping: watch::Receiver<Stage>,
    /// How long a client may take to say who it is.
    pub(crate) handshake: Duration,
    /// How long it may take to end a line, and to take an answer.
    pub(crate) line: Duration,
    pub(crate) guesses: Guesses,
    /// The accounts that are known before anybody logs in.
    pub(crate) accounts: Option<Arc<Accounts>>,
}

impl Service {
    /// What is offered: passwords only where somebody here takes them, or judges which are taken.
    pub(crate) fn mechanisms(&self) -> &'static [Mechanism] {
        let accounts = self.accounts.as_ref();
        if accounts.is_some_and(|accounts| accounts.judges_passwords()) {
            return &Mechanism::ALL;
        }
        self.generation.borrow().mechanisms()
    }

    /// Whether a provider takes passwords.
    pub(crate) fn grants_for_passwords(&self) -> bool {
        self.generation.borrow().grants_for_passwords()
    }

    /// Whether no other passwords are taken than application passwords.
    pub(crate) fn takes_app_passwords_only(&self) -> bool {
        let accounts = self.accounts.as_ref();
        accounts.is_some_and(|accounts| accounts.takes_app_passwords_only())
    }

    /// Why a password is refused before anybody looks at it.
    pub(crate) fn bars_password(
        &self,
        origin: &Origin,
        user: Option<&str>,
        is_app_password: bool,
    ) -> Option<Rejection> {
        let accounts = self.accounts.as_ref()?;
        accounts.bars_password(origin, user, is_app_password)
    }
}

/// The time of the system's clock.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 is not set: every token is from the future then.
    let seconds = since.map_or(0, |since| since.as_secs());
    UnixTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
