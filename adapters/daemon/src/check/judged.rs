//! Judging one token as the daemon would, and saying why.

use gatepost_core::{
    Rejection, UnixTime,
    exchange::LoginSettings,
    sasl::{ClientResponse, Mechanism},
};
use gatepost_tokio::{Attempt, Network, Outcome, Providers, Verdict, judge};

use super::advice::Refusal;
use super::claims::{Login, Table};

/// Whom a token is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'g> {
    pub(crate) providers: &'g Providers,
    pub(crate) rules: LoginSettings<'g>,
    pub(crate) is_offline: bool,
    pub(crate) now: UnixTime,
}

/// A verdict, and what explains it.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) table: Option<Table>,
    /// What to do about a refusal.
    pub(crate) advice: Option<String>,
}

impl Judge<'_> {
    /// Judges the login `message`, which holds `token`.
    pub(crate) async fn judge(self, mechanism: Mechanism, message: &[u8], token: &str) -> Judged {
        let (providers, rules, now) = (self.providers, self.rules, self.now);
        let attempt = Attempt {
            mechanism,
            message,
            origin: None,
            network: Network::of_connection(0),
        };
        let verdict = judge(providers, rules, attempt, || now).await;
        let response = ClientResponse::parse(mechanism, rules.compat, message);
        let trust = providers.trust();
        let login = Login {
            trust: &trust,
            provider: verdict.provider.as_deref(),
            token,
            claimed: response.ok().and_then(|response| response.authzid),
            now,
        };
        let table = Table::of(&login, &verdict);
        let advice = refusal(&verdict).map(|rejection| {
            if let Some(trouble) = &verdict.trouble {
                return trouble.advice().to_owned();
            }
            let place = table.as_ref().and_then(|table| table.provider);
            let named = |name: &str| trust.providers().iter().position(|one| one.name == name);
            let place = place.or_else(|| verdict.provider.as_deref().and_then(named));
            let refusal = Refusal {
                rejection,
                token,
                table: table.as_ref(),
                settings: place.and_then(|place| trust.providers().get(place)),
                claimed: verdict.claimed.as_deref(),
                is_offline: self.is_offline,
            };
            refusal.advice()
        });
        Judged {
            verdict,
            table,
            advice,
        }
    }
}

/// Why a login is refused, if it is.
fn refusal(verdict: &Verdict) -> Option<Rejection> {
    match verdict.outcome {
        Outcome::Accepted(_) => None,
        Outcome::Refused { rejection, .. } => Some(rejection),
    }
}
