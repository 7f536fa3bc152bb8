//! What of `[[provider]]` concerns the network.

use gatepost_core::introspection::{About, ClientPlace, Mode};
use gatepost_tokio::{ClientSettings, GrantSettings, HttpSettings, OnlineSettings};

use super::super::fault::Faults;
use super::super::secret;
use super::super::values::holds_credentials;
use super::{ModeName, PlaceName, Provider, Unauthorized, Validate, WebUrl};

impl Provider {
    pub(super) fn check_online(&self, faults: &mut Faults) {
        self.check_issuer(faults);
        self.check_keys(faults);
        self.check_client(faults);
        self.check_asked(faults);
        self.check_tokeninfo(faults);
    }

    fn check_issuer(&self, faults: &mut Faults) {
        let places = &self.places;
        let has_endpoint = self.introspection_url.is_some() || self.tokeninfo_url.is_some();
        places.forbid(
            faults,
            &["issuer", "any_issuer", "introspection_url", "tokeninfo_url"],
            self.issuer.is_none() && !has_endpoint && !self.any_issuer,
            "provider: no issuer; write issuer = \"https://...\" as the provider's metadata name it, or \
             introspection_url or tokeninfo_url, or any_issuer = true",
        );
        places.forbid(
            faults,
            &["issuer", "any_issuer"],
            self.issuer.is_some() && self.any_issuer,
            "provider: issuer and any_issuer contradict each other; remove either",
        );
        places.forbid(
            faults,
            &["metadata_url", "issuer"],
            self.metadata_url.is_some() && self.issuer.is_none(),
            "provider: metadata_url needs issuer, byte for byte as the metadata name it; write both",
        );
        places.forbid(
            faults,
            &["metadata_url", "discovery"],
            self.metadata_url.is_some() && self.discovery == Some(false),
            "provider: metadata_url and discovery = false contradict each other; remove either",
        );
        places.forbid(
            faults,
            &["issuer"],
            self.issuer.as_deref().is_some_and(holds_credentials),
            "issuer: credentials are not for URLs; remove what stands before the @",
        );
        if let Some(issuer) = self
            .discovered_issuer()
            .filter(|issuer| !holds_credentials(issuer))
            && self.metadata_url.is_none()
        {
            let fault = self.issuer_fault(issuer);
            let is_broken = fault.is_some();
            places.forbid(faults, &["issuer"], is_broken, fault.unwrap_or_default());
        }
    }

    /// Why an issuer has no metadata.
    fn issuer_fault(&self, issuer: &str) -> Option<String> {
        if !issuer.contains(':') && issuer.contains('?') {
            return Some("issuer: write an https URL without a query".to_owned());
        }
        if !issuer.contains(':') {
            return Some(format!(
                "issuer: write \"https://{issuer}\", byte for byte what the provider's metadata have as issuer"
            ));
        }
        if let Some((base, _)) = issuer.split_once("/.well-known/") {
            return Some(format!(
                "issuer: write \"{base}\": its metadata are found from there"
            ));
        }
        let fault = match WebUrl::try_from(issuer.to_owned()) {
            Err(_) => {
                "the issuer is no https URL, so that it has no metadata; write metadata_url, keys or key_set_url"
            }
            Ok(_) if issuer.contains('?') => {
                "an issuer with metadata has no query; remove what follows the ?"
            }
            Ok(url) if !self.allow_http && url.is_plain_and_remote() => {
                "plain http to another host: anybody on the way could replace its keys; write https, or \
                 allow_http = true"
            }
            Ok(_) => return None,
        };
        Some(format!("provider: {fault}"))
    }

    fn check_keys(&self, faults: &mut Faults) {
        self.places.forbid(
            faults,
            &[
                "keys",
                "key_set_url",
                "issuer",
                "discovery",
                "validate",
                "introspection_url",
                "tokeninfo_url",
            ],
            // Without an issuer, that is what is missing.
            (self.issuer.is_some() || self.any_issuer)
                && self.finds_no_keys()
                && self.about() != Some(About::EveryToken),
            "provider: no keys to verify tokens with; write keys = [..], key_set_url, or an issuer with \
             metadata, or validate = \"online\" to have every token asked about",
        );
        let urls = [
            ("grant_url", &self.grant_url),
            ("introspection_url", &self.introspection_url),
            ("tokeninfo_url", &self.tokeninfo_url),
            ("key_set_url", &self.key_set_url),
            ("metadata_url", &self.metadata_url),
        ];
        for (key, url) in urls {
            self.places.forbid(
                faults,
                &[key],
                !self.allow_http && url.as_ref().is_some_and(WebUrl::is_plain_and_remote),
                "provider: plain http to another host: anybody on the way could read tokens, or replace keys; \
                 write https, or allow_http = true",
            );
        }
    }

