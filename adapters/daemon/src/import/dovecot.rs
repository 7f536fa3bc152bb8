//! What changes in Dovecot once Gatepost answers it: way 1 of the README.

use std::fmt::Write as _;

use super::draft::Draft;
use super::value::{Version, one_line};

/// Where Dovecot asks.
pub(super) const LISTEN: &str = "tcp:127.0.0.1:9080";

/// What answers there to a token in the header.
const URL: &str = "http://127.0.0.1:9080/userinfo";

/// Settings that would ask somebody else, judge once more, or wait for what the answer does not hold. The others
/// may stay.
const OBSOLETE: [&str; 11] = [
    "tokeninfo_url",
    "force_introspection",
    "local_validation_key_dict",
    "local_validation",
    "scope",
    "issuers",
    "audience",
    "active_attribute",
    "active_value",
    "client_id",
    "client_secret",
];

/// The lines, as comments.
pub(super) fn lines(draft: &Draft, version: Version, file: &str, attribute: &str) -> String {
    let settings = [
        format!("introspection_url = {URL}"),
        "introspection_mode = auth".to_owned(),
        format!("username_attribute = {}", quoted(attribute)),
    ];
    let mut text = format!("#\n# Change in Dovecot, in {}:\n#\n", one_line(file));
    let (indent, is_block) = match version {
        Version::V2_3 => ("", false),
        Version::V2_4 => ("  ", true),
    };
    if is_block {
        text += "#   oauth2 {\n";
    }
    // A string always has room, here and below.
    for setting in settings {
        let _ = writeln!(text, "#   {indent}{setting}");
    }
    if is_block {
        text += "#   }\n";
    }
    // Dovecot itself shows them when it exchanges passwords.
    let is_kept = |name: &str| draft.exchanges_passwords && name.starts_with("client_");
    let is_obsolete = |name: &&String| OBSOLETE.contains(&name.as_str()) && !is_kept(name);
    let obsolete: Vec<&str> = draft
        .names
        .iter()
        .filter(is_obsolete)
        .map(String::as_str)
        .collect();
    if !obsolete.is_empty() {
        let _ = writeln!(
            text,
            "#\n# and remove there what Gatepost sees to: {}",
            obsolete.join(", ")
        );
    }
    text += "#\n# Postfix that asks Dovecot needs nothing more. Other ways in: README.md, \"Four ways in\".\n";
    text
}

/// A value as both versions read it.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-.:/".contains(c);
    if value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
