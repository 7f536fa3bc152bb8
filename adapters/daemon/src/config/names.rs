//! Names of keys: which one was meant, and whose values may be shown.

use super::reader::Keys;
use super::{
    AccountSettings, AccountSource, Config, Dict, DiscoverySettings, Http, Limits, Listener, Log,
    MailingList, Metrics, PasswordOrigin, Provider, PulledSource, Upstream, UserSettings,
};

/// Every table, by its header, with its keys.
pub(super) const TABLES: [(&str, &[&str]); 16] = [
    (Config::HEADER, Config::KEYS),
    (Log::HEADER, Log::KEYS),
    (Limits::HEADER, Limits::KEYS),
    (Metrics::HEADER, Metrics::KEYS),
    (DiscoverySettings::HEADER, DiscoverySettings::KEYS),
    (Listener::HEADER, Listener::KEYS),
    (Http::HEADER, Http::KEYS),
    (Dict::HEADER, Dict::KEYS),
    (Upstream::HEADER, Upstream::KEYS),
    (UserSettings::HEADER, UserSettings::KEYS),
    (AccountSettings::HEADER, AccountSettings::KEYS),
    (AccountSource::HEADER, AccountSource::KEYS),
    (MailingList::HEADER, MailingList::KEYS),
    (PulledSource::HEADER, PulledSource::KEYS),
    (PasswordOrigin::HEADER, PasswordOrigin::KEYS),
    (Provider::HEADER, Provider::KEYS),
];

/// What the keys are called elsewhere: in Dovecot, in metadata, in tokens.
const ELSEWHERE: [(&str, &str); 14] = [
    ("face", "http"),
    ("dovecot", "upstream"),
    ("aud", "audience"),
    ("iss", "issuer"),
    ("jwks_uri", "key_set_url"),
    ("jwks_url", "key_set_url"),
    ("discovery_url", "metadata_url"),
    ("leeway", "skew_seconds"),
    ("username_attribute", "username_claims"),
    ("introspection_endpoint", "introspection_url"),
    ("token_endpoint", "grant_url"),
    ("tls_ca_cert_file", "ca_file"),
    ("timeout_msecs", "timeout_milliseconds"),
    ("openid_configuration_url", "openid_configuration"),
];

/// What becomes of a key that its table does not have.
pub(super) enum Advice {
    /// It is another spelling of this key of the table.
    Meant(&'static str),
    /// It is a key of these tables.
    BelongsTo(Vec<&'static str>),
    /// It is like nothing that there is.
    Unknown,
}

/// Whom the writer of `key` may have meant, among the `keys` of its table or else of any.
pub(super) fn advice(key: &str, keys: &'static [&'static str]) -> Advice {
    let spelt = spelling(key);
    let known = |wanted: &str| keys.iter().find(|key| **key == wanted).copied();
    if let Some(key) = known(&spelt) {
        return Advice::Meant(key);
    }
    if let Some(key) = nearest(&spelt, 1, keys.iter().copied()) {
        return Advice::Meant(key);
    }
    let holding = TABLES
        .iter()
        .filter(|(_, keys)| keys.contains(&key))
        .map(|(header, _)| *header);
    let holding: Vec<&str> = holding.collect();
    if holding.contains(&"") {
        return Advice::BelongsTo(vec![""]);
    }
    if !holding.is_empty() {
        return Advice::BelongsTo(holding);
    }
    let elsewhere = ELSEWHERE.iter().find(|(theirs, _)| *theirs == spelt);
    let meant = elsewhere.and_then(|(_, ours)| known(ours));
    match meant.or_else(|| nearest(&spelt, 3, keys.iter().copied())) {
        Some(key) => Advice::Meant(key),
        None => Advice::Unknown,
    }
}

/// The name that differs from `written` by a few slips at most, and not by a third of it.
pub(super) fn nearest<'n>(
    written: &str,
    most: usize,
    names: impl Iterator<Item = &'n str>,
) -> Option<&'n str> {
    let distance = |name: &str| strsim::damerau_levenshtein(written, name);
    let (slips, name) = names.map(|name| (distance(name), name)).min()?;
    (slips <= (name.len() / 3).clamp(1, most)).then_some(name)
}

/// `Username-Claims` and `usernameClaims` as we would write them.
fn spelling(key: &str) -> String {
    let mut spelt = String::new();
    let mut was_lower = false;
    for c in key.chars() {
        if c.is_ascii_uppercase() && was_lower {
            spelt.push('_');
        }
        was_lower = c.is_ascii_lowercase();
        spelt.push(if c == '-' || c == ' ' {
            '_'
        } else {
            c.to_ascii_lowercase()
        });
    }
    spelt
}

/// The key that a line begins with, and what follows it.
pub(super) fn split(line: &str) -> (&str, &str) {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let end = line.find(|c| !is_name(c)).unwrap_or(line.len());
    line.split_at(end)
}

/// Whether what is written behind `key` can be shown: where it is one of ours, and no secret.
pub(super) fn may_be_shown(key: &str) -> bool {
    let is_ours = TABLES.iter().any(|(_, keys)| keys.contains(&key));
    is_ours && !key.contains("secret")
}

/// How a table is written in the file: `[log]`, `[[provider]]`.
pub(super) fn header(name: &str) -> Option<&'static str> {
    let mut headers = TABLES.iter().map(|(header, _)| *header);
    headers.find(|header| header.trim_matches(['[', ']']) == name)
}
