//! The words of a `[[provider]]` table that the table's cases use, as the core takes them.
//!
//! The daemon reads the same texts: `every_configuration_of_the_table_loads` in its tests says that they load. A
//! word that is not known here fails the case.

use gatepost_core::introspection::{About, Client, ClientPlace, Endpoints, Grant, Mode};
use gatepost_core::{Audience, Policy, Requirement, Tenant};
use toml::{Table, Value};

use crate::table::Kind;

/// A `[[provider]]` table.
pub(crate) struct Settings {
    table: Table,
}

/// Words that change nothing for a case: where its documents come from, and who asks for them.
const ELSEWHERE: [&str; 6] = [
    "allow_http",
    "client_secret_file",
    "key_set_url",
    "metadata_url",
    "userinfo",
    "validate",
];

/// Words that the cases are judged by.
const WORDS: [&str; 18] = [
    "allow_missing_audience",
    "any_audience",
    "audience",
    "authorized_parties",
    "client_id",
    "domains",
    "grant_url",
    "id_tokens",
    "introspection_mode",
    "introspection_url",
    "issuer",
    "require",
    "require_type",
    "scopes",
    "tenants",
    "tokeninfo_url",
    "unverified_email",
    "username_claims",
];

impl Settings {
    /// Reads a table's text.
    pub(crate) fn read(text: &str) -> Self {
        let mut table: Table =
            toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        // Tables of the provider are written as an administrator writes them.
        if let Some(Value::Table(own)) = table.remove("provider") {
            table.extend(own);
        }
        for word in table.keys() {
            let is_known = WORDS.contains(&word.as_str()) || ELSEWHERE.contains(&word.as_str());
            assert!(is_known, "{word} is not known to the table's runner");
        }
        Self { table }
    }

    /// The issuer, which metadata have to name.
    pub(crate) fn issuer(&self) -> &str {
        self.text("issuer").unwrap_or_default()
    }

    /// Runs `judge` with the policy that the table stands for.
    pub(crate) fn with_policy<T>(&self, judge: impl FnOnce(&Policy<'_>) -> T) -> T {
        let audiences = self.list("audience");
        let authorized_parties = self.list("authorized_parties");
        let scopes = self.list("scopes");
        let domains = self.list("domains");
        let names = self.list("username_claims");
        let (require, tenants) = (self.lists("require"), self.lists("tenants"));
        let required: Vec<Requirement<'_>> = require
            .iter()
            .map(|(claim, any_of)| Requirement { claim, any_of })
            .collect();
        let tenants: Vec<Tenant<'_>> = tenants
            .iter()
            .map(|(id, domains)| Tenant { id, domains })
            .collect();
        let audience = if self.flag("any_audience") == Some(true) {
            Audience::Any
        } else {
            Audience::OneOf(&audiences)
        };
        let mut policy = Policy::new("table", audience);
        policy.issuer = self.text("issuer");
        policy.tenants = &tenants;
        policy.authorized_parties = &authorized_parties;
        policy.scopes = &scopes;
        policy.domains = &domains;
        policy.required = &required;
        policy.id_tokens = self.flag("id_tokens") == Some(true);
        policy.require_type = self.text("require_type") == Some("at+jwt");
        policy.unverified_email = self.flag("unverified_email") == Some(true);
        if !names.is_empty() {
            policy.username_claims = &names;
        }
        judge(&policy)
    }

    /// The endpoints, as a case of `kind` is asked.
    pub(crate) fn endpoints(&self, kind: Kind) -> Endpoints<'_> {
        const URL: &str = "https://id.example.org/ask";
        let tokeninfo = self.text("tokeninfo_url");
        let mode = match (kind, self.text("introspection_mode")) {
            (Kind::Userinfo, _) | (_, Some("auth")) => Mode::Auth,
            (_, Some("get")) => Mode::Get,
            _ => Mode::Post,
        };
        let client = self.text("client_id").map(|id| Client {
            id,
            secret: "secret",
            place: ClientPlace::Basic,
        });
        Endpoints {
            tokeninfo: tokeninfo.filter(|_| kind == Kind::Tokeninfo),
            introspection: (kind != Kind::Tokeninfo)
                .then_some(URL)
                .or_else(|| self.text("introspection_url")),
            mode,
            force_introspection: false,
            about: Some(About::EveryToken),
            grant: self
                .text("grant_url")
                .filter(|_| kind == Kind::PasswordGrant)
                .map(|url| Grant { url, scope: None }),
            client,
            allow_missing_audience: self.flag("allow_missing_audience") == Some(true),
            unauthorized_is_invalid_token: false,
            signed_answers: false,
        }
    }

    fn text(&self, word: &str) -> Option<&str> {
        self.table.get(word)?.as_str()
    }

    fn flag(&self, word: &str) -> Option<bool> {
        self.table.get(word)?.as_bool()
    }

    fn list(&self, word: &str) -> Vec<&str> {
        self.table.get(word).map(one_or_many).unwrap_or_default()
    }

    fn lists(&self, word: &str) -> Vec<(&str, Vec<&str>)> {
        let table = self.table.get(word).and_then(Value::as_table);
        let rows = table.into_iter().flatten();
        rows.map(|(name, value)| (name.as_str(), one_or_many(value)))
            .collect()
    }
}

fn one_or_many(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => {
            let texts = items.iter().map(|item| item.as_str().expect("a text"));
            texts.collect()
        }
        other => panic!("{other} is neither a text nor a list of texts"),
    }
}
