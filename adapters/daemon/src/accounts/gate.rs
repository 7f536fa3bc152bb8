//! Who may push accounts: whoever knows a secret of the source. Strangers cannot fill the store's queue with look-ups.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatepost_accounts::model::SourceId;
use gatepost_accounts::scim::Effect;
use gatepost_accounts::store::Unavailable;
use gatepost_core::Rejection;
use gatepost_core::dovecot::Origin;
use gatepost_store::{BearerSecret, Secret, SecretHash, Session, job};
use gatepost_tokio::{ClientRules, Network, Outcome, judge_client};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;

use super::{Accounts, now};
use crate::connection::service::{self, Service};
use crate::judging::guesses::{Guesses, Penalty};

/// Secrets that are remembered to have been good: all that 50 sources can have.
const KNOWN: usize = 1_000;

/// Look-ups of secrets that are not known, at once: the store's queue has room for 256 jobs.
const ASKING: usize = 8;

/// How long a look-up waits for its turn among those.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who sends a request.
pub(crate) enum Caller {
    /// Whoever knows this secret, as long as it is good.
    Secret(SecretHash),
    /// A client of a provider's, by the `sub` of a good token.
    Client(String),
}

/// Why a request is not admitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// It has no secret of the source.
    Unauthorized,
    /// Its network has guessed too often lately, or everybody has.
    Busy,
    /// The database cannot be asked.
    Unavailable,
}

/// Lets in whoever knows a secret.
pub(crate) struct Gate {
    /// Which secrets were good when they were last looked up: these wait for nobody.
    known: Mutex<HashSet<SecretHash>>,
    asking: Semaphore,
    guesses: Guesses,
}

impl Gate {
    /// Nobody is known; guesses wait as `guesses` says.
    pub(crate) fn new(guesses: Guesses) -> Self {
        Self {
            known: Mutex::default(),
            asking: Semaphore::new(ASKING),
            guesses,
        }
    }

    /// Whether `secret`, which came from `origin`, may be one of `source`. Each job looks again.
    pub(crate) async fn admit(
        &self,
        accounts: &Accounts,
        source: SourceId,
        (secret, origin): (&str, &Origin),
    ) -> Result<SecretHash, Refused> {
        let hash = SecretHash::of(secret);
        if self.lock().contains(&hash) {
            return Ok(hash);
        }
        if !BearerSecret::has_form(secret) {
            return Err(Refused::Unauthorized);
        }
        let guesser = self.guesses.source(origin, None);
        let _waiting = match guesser.map(|guesser| self.guesses.count(guesser)) {
            None => None,
            Some(Penalty::TooMany) => return Err(Refused::Busy),
            Some(Penalty::Wait(delay, waiting)) => {
                sleep(delay).await;
                Some(waiting)
            }
        };
        let turn = tokio::time::timeout(PATIENCE, self.asking.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Refused::Busy);
        };
        let found = look_up(accounts, hash).await;
        let is_good = match &found {
            Ok(found) => is_good(found.as_ref(), source),
            Err(Unavailable) => false,
        };
        if let (Some(guesser), true) = (guesser, is_good || found.is_err()) {
            self.guesses.forgive(guesser);
        }
        match found {
            Ok(_) if is_good => {
                self.learn(hash);
                Ok(hash)
            }
            Ok(_) => Err(Refused::Unauthorized),
            Err(Unavailable) => Err(Refused::Unavailable),
        }
    }

    /// Whether `token`, which came from `origin` over the connection of that number, is one of a client that `rules`
    /// name. It is judged anew with each request.
    pub(crate) async fn admit_client(
        &self,
        service: &Service,
        rules: &ClientRules,
        (token, origin): (&str, &Origin),
        number: u32,
    ) -> Result<String, Refused> {
        let generation = std::sync::Arc::clone(&service.generation.borrow());
        let network = Network::of_login(origin, number.into());
        let token = (token.as_bytes(), None);
        let providers = &generation.providers;
        let verdict = judge_client(providers, rules, token, network, service::now).await;
        let rejection = match verdict.outcome {
            Outcome::Accepted(identity) => return Ok(identity.user().to_owned()),
            Outcome::Refused { rejection, .. } => rejection,
        };
        if rejection.is_guess()
            && let Some(guesser) = self.guesses.source(origin, None)
        {
            match self.guesses.count(guesser) {
                Penalty::TooMany => return Err(Refused::Busy),
                Penalty::Wait(delay, _waiting) => sleep(delay).await,
            }
        }
        Err(match rejection {
            Rejection::Busy => Refused::Busy,
            _ if rejection.status().is_none() => Refused::Unavailable,
            _ => Refused::Unauthorized,
        })
    }

    fn learn(&self, hash: SecretHash) {
        let mut known = self.lock();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(hash);
    }

    /// It is good no more.
    pub(crate) fn forget(&self, hash: &SecretHash) {
        self.lock().remove(hash);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<SecretHash>> {
        // Nothing in there is ever half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what was found opens `source` now.
pub(crate) fn is_good(found: Option<&Secret>, source: SourceId) -> bool {
    found.is_some_and(|secret| secret.source == source && !secret.is_expired(now()))
}

async fn look_up(accounts: &Accounts, hash: SecretHash) -> Result<Option<Secret>, Unavailable> {
    let (sender, found) = oneshot::channel();
    let work = move |session: &mut dyn Session| (Effect::Nothing, session.secret(&hash));
    accounts.submit(job(work, move |found| {
        // Nobody waits any more if this fails.
        let _ = sender.send(found.flatten());
    }));
    found.await.unwrap_or(Err(Unavailable))
}
