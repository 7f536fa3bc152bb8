//! What an operator says of a provider, all of it owned.

use std::path::PathBuf;
use std::time::Duration;

use crate::fields::Template;
use gatepost_core::introspection::{About, ClientPlace, Mode};
use gatepost_core::{
    Audience, DEFAULT_SKEW, Delegate, Policy, Requirement, Tenant, UserCase, crypto::AlgorithmSet,
};

/// A provider: what its tokens have to say, and where its keys are.
///
/// Each setting but `algorithms`, `keys`, `fields`, `tells_secrets` and `online` is the field of the same name of [`Policy`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word of the configuration"
)]
pub struct ProviderSettings {
    /// What the operator calls it, at most [`MAX_NAME`](Self::MAX_NAME) bytes.
    pub name: String,
    /// The only `iss` taken; `None` leaves it unjudged.
    pub issuer: Option<String>,
    /// Whom a token must be minted for; `None` takes any audience.
    pub audience: Option<Vec<String>>,
    /// The `azp` values taken; empty leaves it unjudged.
    pub authorized_parties: Vec<String>,
    /// Scopes of which a token must hold every one.
    pub scopes: Vec<String>,
    /// Claims that may hold the user's name, at most [`MAX_USERNAME_CLAIMS`](Self::MAX_USERNAME_CLAIMS).
    pub username_claims: Vec<String>,
    /// How names are compared and handed on.
    pub user_case: UserCase,
    /// A claim that must be there, and its value where that matters.
    pub active: Option<(String, Option<String>)>,
    /// Whether ID tokens are taken as well.
    pub id_tokens: bool,
    /// Whether a JWT's header has to say `at+jwt`.
    pub require_type: bool,
    /// Whether an address names the user that the provider says it has not verified.
    pub unverified_email: bool,
    /// Tenants of the issuer, and the domains that each may name users of.
    pub tenants: Vec<(String, Vec<String>)>,
    /// Users, and whom each may log in as.
    pub delegates: Vec<(String, Vec<String>)>,
    /// A claim that holds whom its user may log in as.
    pub delegates_claim: Option<String>,
    /// The claim that finds the user's account, where accounts are kept.
    pub account_claim: String,
    /// Clock skew allowed, in seconds.
    pub skew: u32,
    /// The algorithms that its keys may serve.
    pub algorithms: AlgorithmSet,
    /// Files of keys: JWK Sets, single JWKs, PEM, or directories `<azp>/<ALG>/<kid>`.
    pub keys: Vec<PathBuf>,
    /// Domains that it may name users of; empty for any.
    pub domains: Vec<String>,
    /// Claims, and what each has to hold: any of these.
    pub required: Vec<(String, Vec<String>)>,
    /// Further fields of the answer that a login is good, by their names.
    pub fields: Vec<(String, Template)>,
    /// Whether [`Trust::written_key`](crate::Trust::written_key) gives out secrets as well.
    pub tells_secrets: bool,
    /// How it is found and asked over the network; `None` never touches the network.
    pub online: Option<OnlineSettings>,
}

/// How a provider is found and asked over the network.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word of the configuration"
)]
pub struct OnlineSettings {
    /// Whether the issuer's metadata say where its keys and endpoints are, as far as nothing below does.
    pub discovery: bool,
    /// URL of those metadata, where the provider is reached by another name than its issuer. They have to
    /// name the issuer all the same.
    pub metadata_url: Option<String>,
    /// URL of its JWK Set.
    pub key_set_url: Option<String>,
    /// URL that a token is appended to.
    pub tokeninfo_url: Option<String>,
    /// URL of introspection, or of userinfo in [`Mode::Auth`].
    pub introspection_url: Option<String>,
    /// How the introspection endpoint is asked.
    pub introspection_mode: Mode,
    /// Whether introspection is asked even where tokeninfo has said everything.
    pub force_introspection: bool,
    /// Which tokens it is asked about; `None` for none.
    pub about: Option<About>,
    /// Where passwords are exchanged for tokens, if anywhere.
    pub grant: Option<GrantSettings>,
    /// Who we are to it.
    pub client: Option<ClientSettings>,
    /// Whether an answer that names no audience will do.
    pub allow_missing_audience: bool,
    /// Whether 401 at introspection means the token, not our credentials.
    pub unauthorized_is_invalid_token: bool,
    /// Whether it is told where logins come from, in `X-Dovecot-Auth-` headers.
    pub auth_headers: bool,
    /// Whether it is asked for signed answers (RFC 9701).
    pub signed_answers: bool,
    /// How long an answer about a good token is believed: the delay of a revocation.
    pub cache: Duration,
    /// How long an answer about a bad token is believed.
    pub negative_cache: Duration,
    /// The connections to it.
    pub http: HttpSettings,
}

/// Where and how a token is asked for in exchange for a password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GrantSettings {
    /// URL of the token endpoint.
    pub url: String,
    /// The scopes to ask for, separated by spaces.
    pub scope: Option<String>,
}

/// Who we are to a provider.
#[derive(Clone, Eq, PartialEq)]
pub struct ClientSettings {
    /// The client identifier.
    pub id: String,
    /// The client secret; never printed.
    pub secret: String,
    /// Where both are sent.
    pub place: ClientPlace,
}

impl std::fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSettings")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Connections to a provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpSettings {
    /// How long one request may take, from connecting to the last byte.
    pub timeout: Duration,
    /// Requests at once.
    pub concurrency: usize,
    /// Certificates of the only authorities that are trusted, PEM; `None` for the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate chain and private key that we show, PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether plain `http` is taken beyond loopback.
    pub allow_http: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3),
            concurrency: 32,
            ca_file: None,
            client_certificate: None,
            allow_http: false,
        }
    }
}

