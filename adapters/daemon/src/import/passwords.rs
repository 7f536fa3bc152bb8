//! Whether the provider that is asked about tokens exchanges passwords as well.
//!
//! Dovecot may have a database for each, and a `[[provider]]` has one client, one set of endpoints and one set of
//! rules. Where the databases differ in these, Dovecot goes on exchanging passwords: otherwise tokens, passwords
//! and secrets would go where Dovecot never sent them, and logins be judged by the rules of others.

use super::draft::Draft;
use super::error::ImportError;
use super::found::Found;
use super::settings;
use super::value::{Setting, Value, Version};

/// Settings in which the databases may differ: they concern passwords alone, or neither whom anything is sent to
/// nor how it is judged.
const FREE: [&str; 17] = [
    "use_grant_password",
    "grant_url",
    "pass_attrs",
    "fields",
    "debug",
    "rawlog_dir",
    "timeout_msecs",
    "http_client_request_timeout",
    "max_parallel_connections",
    "http_client_max_parallel_connections",
    "max_idle_time_msecs",
    "http_client_max_idle_time",
    "max_pipelined_requests",
    "http_client_max_pipelined_requests",
    "no_auto_retry",
    "http_client_request_max_attempts",
    "http_client_user_agent",
];

/// Who asks, which the database for tokens may leave open.
const CLIENT: [&str; 2] = ["client_id", "client_secret"];

/// Takes over the database that tokens are judged by, and what the one for passwords adds to it.
pub(super) fn take(draft: &mut Draft, found: &Found) -> Result<(), ImportError> {
    let own = found.passwords.as_deref();
    let differing = own.map(|own| differing(found, own)).transpose()?;
    let differing = differing.unwrap_or_default();
    let is_one = differing.is_empty();
    draft.exchanges_passwords = own.is_some();
    draft.uses_grant = own.is_some() && is_one;
    for setting in &found.tokens {
        draft.names.push(setting.name.clone());
        // 2.4 has one grant_url for both.
        let is_passwords = setting.name == "grant_url" && found.version == Version::V2_4;
        if setting.name == "use_grant_password" {
            continue;
        }
        if is_passwords && !is_one {
            leave_grant(draft, setting, &differing);
            continue;
        }
        settings::take(draft, setting)?;
    }
    for setting in own.unwrap_or_default() {
        let is_client = CLIENT.contains(&&*setting.name);
        match &*setting.name {
            "use_grant_password" => {}
            "grant_url" if !is_one => leave_grant(draft, setting, &differing),
            "grant_url" | "fields" | "pass_attrs" if is_one => settings::take(draft, setting)?,
            _ if is_one && is_client => settings::take(draft, setting)?,
            _ if same(found, setting)? => {}
            _ => draft.remark(
                setting,
                "counts for passwords alone in Dovecot, and is not taken over",
            ),
        }
    }
    Ok(())
}

fn leave_grant(draft: &mut Draft, setting: &Setting, differing: &[String]) {
    let words = format!(
        "not taken over: Dovecot has settings of their own for passwords ({}), and a [[provider]] has one of each; \
         Dovecot goes on exchanging passwords",
        differing.join(", ")
    );
    draft.remark(setting, &words);
}

/// What is not the same for passwords as for tokens, by name.
fn differing(found: &Found, own: &[Setting]) -> Result<Vec<String>, ImportError> {
    let is_open = CLIENT
        .iter()
        .all(|name| text(&found.tokens, name).is_empty());
    let mut names: Vec<&str> = own.iter().map(|setting| &*setting.name).collect();
    // What the database for passwords does not say is a default of 2.3's, and inherited in 2.4.
    if found.version == Version::V2_3 && !own.is_empty() {
        names.extend(found.tokens.iter().map(|setting| &*setting.name));
    }
    names.sort_unstable();
    names.dedup();
    let mut differing = Vec::new();
    for name in names {
        let is_free = FREE.contains(&name) || is_open && CLIENT.contains(&name);
        if !is_free && !alike(found, own, name)? {
            differing.push(name.to_owned());
        }
    }
    Ok(differing)
}

/// Whether `setting`, of the database for passwords, is the same for tokens.
fn same(found: &Found, setting: &Setting) -> Result<bool, ImportError> {
    alike(found, std::slice::from_ref(setting), &setting.name)
}

fn alike(found: &Found, own: &[Setting], name: &str) -> Result<bool, ImportError> {
    let named = |settings: &[Setting]| -> Option<Setting> {
        let mut settings = settings.iter();
        settings.find(|setting| setting.name == name).cloned()
    };
    let (tokens, own) = (named(&found.tokens), named(own));
    let is_list = |setting: &Option<Setting>| {
        let value = setting.as_ref().map(|setting| &setting.value);
        matches!(value, Some(Value::List(_)))
    };
    if is_list(&tokens) || is_list(&own) {
        let entries = |setting: &Option<Setting>| {
            let entries = setting.as_ref().map(Setting::entries).transpose();
            entries.map(Option::unwrap_or_default)
        };
        // A list of the inner block adds to the outer one.
        let (ours, theirs) = (entries(&own)?, entries(&tokens)?);
        return Ok(ours.iter().all(|entry| theirs.contains(entry)));
    }
    let shown = |setting: &Option<Setting>| {
        let text = setting.as_ref().map(Setting::text).unwrap_or_default();
        effective(found.version, name, text).to_owned()
    };
    Ok(shown(&tokens) == shown(&own))
}

/// `text`, or the default of the setting where nothing is written.
fn effective<'t>(version: Version, name: &str, text: &'t str) -> &'t str {
    let default = match (version, name) {
        (Version::V2_3, "introspection_mode") => "auth",
        (Version::V2_3, "username_format") => "%Lu",
        (Version::V2_4, "username_validation_format") => "%{user}",
        (_, "username_attribute") => "email",
        (
            _,
            "force_introspection"
            | "send_auth_headers"
            | "tls_allow_invalid_cert"
            | "use_worker_with_mech",
        ) => "no",
        _ => "",
    };
    if text.is_empty() { default } else { text }
}

fn text<'s>(settings: &'s [Setting], name: &str) -> &'s str {
    let mut settings = settings.iter();
    let setting = settings.find(|setting| setting.name == name);
    setting.map(Setting::text).unwrap_or_default()
}
