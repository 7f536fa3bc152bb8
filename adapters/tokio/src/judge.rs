//! One login, from its message to the verdict, among many others.

mod asking;
mod client;
mod verdict;

use std::cell::RefCell;
use std::sync::Arc;

use crate::accounts::{Accounts, Found, FoundPassword, Nobody, find_account, find_password};
use crate::answers::Known;
use crate::fields::Fields;
use crate::http::{Fault, Incoming};
use crate::network::Network;
use crate::permit::{Busy, Permit};
use crate::providers::Providers;
use crate::remembered;
use asking::Asked;
pub use client::{ClientRules, judge_client};
use gatepost_core::provider::Freshness;
use gatepost_core::{
    Exchange, Rejection, UnixTime,
    crypto::Algorithm,
    dovecot::Origin,
    exchange::{
        AccountQuery, AskAccounts, AskPasswords, Input, LoginSettings, MAX_PAYLOAD, Output,
        PasswordQuery, TrustedKey,
    },
    introspection::Answer,
    sasl::{BearerToken, Mechanism, SaslName},
};
pub use verdict::{Outcome, Verdict};

thread_local! {
    /// Room for the payload of the one token, or the one signed answer, that this thread is verifying.
    static SCRATCH: RefCell<Box<[u8]>> =
        RefCell::new(vec![0; if MAX_PAYLOAD > Answer::MAX_LEN { MAX_PAYLOAD } else { Answer::MAX_LEN }]
            .into_boxed_slice());
}

/// One attempt to log in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// What the client sent, base64-decoded.
    pub message: &'a [u8],
    /// Where it comes from: told to providers that are to know.
    pub origin: Option<&'a Origin>,
    /// Whose share of what is scarce it takes.
    pub network: Network,
}

/// What the next step is given.
enum Next {
    Start,
    Keys,
    NoNewerKeys,
    KeysUnavailable,
    Fetched(Arc<Known>),
    Account(Found),
    Password(FoundPassword),
}

impl Next {
    /// What there is after a look at a provider's keys.
    fn newer(freshness: Freshness, has_changed: bool) -> Self {
        match freshness {
            _ if has_changed => Self::Keys,
            Freshness::Current => Self::NoNewerKeys,
            Freshness::Unavailable => Self::KeysUnavailable,
        }
    }

    /// Whether a signature may be verified: that of the token, or of a signed answer (RFC 9701).
    fn verifies(&self) -> bool {
        match self {
            Self::Keys => true,
            Self::Fetched(known) => known.answer().is_ok_and(Incoming::is_signed),
            Self::Start
            | Self::NoNewerKeys
            | Self::KeysUnavailable
            | Self::Account(_)
            | Self::Password(_) => false,
        }
    }
}

/// Judges one login; `now` reads the clock. The providers of `rules` are those of `providers`.
///
/// On each thread one signature is verified at a time, networks in turn, and the executor goes round after each:
/// whatever one network sends, a login of another waits for two verifications at most. Who waits for a provider
/// keeps nobody waiting. A future that is neither polled on nor dropped may keep the others of its thread from
/// verifying. Thousands may wait; beyond, the network that has most is refused as [`Rejection::Busy`].
pub async fn judge(
    providers: &Providers,
    rules: LoginSettings<'_>,
    attempt: Attempt<'_>,
    now: impl Fn() -> UnixTime,
) -> Verdict {
    judge_with(providers, rules, attempt, None::<&Nobody>, now).await
}

/// As [`judge`], where the user of a good token has to have one of `accounts`, if there are any.
pub async fn judge_with(
    providers: &Providers,
    rules: LoginSettings<'_>,
    attempt: Attempt<'_>,
    accounts: Option<&impl Accounts>,
    now: impl Fn() -> UnixTime,
) -> Verdict {
    let trust = providers.trust();
    let rules = LoginSettings {
        providers: trust.asked(),
        ..rules
    };
    // Only a provider's answer to a password has to be kept.
    let is_password = attempt.mechanism.is_password();
    let mut room = vec![0; usize::from(is_password) * BearerToken::MAX_LEN];
    let exchange =
        Exchange::new(rules, attempt.mechanism, attempt.message).with_grant_buffer(&mut room);
    let asked = Asked::new(providers, &trust, attempt.origin, attempt.network);
    let keeps_passwords = accounts.is_some_and(Accounts::keeps_passwords);
    let exchange = exchange
        .with_accounts(accounts.is_some())
        .with_passwords(keeps_passwords);
    drive(exchange, Some(attempt.mechanism), (asked, accounts), now).await
}

