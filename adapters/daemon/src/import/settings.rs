//! Every setting of Dovecot's oauth2 database, and what becomes of it. `DOVECOT.md` has a row for each.

use percent_encoding::percent_decode_str;

use super::draft::{Client, Draft, Endpoint, Field, Mode};
use super::error::ImportError;
use super::value::{Setting, Value, Version};
use crate::config::{WebUrl, holds_credentials};

/// Takes one setting over, or says why it is not.
pub(super) fn take(draft: &mut Draft, setting: &Setting) -> Result<(), ImportError> {
    match setting.name.as_str() {
        "tokeninfo_url" => draft.tokeninfo = tokeninfo(draft, setting)?,
        "introspection_url" => draft.introspection = endpoint(draft, setting)?,
        "grant_url" => draft.grant = endpoint(draft, setting)?,
        "introspection_mode" => draft.mode = Some(mode(setting)?),
        "force_introspection" => draft.force_introspection = setting.is_yes()?,
        "send_auth_headers" => draft.send_auth_headers = setting.is_yes()?,
        "scope" => draft.scopes = scopes(setting)?,
        "issuers" => draft.issuers = issuers(setting)?,
        "audience" => draft.audience = setting.entries()?,
        "username_attribute" => {
            draft.username_attribute = Some(claim(setting)?).filter(|name| !name.is_empty());
        }
        "username_format" | "username_validation_format" => take_format(draft, setting),
        "active_attribute" => draft.active_attribute = Some(claim(setting)?),
        "active_value" => {
            setting.plain()?;
            draft.active_value = Some(setting.clone());
        }
        "client_id" => draft.client_id = filled(setting)?,
        "client_secret" => draft.client_secret = filled(setting)?,
        "openid_configuration_url" => {
            draft.openid_configuration = filled(setting)?.map(|_| setting.clone());
        }
        "local_validation_key_dict" | "local_validation" => take_keys(draft, setting)?,
        "tls_ca_cert_file" | "ssl_client_ca_file" => draft.ca_file = filled(setting)?,
        "tls_cert_file" | "ssl_client_cert_file" => {
            draft.client_certificate = filled(setting)?.map(|_| setting.clone());
        }
        "tls_key_file" | "ssl_client_key_file" => {
            draft.client_key = filled(setting)?.map(|_| setting.clone());
        }
        "timeout_msecs" | "http_client_request_timeout" => take_timeout(draft, setting)?,
        "max_parallel_connections" | "http_client_max_parallel_connections" => {
            draft.concurrency = Some(bounded(draft, setting, setting.number()?, 1, 1024));
        }
        "token_expire_grace" => {
            draft.skew = Some(bounded(draft, setting, setting.seconds()?, 0, 300));
        }
        "pass_attrs" | "fields" => take_fields(draft, setting),
        name => return say(draft, setting, name),
    }
    Ok(())
}

fn issuers(setting: &Setting) -> Result<Vec<String>, ImportError> {
    let issuers = setting.entries()?;
    if issuers.iter().any(|issuer| holds_credentials(issuer)) {
        let fault = "issuers: credentials are not for URLs; remove what stands before the @";
        return Err(ImportError::at(&setting.place, fault));
    }
    Ok(issuers)
}

