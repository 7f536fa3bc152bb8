//! `[http]`

use std::path::PathBuf;

use gatepost_mail::http::{Caller, Shape};

use super::fault::Faults;
use super::reader::keys;
use super::secret::{self, Secret};
use super::values::{Bounded, OneLine, words};
use super::{Address, Listener};

/// Attributes of one answer.
const MAX_ATTRIBUTES: usize = 16;

/// Members of an answer that no attribute and no field may be: what Dovecot reads of itself.
const TAKEN: [&str; 7] = [
    "active",
    "error",
    "error_description",
    "exp",
    "expires_in",
    "scope",
    "token_type",
];

keys! {
    /// Where and how Dovecot's oauth2 database is answered over HTTP.
    pub(crate) struct Http in "[http]" {
        listen: Vec<Address>; required,
        allow_remote: bool,
        trust_client_address: Option<bool>,
        /// As a listener's.
        take_over: bool,
        shape: ShapeName,
        attributes: Vec<OneLine> = default_attributes(),
        client_id: Option<OneLine>,
        client_secret: Option<Secret>,
        client_secret_file: Option<PathBuf>,
        /// Connections of an address at once; one more is closed.
        pub(crate) connections: Bounded<1, 65_536> = Bounded::new(128),
    }
}

words! {
    #[derive(Default)]
    enum ShapeName {
        #[default]
        Dovecot = "dovecot",
        Rfc = "rfc",
    }
}

impl Http {
    /// Its addresses.
    pub(crate) fn listeners(&self) -> Vec<Listener> {
        let listeners = self.listen.iter().map(|address| Listener {
            allow_remote: self.allow_remote,
            trust_client_address: self.trust_client_address,
            take_over: self.take_over,
            places: self.places.clone(),
            ..Listener::at(address.clone())
        });
        listeners.collect()
    }

    /// Whether the configuration itself holds a secret of its.
    pub(super) fn holds_secret(&self) -> bool {
        self.client_secret.is_some()
    }

    pub(super) fn secret_file(&self) -> Option<PathBuf> {
        self.client_secret_file.clone()
    }

    pub(crate) fn shape(&self) -> Shape {
        match self.shape {
            ShapeName::Dovecot => Shape::Dovecot,
            ShapeName::Rfc => Shape::Rfc,
        }
    }

    pub(crate) fn attributes(&self) -> Vec<String> {
        let names = self.attributes.iter();
        names.map(|name| name.to_string()).collect()
    }

    /// Who may ask; `None` for anybody who can connect.
    pub(crate) fn caller(&self) -> Result<Option<Caller>, String> {
        let secret = secret::written(
            self.client_secret.as_ref(),
            self.client_secret_file.as_deref(),
        );
        let secret = secret.map_err(|fault| format!("[http]: {fault}"))?;
        let known = self.client_id.as_ref().zip(secret);
        Ok(known.map(|(id, secret)| Caller::new(id, &secret)))
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        for listener in self.listeners() {
            if !matches!(listener.address, Address::Unix(_)) {
                listener.check(faults);
            }
        }
        let mut forbid = |keys: &[&str], is_broken, sentence| {
            self.places.forbid(faults, keys, is_broken, sentence);
        };
        forbid(
            &["listen"],
            self.listen.is_empty(),
            "http: nowhere to listen: write listen = \"tcp:127.0.0.1:9080\"",
        );
        let is_unix = |address: &Address| matches!(address, Address::Unix(_));
        forbid(
            &["listen"],
            self.listen.iter().any(is_unix),
            "http: write \"tcp:host:port\", as in \"tcp:127.0.0.1:9080\"; mail servers do not speak HTTP over \
             unix sockets",
        );
        let is_taken = |name: &OneLine| TAKEN.contains(&&**name);
        let count = 1..=MAX_ATTRIBUTES;
        forbid(
            &["attributes"],
            !count.contains(&self.attributes.len()) || self.attributes.iter().any(is_taken),
            "http: write 1 to 16 attributes such as \"email\": what username_attribute is in Dovecot",
        );
        let has_secret = self.client_secret.is_some() || self.client_secret_file.is_some();
        forbid(
            &["client_secret", "client_secret_file"],
            self.client_secret.is_some() && self.client_secret_file.is_some(),
            "http: client_secret and client_secret_file are one thing; remove either",
        );
        forbid(
            &["client_id", "client_secret", "client_secret_file"],
            self.client_id.is_some() != has_secret,
            "http: client_id needs client_secret or client_secret_file; write both, or neither",
        );
    }

    /// Whether a field of that name would be lost behind what the HTTP listener says itself.
    pub(super) fn hides(&self, field: &str) -> bool {
        TAKEN.contains(&field) || self.attributes.iter().any(|name| &**name == field)
    }

    pub(super) fn looser_words(&self, words: &mut Vec<String>) {
        if self.allow_remote {
            words.push("[http]: allow_remote = true: tokens travel in clear".to_owned());
        }
    }
}

fn default_attributes() -> Vec<OneLine> {
    let names = ["email", "username", "sub"].map(str::to_owned);
    let names = names.into_iter().map(OneLine::try_from);
    names.flatten().collect()
}