impl Default for OnlineSettings {
    fn default() -> Self {
        Self {
            discovery: true,
            metadata_url: None,
            key_set_url: None,
            tokeninfo_url: None,
            introspection_url: None,
            introspection_mode: Mode::Post,
            force_introspection: false,
            about: None,
            grant: None,
            client: None,
            allow_missing_audience: false,
            unauthorized_is_invalid_token: false,
            auth_headers: false,
            signed_answers: false,
            cache: Duration::from_mins(1),
            negative_cache: Duration::from_secs(5),
            http: HttpSettings::default(),
        }
    }
}

impl ProviderSettings {
    /// Longest name, in bytes: what an exchange keeps of it for the log.
    pub const MAX_NAME: usize = 64;
    /// Most username claims: the core looks for 16 paths in a token, of which `active` may be one.
    pub const MAX_USERNAME_CLAIMS: usize = 15;
    /// Most paths in a token altogether: those of `username_claims`, `active`, `required` and
    /// `delegates_claim`.
    pub const MAX_PATHS: usize = 16;

    /// The strictest settings, as [`Policy::new`] has them; the audience is still to be said.
    #[must_use]
    pub fn new(name: impl Into<String>, audience: Option<Vec<String>>) -> Self {
        Self {
            name: name.into(),
            issuer: None,
            audience,
            authorized_parties: Vec::new(),
            scopes: Vec::new(),
            username_claims: vec!["sub".to_owned()],
            user_case: UserCase::default(),
            active: None,
            id_tokens: false,
            require_type: false,
            unverified_email: false,
            tenants: Vec::new(),
            delegates: Vec::new(),
            delegates_claim: None,
            account_claim: "sub".to_owned(),
            skew: DEFAULT_SKEW,
            algorithms: AlgorithmSet::ALL,
            keys: Vec::new(),
            domains: Vec::new(),
            required: Vec::new(),
            fields: Vec::new(),
            tells_secrets: false,
            online: None,
        }
    }
}

/// The lists of one provider in the form in which a [`Policy`] borrows them.
pub(crate) struct Lists<'s> {
    audience: Option<Vec<&'s str>>,
    authorized_parties: Vec<&'s str>,
    scopes: Vec<&'s str>,
    username_claims: Vec<&'s str>,
    domains: Vec<&'s str>,
    required: Vec<(&'s str, Vec<&'s str>)>,
    tenants: Vec<(&'s str, Vec<&'s str>)>,
    delegates: Vec<(&'s str, Vec<&'s str>)>,
}

/// What of the lists borrows from the lists themselves.
pub(crate) struct Tables<'l> {
    required: Vec<Requirement<'l>>,
    tenants: Vec<Tenant<'l>>,
    delegates: Vec<Delegate<'l>>,
}

impl<'s> Lists<'s> {
    pub(crate) fn new(settings: &'s ProviderSettings) -> Self {
        Self {
            audience: settings.audience.as_deref().map(borrow),
            authorized_parties: borrow(&settings.authorized_parties),
            scopes: borrow(&settings.scopes),
            username_claims: borrow(&settings.username_claims),
            domains: borrow(&settings.domains),
            required: settings.required.iter().map(borrow_row).collect(),
            tenants: settings.tenants.iter().map(borrow_row).collect(),
            delegates: settings.delegates.iter().map(borrow_row).collect(),
        }
    }

    pub(crate) fn tables(&self) -> Tables<'_> {
        Tables {
            required: rows(&self.required, |claim, any_of| Requirement {
                claim,
                any_of,
            }),
            tenants: rows(&self.tenants, |id, domains| Tenant { id, domains }),
            delegates: rows(&self.delegates, |user, may_act_as| Delegate {
                user,
                may_act_as,
            }),
        }
    }

    pub(crate) fn policy<'l>(
        &'l self,
        tables: &'l Tables<'l>,
        settings: &'l ProviderSettings,
    ) -> Policy<'l> {
        let audience = self.audience.as_deref();
        let audience = audience.map_or(Audience::Any, Audience::OneOf);
        let mut policy = Policy::new(&settings.name, audience);
        policy.issuer = settings.issuer.as_deref();
        policy.tenants = &tables.tenants;
        policy.authorized_parties = &self.authorized_parties;
        policy.scopes = &self.scopes;
        policy.username_claims = &self.username_claims;
        policy.domains = &self.domains;
        policy.required = &tables.required;
        policy.user_case = settings.user_case;
        policy.active = settings.active.as_ref().map(|(claim, value)| {
            let value = value.as_deref();
            gatepost_core::Active { claim, value }
        });
        policy.id_tokens = settings.id_tokens;
        policy.require_type = settings.require_type;
        policy.unverified_email = settings.unverified_email;
        policy.delegates = &tables.delegates;
        policy.delegates_claim = settings.delegates_claim.as_deref();
        policy.account_claim = &settings.account_claim;
        policy.skew = settings.skew;
        policy
    }
}

fn borrow(strings: &[String]) -> Vec<&str> {
    strings.iter().map(String::as_str).collect()
}

fn borrow_row((name, values): &(String, Vec<String>)) -> (&str, Vec<&str>) {
    (name, borrow(values))
}

fn rows<'l, T>(
    lists: &'l [(&'l str, Vec<&'l str>)],
    row: impl Fn(&'l str, &'l [&'l str]) -> T,
) -> Vec<T> {
    lists
        .iter()
        .map(|(name, values)| row(name, values))
        .collect()
}
