//! Every setting of Dovecot's oauth2 database, and what becomes of it. `DOVECOT.md` has a row for each.

use super::ImportError;
use super::draft::{Draft, Mode};
use super::read::{Setting, Version};

/// Takes one setting over, or says why it is not.
pub(super) fn take(draft: &mut Draft, setting: &Setting) -> Result<(), ImportError> {
    let value = setting.value.as_str();
    if let Some(block) = &setting.block {
        return take_of_block(draft, block, setting);
    }
    match setting.name.as_str() {
        "tokeninfo_url" => draft.set_url("tokeninfo_url", setting)?,
        "introspection_url" => draft.set_url("introspection_url", setting)?,
        "introspection_mode" => draft.mode = Some(mode(setting)?),
        "force_introspection" => {
            if is_yes(setting)? {
                draft.write("force_introspection", true);
            }
        }
        "scope" => draft.scopes.extend(value.split_whitespace().map(str::to_owned)),
        "issuers" => draft.issuers.extend(value.split_whitespace().map(str::to_owned)),
        "audience" => draft.audience.extend(value.split_whitespace().map(str::to_owned)),
        "username_attribute" => draft.username_attribute = Some(value.to_owned()),
        "username_format" | "username_validation_format" => draft.take_format(value),
        // Empty is Dovecot's word for off.
        "active_attribute" | "active_value" if value.is_empty() => {}
        "active_attribute" => draft.write("active_attribute", value),
        "active_value" => draft.write("active_value", value),
        "client_id" => draft.client_id = filled(value),
        "client_secret" => draft.client_secret = filled(value),
        "openid_configuration_url" => draft.openid_configuration = filled(value),
        "local_validation_key_dict" => draft.take_keys(value),
        "send_auth_headers" => {
            if is_yes(setting)? {
                draft.write("send_auth_headers", true);
            }
        }
        "timeout_msecs" | "http_client_request_timeout" => draft.take_timeout(setting)?,
        "max_parallel_connections" | "http_client_max_parallel_connections" => {
            draft.write("concurrency", number(setting)?.clamp(1, 1024));
        }
        "tls_ca_cert_file" | "ssl_client_ca_file" => draft.write("ca_file", value),
        "tls_cert_file" | "ssl_client_cert_file" => draft.write("client_certificate", value),
        "tls_key_file" | "ssl_client_key_file" => draft.write("client_key", value),
        "tls_ca_cert_dir" | "ssl_client_ca_dir" => {
            draft.remark(setting, "name one file of certificates as ca_file; without it the system's count");
        }
        "tls_allow_invalid_cert" | "ssl_client_require_valid_cert" => draft.remark(
            setting,
            "certificates are always verified: name the provider's authority as ca_file instead",
        ),
        "tls_cipher_suite" | "ssl_cipher_list" | "ssl_min_protocol" | "ssl_prefer_server_ciphers" => {
            draft.remark(setting, "TLS 1.2 and 1.3 with their safe suites are what there is");
        }
        "token_expire_grace" => draft.take_grace(setting)?,
        "grant_url" => draft.set_url("grant_url", setting)?,
        "use_grant_password" => draft.remark(
            setting,
            "PLAIN and LOGIN are offered where grant_url is written, and tokens are taken all the same",
        ),
        "pass_attrs" => {
            for field in value.split([' ', ',']).filter(|field| !field.is_empty()) {
                let (name, template) = field.split_once('=').unwrap_or((field, ""));
                draft.take_field(setting, name, template);
            }
        }
        "max_idle_time_msecs" | "http_client_max_idle_time" | "max_pipelined_requests"
        | "http_client_max_pipelined_requests" | "no_auto_retry"
        | "http_client_request_max_attempts" | "http_client_user_agent" | "use_worker_with_mech" => {
            draft.remark(setting, "not needed here: connections are kept and retried once");
        }
        "rawlog_dir" => draft.remark(setting, "no raw logs: they would hold tokens"),
        "debug" => draft.remark(setting, "write level = \"debug\" into [log]; it never holds a token"),
        name => {
            let fault = format!("{name} is no setting of Dovecot's oauth2 database; remove the line");
            return Err(ImportError::at(setting.line, fault));
        }
    }
    Ok(())
}

fn take_of_block(draft: &mut Draft, block: &str, setting: &Setting) -> Result<(), ImportError> {
    match block {
        // A boollist: `name = yes`.
        "scope" | "issuers" | "audience" => {
            if is_yes(setting)? {
                let list = match block {
                    "scope" => &mut draft.scopes,
                    "issuers" => &mut draft.issuers,
                    _ => &mut draft.audience,
                };
                list.push(setting.name.clone());
            }
        }
        "local_validation" => match setting.name.as_str() {
            "fs_posix_prefix" | "prefix" => draft.keys = filled(&setting.value),
            "dict_driver" | "dict_name" | "driver" => {}
            _ => draft.remark(setting, "keys come from files here: name them in keys"),
        },
        "fields" => draft.take_field(setting, &setting.name, &setting.value),
        _ => draft.remark(setting, "a block that has no counterpart"),
    }
    Ok(())
}

fn mode(setting: &Setting) -> Result<Mode, ImportError> {
    match setting.value.as_str() {
        "" | "auth" => Ok(Mode::Auth),
        "get" => Ok(Mode::Get),
        "post" => Ok(Mode::Post),
        "local" => Ok(Mode::Local),
        _ => Err(ImportError::at(
            setting.line,
            "introspection_mode is auth, get, post or local",
        )),
    }
}

fn is_yes(setting: &Setting) -> Result<bool, ImportError> {
    match setting.value.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "1" => Ok(true),
        "no" | "n" | "false" | "0" | "" => Ok(false),
        _ => Err(ImportError::at(
            setting.line,
            format!("{} is yes or no", setting.name),
        )),
    }
}

pub(super) fn number(setting: &Setting) -> Result<i64, ImportError> {
    let value = setting
        .value
        .trim_end_matches(|c: char| !c.is_ascii_digit());
    value
        .parse()
        .map_err(|_| ImportError::at(setting.line, format!("{} is a number", setting.name)))
}

fn filled(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

/// The case that names are folded to where nothing is written.
pub(super) const fn folds_by_default(version: Version) -> bool {
    matches!(version, Version::V2_3)
}
