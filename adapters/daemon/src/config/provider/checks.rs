//! What the keys of a `[[provider]]` must not say together.

use std::collections::BTreeSet;

use gatepost_tokio::ProviderSettings;

use super::super::claims::UsernameClaim;
use super::super::fault::Faults;
use super::Provider;

/// Claims that are somebody else's one day, or that users choose: no account is anybody's for good by them.
const NAMES: [&str; 6] = [
    "email",
    "name",
    "nickname",
    "preferred_username",
    "unique_name",
    "upn",
];

/// Hosts of Microsoft Entra: of the public cloud, and of national ones.
const MICROSOFT: [&str; 3] = [
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
];

impl Provider {
    pub(in super::super) fn check(&self, faults: &mut Faults) {
        let mut forbid = |keys: &[&str], is_broken, sentence| {
            self.places.forbid(faults, keys, is_broken, sentence);
        };
        forbid(
            &["audience", "any_audience"],
            self.audience.is_some() == self.any_audience,
            "provider: write either audience = [\"...\"] with what the provider puts into tokens for the mail \
             server, or any_audience = true",
        );
        forbid(
            &["audience"],
            self.audience.as_ref().is_some_and(Vec::is_empty),
            "provider: audience is empty; name one at least",
        );
        forbid(
            &["name"],
            self.name().len() > ProviderSettings::MAX_NAME,
            "provider: name is longer than 64 bytes; shorten it",
        );
        forbid(
            &[
                "name",
                "issuer",
                "introspection_url",
                "tokeninfo_url",
                "metadata_url",
                "key_set_url",
            ],
            self.name().is_empty(),
            "provider: none of its URLs has a host to call it by; write name = \"...\"",
        );
        self.check_claims(faults);
        self.check_delegates(faults);
        self.check_tenants(faults);
        self.check_everybodys_tenant(faults);
        self.check_online(faults);
    }

    /// The claims that it names.
    fn check_claims(&self, faults: &mut Faults) {
        let mut forbid = |keys: &[&str], is_broken, sentence| {
            self.places.forbid(faults, keys, is_broken, sentence);
        };
        let claims = 1..=ProviderSettings::MAX_USERNAME_CLAIMS;
        forbid(
            &["username_claims"],
            !claims.contains(&self.username_claims.len()),
            "provider: write 1 to 15 username_claims, such as \"email\"",
        );
        forbid(
            &["active_value", "active_attribute"],
            self.active_value.is_some() && self.active_attribute.is_none(),
            "provider: active_value needs active_attribute; write both, or neither",
        );
        let account_claim = self.account_claim.as_deref();
        forbid(
            &["account_claim"],
            account_claim.is_some_and(|claim| claim.is_empty() || NAMES.contains(&claim)),
            "provider: account_claim: by a name or an address whoever has it next would open this one's mailbox; \
             write a claim that stays with its user, such as oid at Entra, or join = \"address\" at the source",
        );
        let names = self.usernames().filter_map(UsernameClaim::template);
        let mut paths: BTreeSet<&str> = names.flat_map(|name| name.paths()).collect();
        paths.extend(self.require.keys().map(|path| &**path));
        paths.extend(self.active_attribute.as_deref());
        paths.extend(self.delegates_claim.as_deref());
        forbid(
            &[
                "username_claims",
                "username",
                "require",
                "active_attribute",
                "delegates_claim",
            ],
            paths.len() > ProviderSettings::MAX_PATHS,
            "provider: username_claims, require, active_attribute and delegates_claim name more than 16 claims; \
             name fewer",
        );
        forbid(
            &["username", "username_claims"],
            !self.username.is_empty() && self.places.of("username_claims").is_some(),
            "provider: username and username_claims both say whose a token is; write one of the two",
        );
        forbid(
            &["require"],
            self.require.values().any(Vec::is_empty),
            "provider: require: a claim with an empty list is never met; name one value at least",
        );
        let may_delegate = self.domains.is_empty() && self.tenants.is_empty();
        forbid(
            &["delegates", "delegates_claim"],
            may_delegate && (!self.delegates.is_empty() || self.delegates_claim.is_some()),
            "provider: delegates need domains = [\"...\"]: nobody logs in as a user of another provider",
        );
    }

    /// Both of whom log in within the provider's domains, or its tenants'.
    fn check_delegates(&self, faults: &mut Faults) {
        let domains: Vec<&str> = self
            .domains()
            .chain(self.tenants.values().flatten().map(|domain| &**domain))
            .collect();
        let is_ours = |user: &str| {
            let (_, domain) = user.rsplit_once('@').unwrap_or_default();
            let mut domains = domains.iter();
            domains.any(|ours| ours.eq_ignore_ascii_case(domain))
        };
        let users = self.delegates.iter().flat_map(|(user, others)| {
            let others = others.iter().map(|other| &**other);
            std::iter::once(&**user).chain(others)
        });
        let foreign = users.into_iter().find(|user| !is_ours(user));
        self.places.forbid(
            faults,
            &["delegates", "domains", "tenants"],
            !domains.is_empty() && foreign.is_some(),
            format_args!(
                "provider: delegates: {:?} is of none of its domains; write an address in one of them, or add \
                 its domain",
                foreign.unwrap_or_default()
            ),
        );
    }

    /// Entra's addresses for users of all tenants, which are no issuer: `iss` names the tenant.
    fn check_everybodys_tenant(&self, faults: &mut Faults) {
        let issuer = self.issuer.as_deref().unwrap_or_default();
        let host = MICROSOFT
            .iter()
            .find(|host| issuer.starts_with(&format!("https://{host}/")));
        let tenant = issuer.split('/').nth(3).unwrap_or_default();
        self.places.forbid(
            faults,
            &["issuer"],
            host.is_some() && matches!(tenant, "common" | "organizations" | "consumers"),
            format_args!(
                "provider: no token is from {tenant:?}; write \"https://{}/{{tenantid}}/v2.0\" and the tenants, or \
                 your tenant's id in place of {tenant}",
                host.unwrap_or(&"")
            ),
        );
    }

    /// Entra's issuers, of which each tenant has one of its own.
    fn check_tenants(&self, faults: &mut Faults) {
        let mut forbid = |keys: &[&str], is_broken, sentence| {
            self.places.forbid(faults, keys, is_broken, sentence);
        };
        let issuer = self.issuer.as_deref().unwrap_or_default();
        let is_template = issuer.contains("{tenantid}");
        forbid(
            &["issuer", "tenants"],
            is_template && self.tenants.is_empty(),
            "provider: this issuer has many tenants; name its tenants: tenants = { \"<tenant id>\" = \
             [\"example.com\"] }",
        );
        forbid(
            &["tenants"],
            !self.tenants.is_empty() && !is_template,
            "provider: tenants need an issuer with {tenantid} in it, such as \
             \"https://login.microsoftonline.com/{tenantid}/v2.0\"",
        );
        forbid(
            &["tenants"],
            self.tenants.values().any(Vec::is_empty),
            "provider: tenants: a tenant may name any user; name its domains",
        );
        forbid(
            &["tenants", "domains"],
            !self.tenants.is_empty() && !self.domains.is_empty(),
            "provider: each tenant has domains of its own; remove domains",
        );
        let mut templates = self.usernames().filter_map(UsernameClaim::template);
        forbid(
            &["tenants", "username_claims", "username"],
            !self.tenants.is_empty() && templates.any(|name| name.is_by_email()),
            "provider: email names nobody across tenants: an administrator of any of them may write there \
             what he likes; write username = \"preferred_username\"",
        );
    }
}