/// Judges a token that came without a login, over HTTP say: as [`judge`], but nobody claims to be anybody,
/// so that the verdict is whose the token is. There is never a challenge.
pub async fn judge_token(
    providers: &Providers,
    rules: LoginSettings<'_>,
    (token, origin): (&[u8], Option<&Origin>),
    network: Network,
    now: impl Fn() -> UnixTime,
) -> Verdict {
    judge_token_with(
        providers,
        rules,
        (token, origin),
        network,
        None::<&Nobody>,
        now,
    )
    .await
}

/// As [`judge_token`], where the user of a good token has to have one of `accounts`, if there are any.
pub async fn judge_token_with(
    providers: &Providers,
    rules: LoginSettings<'_>,
    (token, origin): (&[u8], Option<&Origin>),
    network: Network,
    accounts: Option<&impl Accounts>,
    now: impl Fn() -> UnixTime,
) -> Verdict {
    let trust = providers.trust();
    let rules = LoginSettings {
        providers: trust.asked(),
        ..rules
    };
    let asked = Asked::new(providers, &trust, origin, network);
    let exchange = Exchange::of_token(rules, token)
        .with_accounts(accounts.is_some())
        .with_passwords(false);
    drive(exchange, None, (asked, accounts), now).await
}

/// What the log is told of a login.
#[derive(Default)]
struct Told {
    algorithm: Option<Algorithm>,
    kid: Option<String>,
    account: Option<String>,
    app_password: Option<u32>,
}

impl Told {
    fn password(&mut self, found: &FoundPassword) {
        if let FoundPassword::Good { account, number } = found {
            self.account = Some(account.id.clone());
            self.app_password = Some(*number);
        }
    }
}

/// What may be asked of whoever keeps accounts.
type Keeping = AskAccounts<AskPasswords>;

