//! Names of 2.4's settings, and which setting a name within blocks means.

/// The blocks around something, outermost first, such as `passdb/oauth2` and `oauth2`.
pub(super) type Filter = Vec<String>;

/// Blocks that are lists, and whether their entries are yes or no.
pub(super) const LISTS: [(&str, bool); 6] = [
    ("oauth2_scope", true),
    ("oauth2_issuers", true),
    ("oauth2_audience", true),
    ("oauth2_fields", false),
    ("passdb_mechanisms_filter", true),
    ("passdb_fields", false),
];

/// Settings that a block around them gives its name to. A name of oauth2's that is not here is not known either.
const TEXTS: [&str; 24] = [
    "oauth2_tokeninfo_url",
    "oauth2_grant_url",
    "oauth2_introspection_url",
    "oauth2_introspection_mode",
    "oauth2_username_validation_format",
    "oauth2_username_attribute",
    "oauth2_active_attribute",
    "oauth2_active_value",
    "oauth2_client_id",
    "oauth2_client_secret",
    "oauth2_openid_configuration_url",
    "oauth2_force_introspection",
    "oauth2_send_auth_headers",
    "oauth2_use_worker_with_mech",
    "oauth2_token_expire_grace",
    "passdb_driver",
    "ssl_client_ca_file",
    "ssl_client_ca_dir",
    "ssl_client_cert_file",
    "ssl_client_key_file",
    "ssl_client_key_password",
    "ssl_client_require_valid_cert",
    "fs_posix_prefix",
    "dict_driver",
];

/// What counts for oauth2 where it stands beside all blocks as well.
pub(super) const SHARED: [&str; 6] = [
    "http_client_request_timeout",
    "http_client_max_parallel_connections",
    "ssl_client_ca_file",
    "ssl_client_ca_dir",
    "ssl_client_cert_file",
    "ssl_client_key_file",
];

/// What is not set, where it is known what it is then.
pub(super) fn default(name: &str) -> Option<String> {
    let default = match name {
        "oauth2_username_attribute" => "email",
        "oauth2_username_validation_format" => "%{user}",
        "oauth2_force_introspection"
        | "oauth2_send_auth_headers"
        | "oauth2_use_worker_with_mech" => "no",
        name if name.starts_with("oauth2_") && TEXTS.contains(&name) => "",
        _ => return None,
    };
    Some(default.to_owned())
}

/// The names that `name` may mean within the filter `last`.
pub(super) fn prefixed(last: &str, name: &str) -> Vec<String> {
    match last.split_once('/') {
        Some((kind, label)) => vec![format!("{kind}_{label}_{name}"), format!("{kind}_{name}")],
        None => vec![format!("{last}_{name}")],
    }
}

/// Whether oauth2 has a setting of that name, or uses one.
pub(super) fn is_known(name: &str) -> bool {
    let is_listed = TEXTS.contains(&name) || LISTS.iter().any(|(list, _)| *list == name);
    is_listed || name.starts_with("http_client_") || name.starts_with("ssl_")
}

/// The filter that `name` belongs to, and its whole name.
pub(super) fn home(filter: &[String], name: &str) -> (Filter, String) {
    let Some((last, around)) = filter.split_last() else {
        return (Vec::new(), name.to_owned());
    };
    // The prefix of a block without a name leads out of it.
    if !last.contains('/') {
        let has_prefix = name
            .strip_prefix(&**last)
            .is_some_and(|rest| rest.starts_with('_'));
        let whole = if has_prefix {
            name.to_owned()
        } else {
            format!("{last}_{name}")
        };
        if is_known(&whole) {
            return (around.to_vec(), whole);
        }
        return (filter.to_vec(), name.to_owned());
    }
    let names = prefixed(last, name);
    let whole = names.into_iter().find(|name| is_known(name));
    (filter.to_vec(), whole.unwrap_or_else(|| name.to_owned()))
}

/// Whether oauth2 may look at it: everything in its own blocks, and what bears its name elsewhere.
pub(super) fn is_ours(filter: &[String], name: &str) -> bool {
    let is_within = filter.iter().any(|part| part.starts_with("oauth2"));
    let is_passdb = filter.len() == 1 && filter[0].starts_with("passdb/");
    is_within
        || name.starts_with("oauth2_")
        || filter.is_empty() && (SHARED.contains(&name) || name.starts_with('@'))
        || is_passdb && name == "passdb_driver"
}

pub(super) fn is_switch(text: &str) -> bool {
    let words = ["yes", "y", "no"];
    text == "1" || words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// The entries of a list in one line: words, which may be in quotes, with spaces or commas between them.
pub(super) fn entries(text: &str) -> Result<Vec<String>, &'static str> {
    let mut entries = Vec::new();
    let mut entry = String::new();
    // Whether the entry began with a quote, and whether that has ended.
    let (mut is_quoted, mut is_over) = (false, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' if !is_quoted && !entry.is_empty() => {
                return Err("a quote is in the middle of a word");
            }
            '"' if !is_quoted => is_quoted = true,
            '"' if !is_over => is_over = true,
            ' ' | ',' if !is_quoted || is_over => {
                if is_quoted || !entry.is_empty() {
                    entries.push(plain(&std::mem::take(&mut entry)));
                }
                (is_quoted, is_over) = (false, false);
            }
            _ if is_over => return Err("something follows a quote; write a space between them"),
            '\\' if is_quoted => entry.push(characters.next().ok_or("a backslash is last")?),
            character => entry.push(character),
        }
    }
    if is_quoted && !is_over {
        return Err("a quote is never closed");
    }
    if is_quoted || !entry.is_empty() {
        entries.push(plain(&entry));
    }
    Ok(entries)
}

/// An entry without the escapes that Dovecot has for what its names cannot hold.
fn plain(entry: &str) -> String {
    let mut plain = String::new();
    let mut characters = entry.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('e') => plain.push('='),
            Some('s') => plain.push('/'),
            Some('_') => plain.push(' '),
            Some('+') => plain.push(','),
            Some('.') => {}
            Some('\\') | None => plain.push('\\'),
            Some(other) => plain.extend(['\\', other]),
        }
    }
    plain
}
