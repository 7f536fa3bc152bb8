//! What tables must not say together.

use super::fault::Faults;
use super::{
    AccountSettings, Address, Config, Dict, Http, Listener, ListenerProtocol, Metrics, Provider,
};

impl Config {
    pub(super) fn check(&self, faults: &mut Faults) {
        if let Some(metrics) = &self.metrics {
            metrics.places.forbid(
                faults,
                &["listen"],
                !matches!(metrics.listener().address, Address::Tcp(_)),
                "metrics: write \"tcp:host:port\", as in \"tcp:127.0.0.1:9464\"",
            );
        }
        self.places.demand(
            faults,
            &["listen", "listener", "http", "dict", "accounts"],
            !self.every_listener().is_empty(),
            "nowhere to listen: write listen = \"tcp:127.0.0.1:12345\", or a [[listener]] with address = \
             \"unix:/path\" and its rights, or [http], or [dict]",
        );
        self.places.demand(
            faults,
            &["provider"],
            !self.providers.is_empty(),
            "no [[provider]]: add one, with issuer and audience",
        );
        self.discovery.places.forbid(
            faults,
            &["scope", "openid_configuration"],
            !self.discovery.discovery().fits(),
            "[discovery]: scope and openid_configuration do not fit a reply of 1,024 bytes; shorten them",
        );
        for listener in &self.listeners {
            listener.check(faults);
        }
        for provider in &self.providers {
            provider.check(faults);
        }
        if let Some(http) = &self.http {
            self.check_http(http, faults);
        }
        if let Some(dict) = &self.dict {
            self.check_dict(dict, faults);
        }
        if let Some(accounts) = &self.accounts {
            self.check_accounts(accounts, faults);
        }
        self.check_distinct(faults);
        self.check_upstream(faults);
        self.check_names(faults);
        self.check_routes(faults);
    }

    /// The log, `[dict]` and stored keys tell providers apart by their names.
    fn check_names(&self, faults: &mut Faults) {
        for (index, provider) in self.providers.iter().enumerate() {
            let name = provider.name();
            let mut earlier = self.providers.iter().take(index);
            provider.places.forbid(
                faults,
                &["name", "issuer"],
                !name.is_empty() && earlier.any(|earlier| earlier.name() == name),
                format_args!(
                    "provider: another one is called {name:?}; write name = \"..\", a name of its own, or remove one \
                     of the two"
                ),
            );
        }
    }

    /// Two providers that might both be asked about one opaque token: it would be shown to the wrong one.
    fn check_routes(&self, faults: &mut Faults) {
        let domains = |provider: &Provider| -> Vec<String> {
            provider.domains().map(str::to_lowercase).collect()
        };
        let asked = self.providers.iter();
        let asked: Vec<_> = asked
            .filter(|provider| provider.about().is_some())
            .collect();
        for (index, provider) in asked.iter().enumerate() {
            let ours = domains(provider);
            let mut earlier = asked.iter().take(index);
            let is_shared = earlier.any(|earlier| {
                let theirs = domains(earlier);
                earlier.places.is_sound(faults, &["domains", "validate"])
                    && (ours.is_empty() && theirs.is_empty()
                        || ours.iter().any(|our| theirs.contains(our)))
            });
            provider.places.forbid(
                faults,
                &["domains", "validate"],
                is_shared,
                "provider: another provider is asked about the same opaque tokens; give each domains = \
                 [\"...\"] of its own, or write validate = \"local\"",
            );
        }
    }

    fn check_http(&self, http: &Http, faults: &mut Faults) {
        http.check(faults);
        for provider in &self.providers {
            provider.places.forbid(
                faults,
                &["fields"],
                provider.field_names().any(|name| http.hides(name)),
                "provider: fields: the answers of [http] hold a member of that name already; give the field \
                 another one",
            );
        }
    }

    fn check_dict(&self, dict: &Dict, faults: &mut Faults) {
        dict.check(faults);
        dict.places.forbid(
            faults,
            &["provider"],
            !self.providers.is_empty()
                && self.places.is_sound(faults, &["provider"])
                && self.told_provider().is_none(),
            "dict: write provider = \"...\", the name of one: Dovecot does not tell issuers apart, so that each \
             could sign for the users of another",
        );
    }

    fn check_accounts(&self, accounts: &AccountSettings, faults: &mut Faults) {
        accounts.check(faults);
        if self.places.is_sound(faults, &["provider"]) {
            self.check_joins(accounts, faults);
        }
    }