    fn check_client(&self, faults: &mut Faults) {
        let mut forbid = |keys: &[&str], is_broken, sentence| {
            self.places.forbid(faults, keys, is_broken, sentence);
        };
        let has_secret = self.client_secret.is_some() || self.client_secret_file.is_some();
        forbid(
            &["client_secret", "client_secret_file"],
            self.client_secret.is_some() && self.client_secret_file.is_some(),
            "provider: client_secret and client_secret_file are one thing; remove either",
        );
        forbid(
            &["client_id", "client_secret", "client_secret_file"],
            self.client_id.is_some() != has_secret,
            "provider: client_id needs client_secret or client_secret_file; write both, or neither",
        );
        forbid(
            &["client_certificate", "client_key"],
            self.client_certificate.is_some() != self.client_key.is_some(),
            "provider: client_certificate needs client_key; write both, or neither",
        );
        forbid(
            &["grant_url", "client_id"],
            self.grant_url.is_some() && self.client_id.is_none(),
            "provider: grant_url needs client_id and client_secret; write all of them, or none",
        );
        forbid(
            &["grant_scope", "grant_url"],
            self.grant_scope.is_some() && self.grant_url.is_none(),
            "provider: grant_scope needs grant_url; write both, or neither",
        );
    }

    fn check_asked(&self, faults: &mut Faults) {
        let mut forbid = |keys: &[&str], is_broken, sentence| {
            self.places.forbid(faults, keys, is_broken, sentence);
        };
        let has_endpoint = self.introspection_url.is_some() || self.tokeninfo_url.is_some();
        forbid(
            &[
                "introspection_url",
                "tokeninfo_url",
                "client_id",
                "userinfo",
            ],
            self.userinfo && (has_endpoint || self.client_id.is_some()),
            "provider: userinfo = true is for providers without introspection; remove it, or client_id, \
             introspection_url and tokeninfo_url",
        );
        forbid(
            &[
                "introspection_url",
                "tokeninfo_url",
                "issuer",
                "discovery",
                "client_id",
                "userinfo",
                "validate",
            ],
            !self.can_ask() && !matches!(self.validate, None | Some(Validate::Local)),
            "provider: nobody can be asked; write introspection_url, client_id and client_secret, or userinfo = \
             true",
        );
    }

    /// The token follows the URL as it is written.
    fn check_tokeninfo(&self, faults: &mut Faults) {
        let url = self.tokeninfo_url.as_deref().unwrap_or_default();
        let path = url.split_once("://").map_or("", |(_, rest)| rest);
        let has_parameter = path.contains('?') || path.contains('/') && path.ends_with('/');
        self.places.forbid(
            faults,
            &["tokeninfo_url"],
            self.tokeninfo_url.is_some() && !has_parameter,
            format_args!(
                "provider: the token is appended to tokeninfo_url, and would become part of its path; write the \
                 parameter that takes it: \"{url}?access_token=\""
            ),
        );
    }

    pub(super) fn looser_words_online(&self, mut add: impl FnMut(&str)) {
        if self.userinfo {
            add(
                "userinfo = true: opaque tokens are shown to userinfo, which names no audience: tokens for \
                 any other application open mailboxes too",
            );
        }
        if self.allow_missing_audience {
            add("allow_missing_audience = true: answers that name no audience are taken");
        }
        if self.unauthorized == Unauthorized::InvalidToken {
            add(
                "unauthorized = \"invalid-token\": wrong client credentials look like bad tokens to clients",
            );
        }
        if self.grant_url.is_some() {
            add("grant_url: PLAIN and LOGIN are offered, and passwords shown to the provider");
        }
        if self.allow_http {
            add("allow_http = true: tokens and keys travel in clear");
        }
        if self.cache_seconds.get() > super::DEFAULT_CACHE.get() {
            let seconds = self.cache_seconds.get();
            add(&format!(
                "cache_seconds = {seconds}: revoked tokens live that much longer"
            ));
        }
    }

