//! Tokens of clients that are no mail users: a provider's, but minted for something else, and for those alone who are
//! named.

use gatepost_core::exchange::{AccountQuery, LoginSettings, Provider};
use gatepost_core::{
    Audience, Exchange, Policy, Tenant, UnixTime, UserCase, dovecot::Origin,
    introspection::Endpoints,
};

use super::{Verdict, asking::Asked, drive};
use crate::accounts::{Accounts, Found};
use crate::network::Network;
use crate::providers::Providers;

/// Whose tokens are taken, and what these have to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientRules {
    /// The provider, by its name.
    pub provider: String,
    /// Whom a token has to be minted for.
    pub audience: String,
    /// Which `sub` it may have: any of these.
    pub subjects: Vec<String>,
}

impl Accounts for ClientRules {
    async fn find(&self, provider: &str, query: AccountQuery<'_>) -> Found {
        let mut subjects = self.subjects.iter();
        let is_named = subjects.any(|subject| Some(&**subject) == query.subject);
        if is_named && provider == self.provider {
            Found::Stranger
        } else {
            Found::Unknown
        }
    }
}

/// Judges a token of a client's by `rules`: of what its provider's policy says of mail users' tokens only the issuer,
/// the kinds of tokens and the clock count. The verdict's user is the token's `sub`, which has to be a user's name.
pub async fn judge_client(
    providers: &Providers,
    rules: &ClientRules,
    (token, origin): (&[u8], Option<&Origin>),
    network: Network,
    now: impl Fn() -> UnixTime,
) -> Verdict {
    let trust = providers.trust();
    let tenants: Vec<_> = trust.policies().iter().map(tenants).collect();
    let audience = [&*rules.audience];
    let both = trust.policies().iter().zip(&tenants);
    let all = both.zip(trust.providers());
    let policies = all.map(|((policy, tenants), settings)| {
        let is_it = settings.name == rules.provider;
        let audience: &[&str] = if is_it { &audience } else { &[] };
        of_client(policy, tenants, audience)
    });
    let policies: Vec<_> = policies.collect();
    let asked = trust.asked().iter().zip(&policies);
    // What turns out to be nobody's token, such as half of a secret, is nobody else's business.
    let asked = asked.map(|(provider, policy)| Provider {
        policy,
        endpoints: provider
            .endpoints
            .filter(|_| policy.provider == rules.provider)
            .map(|endpoints| Endpoints {
                allow_missing_audience: false,
                ..endpoints
            }),
    });
    let asked: Vec<_> = asked.collect();
    let exchange = Exchange::of_token(LoginSettings::new(&asked), token)
        .with_accounts(true)
        .with_passwords(false);
    let asking = Asked::new(providers, &trust, origin, network);
    drive(exchange, None, (asking, Some(rules)), now).await
}

fn of_client<'p>(
    policy: &Policy<'p>,
    tenants: &'p [Tenant<'p>],
    audience: &'p [&'p str],
) -> Policy<'p> {
    let mut client = Policy::new(policy.provider, Audience::OneOf(audience));
    client.issuer = policy.issuer;
    client.tenants = tenants;
    client.require_type = policy.require_type;
    client.user_case = UserCase::Keep;
    client.skew = policy.skew;
    client
}

/// Tenants that name whomever they like.
fn tenants<'p>(policy: &Policy<'p>) -> Vec<Tenant<'p>> {
    let any = |tenant: &Tenant<'p>| Tenant {
        id: tenant.id,
        domains: &[],
    };
    policy.tenants.iter().map(any).collect()
}