    /// Whose tokens open the accounts of each source.
    fn check_joins(&self, accounts: &AccountSettings, faults: &mut Faults) {
        let known: Vec<_> = self.providers.iter().map(Provider::name).collect();
        for source in &accounts.sources {
            let named = source.provider();
            source.places.forbid(
                faults,
                &["provider"],
                named.is_some_and(|named| !known.iter().any(|name| name == named)),
                "source: there is no [[provider]] of this name; name the one whose tokens open its accounts",
            );
            source.places.forbid(
                faults,
                &["provider"],
                named.is_none() && known.len() > 1,
                "source: write provider = \"..\", the name of the [[provider]] whose tokens open its accounts",
            );
            let judge = source.token_provider();
            source.places.forbid(
                faults,
                &["token_provider"],
                judge.is_some_and(|judge| !known.iter().any(|name| name == judge)),
                "source: token_provider: there is no [[provider]] of this name; name one of those that there are",
            );
            let judges = |provider: &Provider| judge.is_none_or(|judge| provider.name() == judge);
            // A realm's keys sign for all of its clients.
            let is_mail = |provider: &Provider| {
                let mut all = self.providers.iter().filter(|one| judges(one));
                let is_of_it = all.any(|one| one.signs_for(provider));
                let audience = source.token_audience();
                is_of_it && audience.is_some_and(|audience| provider.is_minted_for(audience))
            };
            source.places.forbid(
                faults,
                &["token_audience"],
                self.providers.iter().any(is_mail),
                "source: token_audience: mail users' tokens are minted for it; have the provider mint SCIM's for \
                 another audience",
            );
        }
    }

    /// Everything that is listened at.
    pub(crate) fn every_listener(&self) -> Vec<Listener> {
        let all = self.named_listeners().into_iter();
        all.map(|(_, listener)| listener).collect()
    }

    /// The same, each with what a reader of the file finds it by.
    fn named_listeners(&self) -> Vec<(&'static str, Listener)> {
        let own = self.listeners.iter().cloned();
        let mut all: Vec<_> = own.map(|listener| ("listener", listener)).collect();
        let metrics = self.metrics.as_ref().map(Metrics::listener);
        let dict = self.dict.as_ref().map(Dict::listener);
        let http = self.http.iter().flat_map(Http::listeners);
        let accounts = self.accounts.iter().flat_map(AccountSettings::listeners);
        all.extend(http.map(|listener| ("[http]", listener)));
        all.extend(dict.map(|listener| ("[dict]", listener)));
        all.extend(accounts.map(|listener| ("[accounts]", listener)));
        all.extend(metrics.map(|listener| ("[metrics]", listener)));
        all
    }

    /// Two listeners at one address would take each other's connections.
    fn check_distinct(&self, faults: &mut Faults) {
        let all = self.named_listeners();
        for (index, (table, listener)) in all.iter().enumerate() {
            let address = &listener.address;
            let mut earlier = all.iter().take(index);
            let Some((other, earlier)) =
                earlier.find(|(_, earlier)| earlier.address.overlaps(address))
            else {
                continue;
            };
            listener.places.forbid(
                faults,
                &["listen", "address"],
                true,
                format_args!(
                    "{table} {address} and {other} {} share an address; give each of them one of its own",
                    earlier.address
                ),
            );
        }
    }
}

impl Listener {
    pub(super) fn check(&self, faults: &mut Faults) {
        let mut forbid = |keys: &[&str], is_broken, sentence| {
            self.places.forbid(faults, keys, is_broken, sentence);
        };
        let has_rights = self.mode.is_some() || self.owner.is_some() || self.group.is_some();
        let is_unix = matches!(self.address, Address::Unix(_));
        forbid(
            &["allow_remote"],
            is_unix && self.allow_remote,
            "listener: allow_remote is not for unix: addresses; remove it",
        );
        forbid(
            &["take_over"],
            matches!(self.address, Address::Systemd(_)) && self.take_over,
            "listener: take_over is not for systemd: addresses, which systemd hands over; remove it",
        );
        forbid(
            &["mode", "owner", "group"],
            !is_unix && has_rights,
            "listener: mode, owner and group are for unix: addresses; remove them",
        );
        forbid(
            &["trust_client_address"],
            self.protocol != ListenerProtocol::Auth && self.trust_client_address.is_some(),
            "listener: trust_client_address is for logins, which protocol = \"auth\" has; remove it",
        );
        forbid(
            &["address"],
            matches!(self.address, Address::Tcp(_)) && self.protocol == ListenerProtocol::Master,
            "listener: protocol = \"master\" hands out logins; write a unix: address",
        );
    }
}
