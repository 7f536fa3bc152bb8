//! What the settings amount to, before it is written.

use std::fmt;

use super::value::{Setting, Version};

/// Dovecot's introspection modes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    Auth,
    Get,
    Post,
    Local,
}

/// Who Dovecot is to a provider.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

/// A URL without credentials, and the setting that it comes from.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) url: String,
    /// The credentials that stood in it.
    pub(super) client: Option<Client>,
    pub(super) is_plain_and_remote: bool,
    pub(super) setting: Setting,
}

/// A field of Dovecot's answer to the mail server.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) template: String,
    pub(super) setting: Setting,
}

/// What has been read so far.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each remembers one thing that was read"
)]
pub(super) struct Draft {
    pub(super) mode: Option<Mode>,
    pub(super) tokeninfo: Option<Endpoint>,
    pub(super) introspection: Option<Endpoint>,
    pub(super) grant: Option<Endpoint>,
    /// Whether Dovecot exchanges passwords at all.
    pub(super) exchanges_passwords: bool,
    /// Whether the provider does so as well.
    pub(super) uses_grant: bool,
    pub(super) force_introspection: bool,
    pub(super) send_auth_headers: bool,
    pub(super) scopes: Vec<String>,
    pub(super) issuers: Vec<String>,
    pub(super) audience: Vec<String>,
    pub(super) username_attribute: Option<String>,
    pub(super) folds_case: bool,
    pub(super) active_attribute: Option<String>,
    pub(super) active_value: Option<Setting>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<String>,
    pub(super) openid_configuration: Option<Setting>,
    /// The directory of keys.
    pub(super) keys: Option<String>,
    pub(super) timeout: Option<u64>,
    pub(super) concurrency: Option<u64>,
    pub(super) skew: Option<u64>,
    pub(super) ca_file: Option<String>,
    pub(super) client_certificate: Option<Setting>,
    pub(super) client_key: Option<Setting>,
    pub(super) fields: Vec<Field>,
    /// The names of all settings of the database, as Dovecot has them.
    pub(super) names: Vec<String>,
    remarks: Vec<String>,
}

impl Draft {
    pub(super) fn new(version: Version) -> Self {
        Self {
            // 2.3 folds names to lower case where nothing else is written.
            folds_case: version == Version::V2_3,
            ..Self::default()
        }
    }

    pub(super) fn is_local(&self) -> bool {
        self.mode == Some(Mode::Local)
    }

    /// Says what becomes of a setting that is not taken over as it is.
    pub(super) fn remark(&mut self, setting: &Setting, words: &str) {
        let remark = format!("{}, {}: {words}", setting.place, setting.shown());
        self.say(remark);
    }

    /// Says what the administrator should know besides.
    pub(super) fn say(&mut self, remark: impl Into<String>) {
        let remark = remark.into();
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    pub(super) fn remarks(&self) -> &[String] {
        &self.remarks
    }
}