/// The loop of [`Exchange`].
async fn drive(
    mut exchange: Exchange<'_, Keeping>,
    mechanism: Option<Mechanism>,
    (mut asked, accounts): (Asked<'_>, Option<&impl Accounts>),
    now: impl Fn() -> UnixTime,
) -> Verdict {
    let (providers, trust) = (asked.providers, asked.trust);
    let mut newer = None;
    let mut next = Next::Start;
    let mut told = Told::default();
    let outcome = loop {
        let keys = newer.as_deref().unwrap_or(trust).keys();
        let Ok(output) = step(&mut exchange, &next, keys, asked.network, &now).await else {
            break Outcome::refused(Rejection::Busy, None);
        };
        next = match output {
            Output::FindKeys(query) => {
                told.algorithm = Some(query.algorithm());
                told.kid = query.kid().map(str::to_owned);
                Next::Keys
            }
            Output::FindNewerKeys(query) => {
                let known = newer.as_deref().unwrap_or(trust).generation(query.provider);
                let freshness = providers.refresh(query, asked.network).await;
                let trust = newer.insert(providers.trust());
                Next::newer(freshness, trust.generation(query.provider) != known)
            }
            Output::Fetch(request) => Next::Fetched(asked.ask(&request).await),
            Output::Again => next,
            Output::FindAccount(query) => {
                let found = find_account(accounts, trust, query).await;
                told.account = found.id().map(str::to_owned);
                Next::Account(found)
            }
            Output::FindPassword(query) => {
                let found = find_password(accounts, query, asked.origin);
                told.password(&found);
                Next::Password(found)
            }
            Output::Challenge(reply) => {
                let challenge = Some(reply.json().to_vec());
                let rejection = exchange.rejection().unwrap_or(Rejection::OutOfOrder);
                break Outcome::refused(rejection, challenge);
            }
            Output::Accept(identity) => break Outcome::Accepted(identity.clone()),
            Output::Reject(rejection) => break Outcome::refused(rejection, None),
        };
    };
    asked.settle(&outcome, exchange.provider());
    let trouble = asked.trouble(&outcome);
    let fields = fields(&exchange, &outcome, mechanism, trust);
    let place = exchange.provider();
    Verdict {
        vouched: vouched(&exchange, &outcome, &asked),
        claimed: exchange.claimed_user().map(copy_name),
        provider: place.and_then(|place| Some(trust.providers().get(place)?.name.clone())),
        account: told.account,
        app_password: told.app_password,
        algorithm: told.algorithm,
        kid: told.kid,
        is_asked: asked.is_any(),
        answers: asked.answers(),
        trouble,
        outcome,
        fields,
    }
}

/// Whose a refused token is, where that is known.
fn vouched(
    exchange: &Exchange<'_, Keeping>,
    outcome: &Outcome,
    asked: &Asked<'_>,
) -> Option<String> {
    let Outcome::Refused { rejection, .. } = outcome else {
        return None;
    };
    // An answer that cannot be used, or contradicts another, vouches for nobody.
    let is_judged = rejection.status().is_some();
    let answer = asked.last_answer().filter(|_| is_judged);
    let named = SCRATCH.with_borrow_mut(|scratch| {
        let signed = exchange.vouched_user(scratch);
        signed.or_else(|| exchange.user_in(&answer?.answer(), scratch))
    });
    named.map(|name| name.as_str().to_owned())
}

/// One step; one that may verify a signature waits for its turn, and lets the executor go round afterwards.
async fn step<'o>(
    exchange: &'o mut Exchange<'_, Keeping>,
    next: &Next,
    keys: &[&[TrustedKey<'_>]],
    network: Network,
    now: impl Fn() -> UnixTime,
) -> Result<Output<'o, AccountQuery<'o>, PasswordQuery<'o>>, Busy> {
    let permit = if next.verifies() {
        Some(Permit::acquire(network).await?)
    } else {
        None
    };
    let (output, is_remembered) = remembered::notice(|| {
        SCRATCH.with_borrow_mut(|scratch| {
            let input = match next {
                Next::Start => Input::Start,
                Next::Keys => Input::Keys { keys, scratch },
                Next::Account(found) => {
                    return Ok(found.lend(|found| exchange.step(now(), Input::Account(found))));
                }
                Next::Password(found) => {
                    return Ok(found.lend(|found| exchange.step(now(), Input::Password(found))));
                }
                Next::NoNewerKeys => Input::NoNewerKeys,
                Next::KeysUnavailable => Input::KeysUnavailable,
                Next::Fetched(known) => match known.answer() {
                    Ok(incoming) => {
                        let answer = &incoming.answer();
                        return Ok(exchange.step(
                            now(),
                            Input::Fetched {
                                answer,
                                keys,
                                scratch,
                            },
                        ));
                    }
                    Err(Fault::Busy) => return Err(Busy),
                    Err(why) => Input::FetchFailed(why.into()),
                },
            };
            Ok(exchange.step(now(), input))
        })
    });
    if permit.is_some() && !is_remembered {
        tokio::task::yield_now().await;
    }
    output
}

/// What else the mail server is told of a good login, as its provider's settings say.
fn fields(
    exchange: &Exchange<'_, Keeping>,
    outcome: &Outcome,
    mechanism: Option<Mechanism>,
    trust: &crate::Trust,
) -> Fields {
    let Outcome::Accepted(identity) = outcome else {
        return Fields::default();
    };
    let place = exchange.provider();
    let judged = place.and_then(|place| trust.providers().get(place));
    let templates = judged.map_or(&[][..], |settings| &settings.fields);
    Fields::fill(templates, identity.user(), mechanism, exchange.token())
}

fn copy_name(name: SaslName<'_>) -> String {
    let mut copy = String::with_capacity(64);
    for c in name.chars() {
        if copy.len() + c.len_utf8() > Verdict::MAX_CLAIMED {
            break;
        }
        copy.push(c);
    }
    copy
}
