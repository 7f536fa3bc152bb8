//! What an operator says of a provider. All of it is known when the image is built.

use core::net::SocketAddrV4;

use gatepost_core::{
    Policy,
    crypto::AlgorithmSet,
    introspection::{Endpoints, FetchFailure, Mode},
};

use crate::baked::BakedKey;
use crate::url::Url;

/// A provider: what its tokens have to say, and where its keys are.
#[derive(Clone, Copy, Debug)]
pub struct ProviderSettings {
    /// What its tokens have to say.
    pub policy: Policy<'static>,
    /// The algorithms that its keys may serve.
    pub algorithms: AlgorithmSet,
    /// Keys that are part of the image; none where the provider publishes its keys.
    pub keys: &'static [BakedKey],
    /// How it is found and asked over the network; `None` never touches the network.
    pub online: Option<OnlineSettings>,
}

/// How a provider is found and asked over the network.
#[derive(Clone, Copy, Debug)]
pub struct OnlineSettings {
    /// Whether the issuer's metadata say where its keys and endpoints are, as far as nothing here does.
    pub discovery: bool,
    /// URL of its JWK Set.
    pub key_set_url: Option<&'static str>,
    /// Where and how it is asked about tokens.
    pub endpoints: Endpoints<'static>,
    /// Where connections go, whatever the URLs say: for a host that no name leads to.
    pub connect_to: Option<SocketAddrV4>,
    /// Whether plain `http` is taken.
    pub allow_http: bool,
    /// What has to vouch for its servers over TLS, by a number that [`Secure`](crate::Secure) is given.
    pub trust: usize,
}

impl ProviderSettings {
    /// Whether it publishes its keys.
    pub(crate) fn finds_keys(&self) -> bool {
        let can_look = self.online.is_some_and(|online| {
            online.key_set_url.is_some() || online.discovery && self.policy.issuer.is_some()
        });
        self.keys.is_empty() && can_look
    }
}

impl OnlineSettings {
    /// Takes a URL apart that may be asked: tokens and keys do not travel in clear.
    pub(crate) fn check<'u>(&self, url: &'u str) -> Result<Url<'u>, FetchFailure> {
        let url = Url::parse(url).ok_or(FetchFailure::NotAsked)?;
        if !url.is_secure && !self.allow_http {
            log::error!(
                "not asked: plain http, which takes allow_http; host={}",
                url.host
            );
            return Err(FetchFailure::NotAsked);
        }
        Ok(url)
    }

    /// Whether opaque tokens go to userinfo rather than to introspection.
    pub(crate) fn asks_userinfo(&self) -> bool {
        self.endpoints.mode == Mode::Auth
    }
}