/// What has no counterpart.
fn say(draft: &mut Draft, setting: &Setting, name: &str) -> Result<(), ImportError> {
    let words = match name {
        "tls_ca_cert_dir" | "ssl_client_ca_dir" => {
            "name one file of certificates as ca_file; without it the system's count"
        }
        "tls_allow_invalid_cert" | "ssl_client_require_valid_cert" => {
            "certificates are always verified: name the provider's authority as ca_file instead"
        }
        "tls_cipher_suite"
        | "ssl_cipher_list"
        | "ssl_min_protocol"
        | "ssl_prefer_server_ciphers" => "TLS 1.2 and 1.3 are spoken, with safe suites alone",
        "max_idle_time_msecs"
        | "http_client_max_idle_time"
        | "max_pipelined_requests"
        | "http_client_max_pipelined_requests"
        | "no_auto_retry"
        | "http_client_request_max_attempts"
        | "http_client_user_agent"
        | "use_worker_with_mech" => "not needed here: connections are kept and retried once",
        "rawlog_dir" => "there are no raw logs: they would hold tokens",
        "debug" => "write level = \"debug\" into [log]; it never holds a token",
        _ if name.starts_with("local_validation/") => match name.rsplit('/').next() {
            Some("dict_driver" | "dict_name" | "fs_driver" | "fs_name" | "driver") => return Ok(()),
            _ => {
                "keys come from files or from the provider here: name them as keys or as key_set_url"
            }
        },
        _ if name.starts_with("ssl_") || name.starts_with("http_client_") => {
            "there is no counterpart"
        }
        _ => {
            return Err(
                setting.fault("is no setting of Dovecot's oauth2 database; remove the line")
            );
        }
    };
    if !setting.text().is_empty() {
        draft.remark(setting, words);
    }
    Ok(())
}

