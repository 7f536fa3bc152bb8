//! A provider, as `appliance.toml` describes it.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::path::PathBuf;

use gatepost_core::UsernameTemplate;
use gatepost_core::crypto::{Algorithm, AlgorithmSet};
use serde::Deserialize;

use super::OneOrMany;

/// A provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the file")]
pub(crate) struct Provider {
    pub(crate) name: Option<String>,
    pub(crate) issuer: Option<String>,
    #[serde(default)]
    pub(crate) any_issuer: bool,
    #[serde(default)]
    pub(crate) audience: OneOrMany,
    #[serde(default)]
    pub(crate) any_audience: bool,
    #[serde(default)]
    pub(crate) allow_missing_audience: bool,
    /// A JWK Set that becomes part of the image.
    pub(crate) keys: Option<PathBuf>,
    pub(crate) key_set_url: Option<String>,
    #[serde(default = "all_algorithms")]
    pub(crate) algorithms: Vec<String>,
    #[serde(default)]
    pub(crate) domains: Vec<String>,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) require: BTreeMap<String, String>,
    #[serde(default = "subject")]
    pub(crate) username_claims: Vec<String>,
    #[serde(default)]
    pub(crate) authorized_parties: Vec<String>,
    #[serde(default = "default_skew")]
    pub(crate) skew_seconds: u32,
    #[serde(default)]
    pub(crate) userinfo: bool,
    pub(crate) introspection_url: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<String>,
    /// Where connections go, whatever the URLs say.
    pub(crate) connect_to: Option<SocketAddrV4>,
    #[serde(default)]
    pub(crate) allow_http: bool,
    /// Certificates (PEM) of the only authorities that may vouch for its servers.
    pub(crate) ca_file: Option<PathBuf>,
    /// The only keys that its servers may have, whoever vouches for them.
    #[serde(default)]
    pub(crate) pinned_keys: OneOrMany,
}

impl Provider {
    /// What the log calls it: by default its issuer's host.
    pub(crate) fn name(&self) -> String {
        let host = || {
            let issuer = self
                .issuer
                .as_deref()
                .or(self.introspection_url.as_deref())?;
            let (_, rest) = issuer.split_once("://")?;
            Some(rest.split(['/', ':']).next()?.to_owned())
        };
        let name = self.name.clone().or_else(host);
        name.unwrap_or_else(|| "provider".to_owned())
    }

    /// The algorithms that its keys may serve.
    pub(crate) fn algorithms(&self) -> Result<AlgorithmSet, String> {
        self.algorithms
            .iter()
            .try_fold(AlgorithmSet::EMPTY, |set, name| {
                let algorithm = Algorithm::from_name(name);
                let algorithm =
                    algorithm.ok_or_else(|| format!("no algorithm is called {name:?}"))?;
                Ok(set.union(AlgorithmSet::of(&[algorithm])))
            })
    }

    /// Whether its metadata are looked for: where something is missing that they say.
    pub(crate) fn discovers(&self) -> bool {
        let lacks_keys = self.keys.is_none() && self.key_set_url.is_none();
        let lacks_endpoint = self.client_id.is_some() && self.introspection_url.is_none();
        self.issuer.is_some() && (lacks_keys || lacks_endpoint || self.userinfo)
    }

    /// Whether anything of it is found or asked over the network.
    pub(crate) fn is_online(&self) -> bool {
        self.discovers() || self.key_set_url.is_some() || self.can_ask()
    }

    /// Whether it can be asked about tokens.
    pub(crate) fn can_ask(&self) -> bool {
        self.introspection_url.is_some()
            || self.discovers() && (self.userinfo || self.client_id.is_some())
    }

    /// The URLs that are known to be asked.
    fn urls(&self) -> impl Iterator<Item = &String> {
        let issuer = self.issuer.as_ref().filter(|_| self.discovers());
        let urls = [
            issuer,
            self.key_set_url.as_ref(),
            self.introspection_url.as_ref(),
        ];
        urls.into_iter().flatten()
    }

    /// Whether any of it is asked over TLS.
    pub(crate) fn asks_over_tls(&self) -> bool {
        self.urls().any(|url| url.starts_with("https://"))
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.issuer.is_none() && !self.any_issuer && self.introspection_url.is_none() {
            return Err("write issuer, as its tokens name it, or any_issuer = true");
        }
        if self.audience.as_slice().is_empty() != self.any_audience {
            return Err(
                "write audience, or any_audience = true to take tokens for any application",
            );
        }
        if self.keys.is_none() && self.key_set_url.is_none() && !self.discovers() && !self.can_ask()
        {
            return Err("no keys: write issuer, keys or key_set_url");
        }
        if self.client_id.is_some() != self.client_secret.is_some() {
            return Err("client_id needs client_secret; write both, or neither");
        }
        if self.userinfo && self.client_id.is_some() {
            return Err(
                "userinfo = true is for providers without introspection; remove client_id or it",
            );
        }
        if !(1..=15).contains(&self.username_claims.len()) {
            return Err("name 1 to 15 username_claims");
        }
        let is_bad = |candidate: &String| UsernameTemplate::parse(candidate).is_err();
        if self.username_claims.iter().any(is_bad) {
            return Err(
                "username_claims: write claims such as \"email\", or templates such as \
                 \"%{preferred_username}@example.com\"",
            );
        }
        if !self.allow_http && self.urls().any(|url| url.starts_with("http://")) {
            return Err(
                "plain http: anybody on the way could replace its keys; write https, or allow_http = true",
            );
        }
        self.check_trust()
    }

    fn check_trust(&self) -> Result<(), &'static str> {
        let has_pins = !self.pinned_keys.as_slice().is_empty();
        match (self.asks_over_tls(), self.ca_file.is_some(), has_pins) {
            (true, false, false) => Err(
                "https, but nothing says whom to trust: write ca_file = \"authority.pem\", the certificates of the \
                 authorities that may vouch for it, or pinned_keys = \"sha256//..\", as curl --pinnedpubkey takes them",
            ),
            (true, true, true) => {
                Err("a pinned key needs no authority: remove ca_file or pinned_keys")
            }
            (false, false, false) | (true, ..) => Ok(()),
            (false, ..) => Err("no URL of it is https: remove ca_file and pinned_keys"),
        }
    }
}

fn subject() -> Vec<String> {
    vec!["sub".to_owned()]
}

fn default_skew() -> u32 {
    gatepost_core::DEFAULT_SKEW
}

fn all_algorithms() -> Vec<String> {
    let all = AlgorithmSet::ALL.iter();
    all.map(|algorithm| algorithm.name().to_owned()).collect()
}