    /// Whether the issuer's metadata are looked for: where something is missing that they could say.
    pub(super) fn discovers(&self) -> bool {
        let is_wanted = self.keys.is_empty() && self.key_set_url.is_none()
            || self.metadata_url.is_some()
            || self.userinfo
            || self.client_id.is_some() && self.introspection_url.is_none();
        let is_dovecots = self.introspection_url.is_some() || self.tokeninfo_url.is_some();
        let default = is_wanted && !(is_dovecots && self.validate == Some(Validate::Online));
        self.issuer.is_some() && self.discovery.unwrap_or(default)
    }

    fn finds_no_keys(&self) -> bool {
        self.keys.is_empty() && self.key_set_url.is_none() && !self.discovers()
    }

    fn can_ask(&self) -> bool {
        let by_metadata = self.discovers() && (self.userinfo || self.client_id.is_some());
        self.introspection_url.is_some() || self.tokeninfo_url.is_some() || by_metadata
    }

    /// Which tokens are asked about: what is written, or else opaque ones where anybody can be asked, and
    /// all of them where nothing could verify any.
    pub(crate) fn about(&self) -> Option<About> {
        match self.validate {
            Some(validate) => validate.about(),
            None if !self.can_ask() => None,
            None if self.finds_no_keys() => Some(About::EveryToken),
            None => Some(About::OpaqueTokens),
        }
    }

    fn mode(&self) -> Mode {
        match self.introspection_mode {
            Some(ModeName::Get) => Mode::Get,
            Some(ModeName::Post) => Mode::Post,
            None if self.client_id.is_some() => Mode::Post,
            Some(ModeName::Auth) | None => Mode::Auth,
        }
    }

    pub(super) fn online(&self) -> Result<Option<OnlineSettings>, String> {
        let about = self.about();
        let is_offline = !self.discovers() && self.key_set_url.is_none();
        if about.is_none() && self.grant_url.is_none() && is_offline {
            return Ok(None);
        }
        let url = |url: &Option<WebUrl>| url.as_ref().map(|url| url.to_string());
        let certificate = self.client_certificate.clone().zip(self.client_key.clone());
        Ok(Some(OnlineSettings {
            discovery: self.discovers(),
            metadata_url: url(&self.metadata_url),
            key_set_url: url(&self.key_set_url),
            tokeninfo_url: url(&self.tokeninfo_url),
            introspection_url: url(&self.introspection_url),
            introspection_mode: self.mode(),
            force_introspection: self.force_introspection,
            about,
            grant: self.grant_url.as_ref().map(|url| GrantSettings {
                url: url.to_string(),
                scope: self.grant_scope.as_ref().map(|scope| scope.to_string()),
            }),
            client: self.client()?,
            allow_missing_audience: self.allow_missing_audience || self.userinfo,
            unauthorized_is_invalid_token: self.unauthorized == Unauthorized::InvalidToken,
            auth_headers: self.send_auth_headers,
            signed_answers: self.signed_answers,
            cache: self.cache_seconds.duration(),
            negative_cache: self.negative_cache_seconds.duration(),
            http: HttpSettings {
                timeout: self.timeout_milliseconds.duration(),
                concurrency: self.concurrency.get() as usize,
                ca_file: self.ca_file.clone(),
                client_certificate: certificate,
                allow_http: self.allow_http,
            },
        }))
    }

    fn client(&self) -> Result<Option<ClientSettings>, String> {
        let Some(id) = &self.client_id else {
            return Ok(None);
        };
        let secret = secret::written(
            self.client_secret.as_ref(),
            self.client_secret_file.as_deref(),
        );
        let Some(secret) = secret? else {
            return Ok(None);
        };
        Ok(Some(ClientSettings {
            id: id.to_string(),
            secret,
            place: match self.client_place {
                PlaceName::Basic => ClientPlace::Basic,
                PlaceName::Parameters => ClientPlace::Parameters,
            },
        }))
    }
}