fn filled(setting: &Setting) -> Result<Option<String>, ImportError> {
    let text = setting.plain()?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// The name of a member of an answer, which is a claim here.
fn claim(setting: &Setting) -> Result<String, ImportError> {
    let name = setting.plain()?;
    if name.contains('%') {
        return Err(setting.fault("has a variable in it; write the name of the claim"));
    }
    Ok(name.to_owned())
}

/// `number` within the bounds of ours; where that changes it, it is said.
fn bounded(draft: &mut Draft, setting: &Setting, number: u64, least: u64, most: u64) -> u64 {
    let bounded = number.clamp(least, most);
    if bounded != number {
        draft.remark(
            setting,
            &format!("out of the bounds here; {bounded} is written"),
        );
    }
    bounded
}

fn take_timeout(draft: &mut Draft, setting: &Setting) -> Result<(), ImportError> {
    let milliseconds = setting.milliseconds()?;
    // Nought is Dovecot's word for its own default.
    if milliseconds > 0 {
        draft.timeout = Some(bounded(draft, setting, milliseconds, 100, 60_000));
    }
    Ok(())
}

/// A URL, whose credentials are taken out of it (RFC 3986 section 3.2.1 has them deprecated).
fn endpoint(draft: &mut Draft, setting: &Setting) -> Result<Option<Endpoint>, ImportError> {
    let value = setting.plain()?;
    if value.is_empty() {
        return Ok(None);
    }
    let no_url = || setting.fault("is no URL");
    let (scheme, rest) = value.split_once("://").ok_or_else(no_url)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let mut client = None;
    let url = match rest[..end].rsplit_once('@') {
        None => value.to_owned(),
        Some((userinfo, _)) => {
            let (id, secret) = userinfo.split_once(':').ok_or_else(no_url)?;
            client = match (decoded(setting, id)?, decoded(setting, secret)?) {
                (Some(id), Some(secret)) => Some(Client { id, secret }),
                (None, None) => None,
                _ => {
                    let words =
                        "the credentials in it are not taken over: a name or a password is missing";
                    draft.remark(setting, words);
                    None
                }
            };
            format!("{scheme}://{}", &rest[userinfo.len() + 1..])
        }
    };
    let checked = WebUrl::try_from(url.clone());
    let checked = checked.map_err(|hint| setting.fault(&format!("is no URL: {hint}")))?;
    Ok(Some(Endpoint {
        url,
        client,
        is_plain_and_remote: checked.is_plain_and_remote(),
        setting: setting.clone(),
    }))
}

/// A URL that the token is appended to.
fn tokeninfo(draft: &mut Draft, setting: &Setting) -> Result<Option<Endpoint>, ImportError> {
    let endpoint = endpoint(draft, setting)?;
    let is_path = |url: &str| !url.contains('?') && !url.ends_with('/');
    if endpoint
        .as_ref()
        .is_some_and(|endpoint| is_path(&endpoint.url))
    {
        return Err(setting.fault(
            "has no parameter, so that Dovecot makes the token part of its path; write what takes it, such as \
             ?access_token=",
        ));
    }
    Ok(endpoint)
}

/// Scopes, which hold no blanks (RFC 6749 section 3.3).
fn scopes(setting: &Setting) -> Result<Vec<String>, ImportError> {
    let scopes = setting.entries()?;
    if scopes.iter().any(|scope| scope.contains(' ')) {
        return Err(setting.fault("holds a scope with a blank in it, which no token has"));
    }
    Ok(scopes)
}

fn decoded(setting: &Setting, text: &str) -> Result<Option<String>, ImportError> {
    let text = percent_decode_str(text).decode_utf8_lossy().into_owned();
    setting.hold(&text)?;
    Ok((!text.is_empty()).then_some(text))
}

fn mode(setting: &Setting) -> Result<Mode, ImportError> {
    match setting.text() {
        "" | "auth" => Ok(Mode::Auth),
        "get" => Ok(Mode::Get),
        "post" => Ok(Mode::Post),
        "local" => Ok(Mode::Local),
        _ => Err(setting.fault("is auth, get, post or local")),
    }
}

fn take_format(draft: &mut Draft, setting: &Setting) {
    let format: String = setting.text().split_whitespace().collect();
    draft.folds_case = format.contains("%L") || format.contains("|lower");
    if !matches!(&*format, "" | "%u" | "%Lu" | "%{user}" | "%{user|lower}") {
        let words = "names are compared as the provider writes them, or in lower case; look whether it is right";
        draft.remark(setting, words);
    }
}

/// `fs:posix:prefix=/etc/dovecot/keys/` in 2.3, the prefix alone in 2.4.
fn take_keys(draft: &mut Draft, setting: &Setting) -> Result<(), ImportError> {
    let text = setting.plain()?;
    let path = match setting.version {
        Version::V2_3 if text.starts_with("fs:posix:") => {
            text.split_once("prefix=").map(|(_, path)| path)
        }
        Version::V2_3 => None,
        Version::V2_4 => Some(text),
    };
    match path.filter(|path| !path.is_empty()) {
        Some(path) => draft.keys = Some(path.to_owned()),
        None if text.is_empty() => {}
        None => draft.remark(
            setting,
            "keys come from files or from the provider here: name a directory <azp>/<ALG>/<kid> as keys, or \
             the provider's key_set_url",
        ),
    }
    Ok(())
}

/// Fields of the answer, whose variables have other names here.
fn take_fields(draft: &mut Draft, setting: &Setting) {
    let pairs: Vec<(String, String)> = match &setting.value {
        Value::List(list) => list.clone(),
        Value::Text(text) => {
            let fields = text.split(' ').filter(|field| !field.is_empty());
            let pair = |field: &str| {
                let (name, template) = field.split_once('=').unwrap_or((field, ""));
                (name.to_owned(), template.to_owned())
            };
            fields.map(pair).collect()
        }
    };
    for (name, template) in pairs {
        let setting = Setting {
            name: name.clone(),
            value: Value::Text(template.clone()),
            ..setting.clone()
        };
        let template = ours(&template);
        draft.fields.push(Field {
            name,
            template,
            setting,
        });
    }
}

/// A template in our variables.
fn ours(template: &str) -> String {
    let mut ours = template.to_owned();
    for (theirs, name) in [
        ("%{oauth2:access_token}", "%{token}"),
        ("%{passdb:token}", "%{token}"),
        ("%{user | username}", "%{username}"),
        ("%{user | domain}", "%{domain}"),
        ("%u", "%{user}"),
        ("%n", "%{username}"),
        ("%d", "%{domain}"),
        ("%m", "%{mechanism}"),
    ] {
        ours = ours.replace(theirs, name);
    }
    ours
}
