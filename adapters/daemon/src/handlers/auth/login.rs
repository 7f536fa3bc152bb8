//! One login, from its response to its verdict.

use std::sync::Arc;

use gatepost_core::Rejection;
use gatepost_core::dovecot::{Login, Ticket};
use gatepost_core::sasl::Mechanism;
use gatepost_tokio::{Network, Outcome, Verdict};
use tokio::time::{Instant, timeout};

use super::response::Response;
use super::typed::Typed;
use crate::accounts::Logins;
use crate::connection::peer::has_stopped;
use crate::connection::service::{Service, now};
use crate::judging::generation::Generation;
use crate::judging::guesses::{Penalty, Source, Tried};
use crate::log::LoginLine;

/// A login that has been judged.
pub(crate) struct Judged {
    pub(super) ticket: Ticket,
    pub(super) line: LoginLine,
    pub(super) verdict: Verdict,
}

/// Judges a login. A password waits before it is tried, where others were guessed; the answer to a bad token waits
/// where others were bad.
pub(super) async fn judge(
    service: Arc<Service>,
    connection: u32,
    login: Login,
    response: Response,
) -> Box<Judged> {
    let mut attempt = Attempt {
        line: LoginLine::begin(login.mechanism.name(), login.origin),
        mechanism: login.mechanism,
        service,
        connection,
        response,
    };
    let verdict = if login.mechanism.is_password() {
        attempt.try_password().await
    } else {
        attempt.judge_token().await
    };
    // It is handed on several times, and has its place in what an idle connection waits with.
    Box::new(Judged {
        ticket: login.ticket,
        line: attempt.line,
        verdict,
    })
}

/// One login on its way.
struct Attempt {
    service: Arc<Service>,
    connection: u32,
    line: LoginLine,
    mechanism: Mechanism,
    response: Response,
}

impl Attempt {
    fn generation(&self) -> Arc<Generation> {
        Arc::clone(&self.service.generation.borrow())
    }

    /// Judges it now.
    async fn judge(&mut self, generation: &Generation) -> Verdict {
        let (providers, rules) = (&generation.providers, generation.rules());
        let origin = &self.line.origin;
        let attempt = gatepost_tokio::Attempt {
            mechanism: self.mechanism,
            message: self.response.bytes(),
            origin: Some(origin),
            network: Network::of_login(origin, self.connection.into()),
        };
        let accounts = self.service.accounts.as_ref().map(Logins::of);
        let began_at = Instant::now();
        let verdict =
            gatepost_tokio::judge_with(providers, rules, attempt, accounts.as_ref(), now).await;
        self.line.took = Some(began_at.elapsed());
        verdict
    }

    async fn judge_token(&mut self) -> Verdict {
        let mut verdict = self.judge(&self.generation()).await;
        if guessed(&verdict).is_some()
            && let Some(source) = self.source(verdict.claimed.as_deref())
        {
            // What is not needed any more is not kept for so long.
            self.response = Response::default();
            if self.wait(source).await.is_err() {
                verdict.outcome = Outcome::Refused {
                    rejection: Rejection::Busy,
                    challenge: None,
                };
            }
        }
        verdict
    }

    async fn try_password(&mut self) -> Verdict {
        let typed = Typed::read(self.response.bytes());
        let user = typed.and_then(|typed| typed.user()).map(str::to_owned);
        let is_app_password = typed.is_some_and(|typed| typed.is_app_password());
        let origin = &self.line.origin;
        let barred = self
            .service
            .bars_password(origin, user.as_deref(), is_app_password);
        if let Some(rejection) = barred {
            return Verdict::refused(rejection, user);
        }
        let from = self.source(user.as_deref());
        let source = match self.generation().pairs.tried(self.response.bytes(), from) {
            // It is counted already, may be good elsewhere, and costs nobody anything.
            Tried::Refused(_) if is_app_password => None,
            Tried::Refused(rejection) => return Verdict::refused(rejection, user),
            Tried::Good => return self.try_good(from).await,
            Tried::Never => from,
        };
        let is_paused = |generation: &Generation| {
            // The provider is not asked about an application password.
            let user = user.as_deref().filter(|_| !is_app_password);
            user.is_some_and(|user| generation.pairs.is_paused(user))
        };
        if is_paused(&self.generation()) {
            return Verdict::refused(Rejection::ProviderUnavailable, user);
        }
        if let Some(source) = source
            && let Err(rejection) = self.wait(source).await
        {
            return Verdict::refused(rejection, user);
        }
        // It may be another one than before.
        let generation = self.generation();
        if is_paused(&generation) {
            return Verdict::refused(Rejection::ProviderUnavailable, user);
        }
        let verdict = self.judge_password(&generation, from).await;
        // What may have been a guess is not refused for that, but the next one waits.
        if guessed(&verdict).is_none()
            && !verdict.is_open()
            && let Some(source) = source
        {
            self.service.guesses.forgive(source);
        }
        verdict
    }

    /// Tries a password that was good lately.
    async fn try_good(&mut self, from: Option<Source>) -> Verdict {
        let verdict = self.judge_password(&self.generation(), from).await;
        if guessed(&verdict).is_some() {
            // It is good no more: the next one waits.
            drop(from.map(|source| self.service.guesses.count(source)));
        }
        verdict
    }

    /// Asks about a password, and remembers what came of it.
    async fn judge_password(&mut self, generation: &Generation, from: Option<Source>) -> Verdict {
        let verdict = self.judge(generation).await;
        let (pairs, message) = (&generation.pairs, self.response.bytes());
        match (guessed(&verdict), &verdict.outcome) {
            (Some(why), _) => pairs.remember_wrong(message, why),
            (None, Outcome::Accepted(_)) => pairs.remember_good(message, from),
            _ => {}
        }
        if let (Some(pause), Some(user)) = (verdict.user_pause(), user_of(message)) {
            pairs.pause(user, pause);
        }
        verdict
    }

    fn source(&self, user: Option<&str>) -> Option<Source> {
        let guesses = &self.service.guesses;
        guesses.source(&self.line.origin, user)
    }

    /// Counts a guess, and waits as long as it has to.
    ///
    /// # Errors
    /// Where too many of the same source wait, or the daemon stops meanwhile: it is refused for now.
    async fn wait(&self, source: Source) -> Result<(), Rejection> {
        match self.service.guesses.count(source) {
            Penalty::TooMany => Err(Rejection::Busy),
            Penalty::Wait(delay, _) if delay.is_zero() => Ok(()),
            Penalty::Wait(delay, _waiting) => {
                let mut stopping = self.service.stopping.clone();
                let stopped = timeout(delay, has_stopped(&mut stopping)).await;
                stopped.map_or(Ok(()), |()| Err(Rejection::Busy))
            }
        }
    }
}

/// Why a login was refused, if it was a guess.
fn guessed(verdict: &Verdict) -> Option<Rejection> {
    match &verdict.outcome {
        Outcome::Refused { rejection, .. } if rejection.is_guess() => Some(*rejection),
        _ => None,
    }
}

/// The user of a message of PLAIN.
fn user_of(message: &[u8]) -> Option<&str> {
    Typed::read(message)?.user()
}
