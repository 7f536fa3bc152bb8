//! The configuration that an import writes.

use std::fmt::{Display, Write as _};

use gatepost_tokio::Template;
use percent_encoding::percent_decode_str;
use toml::Value;

use super::ImportError;
use super::read::{Setting, Version};
use super::settings::{folds_by_default, number};
use crate::config::{FieldName, WebUrl};

/// Dovecot's introspection modes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    Auth,
    Get,
    Post,
    Local,
}

/// What has been read so far.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each remembers one thing that was read"
)]
pub(super) struct Draft {
    version: Version,
    lines: Vec<String>,
    remarks: Vec<String>,
    pub(super) mode: Option<Mode>,
    pub(super) scopes: Vec<String>,
    pub(super) issuers: Vec<String>,
    pub(super) audience: Vec<String>,
    pub(super) username_attribute: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<String>,
    pub(super) openid_configuration: Option<String>,
    pub(super) keys: Option<String>,
    fields: toml::Table,
    has_grant: bool,
    is_client_in_url: bool,
    has_introspection: bool,
    has_tokeninfo: bool,
    needs_http: bool,
    folds_case: bool,
}

impl Draft {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            lines: Vec::new(),
            remarks: Vec::new(),
            mode: None,
            scopes: Vec::new(),
            issuers: Vec::new(),
            audience: Vec::new(),
            username_attribute: None,
            client_id: None,
            client_secret: None,
            openid_configuration: None,
            keys: None,
            fields: toml::Table::new(),
            has_grant: false,
            is_client_in_url: false,
            has_introspection: false,
            has_tokeninfo: false,
            needs_http: false,
            folds_case: folds_by_default(version),
        }
    }

    /// Writes one of our keys.
    pub(super) fn write(&mut self, key: &str, value: impl Into<Value>) {
        self.lines.push(format!("{key} = {}", value.into()));
    }

    /// Says what becomes of a setting that has no counterpart. Its value is not repeated: it may be secret.
    pub(super) fn remark(&mut self, setting: &Setting, words: impl Display) {
        self.remarks
            .push(format!("line {}, {}: {words}", setting.line, setting.name));
    }

    /// A URL, whose credentials become ours (RFC 3986 section 3.2.1 has them deprecated).
    pub(super) fn set_url(&mut self, key: &str, setting: &Setting) -> Result<(), ImportError> {
        let value = setting.value.as_str();
        if value.is_empty() {
            return Ok(());
        }
        let fault = || ImportError::at(setting.line, format!("{} is no URL", setting.name));
        let (scheme, rest) = value.split_once("://").ok_or_else(fault)?;
        let authority = rest.split('/').next().unwrap_or_default();
        let url = match authority.rsplit_once('@') {
            None => value.to_owned(),
            Some((userinfo, _)) => {
                let (id, secret) = userinfo.split_once(':').ok_or_else(fault)?;
                self.client_id = Some(decode(id));
                self.client_secret = Some(decode(secret));
                self.is_client_in_url = true;
                format!("{scheme}://{}", &rest[userinfo.len() + 1..])
            }
        };
        let checked = WebUrl::try_from(url.clone());
        let checked = checked.map_err(|hint| ImportError::at(setting.line, hint))?;
        self.needs_http |= checked.is_plain_and_remote();
        self.has_introspection |= key == "introspection_url";
        self.has_tokeninfo |= key == "tokeninfo_url";
        self.has_grant |= key == "grant_url";
        self.write(key, url);
        Ok(())
    }

    /// A field of the answer, whose variables have other names here.
    pub(super) fn take_field(&mut self, setting: &Setting, name: &str, template: &str) {
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
        if FieldName::try_from(name.to_owned()).is_ok() && ours.parse::<Template>().is_ok() {
            self.fields.insert(name.to_owned(), ours.into());
        } else {
            self.remark(
                setting,
                "this field cannot be taken over: a template knows the user, the mechanism and the token",
            );
        }
    }

    pub(super) fn take_format(&mut self, format: &str) {
        self.folds_case = format.contains("%L") || format.contains("lower");
    }

    /// `fs:posix:prefix=/etc/dovecot/keys/`
    pub(super) fn take_keys(&mut self, dict: &str) {
        match dict.split_once("prefix=") {
            Some((_, path)) if dict.starts_with("fs:") => self.keys = Some(path.to_owned()),
            _ => self.remarks.push(
                "local_validation_key_dict: keys come from files here; put them into a directory \
                 <azp>/<ALG>/<kid> and name it in keys"
                    .to_owned(),
            ),
        }
    }

    pub(super) fn take_timeout(&mut self, setting: &Setting) -> Result<(), ImportError> {
        let number = number(setting)?;
        let is_seconds = setting.value.ends_with('s') && !setting.value.ends_with("ms");
        let milliseconds = if is_seconds {
            number.saturating_mul(1000)
        } else {
            number
        };
        // Nought is Dovecot's word for its own default.
        if milliseconds > 0 {
            self.write("timeout_milliseconds", milliseconds.clamp(100, 60_000));
        }
        Ok(())
    }

    pub(super) fn take_grace(&mut self, setting: &Setting) -> Result<(), ImportError> {
        let seconds = number(setting)?;
        self.write("skew_seconds", seconds.clamp(0, 300));
        Ok(())
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        let mut text = String::from(
            "# Taken over from Dovecot's oauth2 settings by `gatepost import`.\n\
             # adapters/daemon/DOVECOT.md says what each of them became.\n",
        );
        self.write_judging();
        self.write_asking();
        self.write_client();
        if !self.fields.is_empty() {
            let fields = Value::Table(std::mem::take(&mut self.fields));
            self.write("fields", fields);
        }
        for remark in &self.remarks {
            // A string always has room, here and below.
            let _ = writeln!(text, "# {remark}");
        }
        text += "\nlisten = \"tcp:127.0.0.1:12345\"    # where Postfix, Exim or Dovecot ask\n";
        if let Some(url) = &self.openid_configuration {
            let _ = writeln!(
                text,
                "\n[discovery]\nopenid_configuration = {}",
                quoted(url)
            );
        }
        text += "\n[[provider]]\n";
        for line in &self.lines {
            text += line;
            text.push('\n');
        }
        text
    }

    fn write_judging(&mut self) {
        let attribute = self.username_attribute.take();
        let attribute = attribute.unwrap_or_else(|| "email".to_owned());
        self.write("username_claims", vec![attribute]);
        if self.folds_case {
            self.write("user_case", "lower");
        }
        if !self.scopes.is_empty() {
            let scopes = std::mem::take(&mut self.scopes);
            if self.has_grant {
                self.write("grant_scope", scopes.join(" "));
            }
            self.write("scopes", scopes);
            self.remarks.push(
                "scope: a token has to hold all of them; older versions of Dovecot asked for one"
                    .into(),
            );
        }
        let issuers = std::mem::take(&mut self.issuers);
        if let Some(issuer) = issuers.first() {
            self.write("issuer", issuer.as_str());
        }
        if issuers.len() > 1 {
            self.remarks.push(
                "issuers: write one [[provider]] for each, so that keys never cross issuers".into(),
            );
        }
        if self.audience.is_empty() {
            self.lines.push(
                "any_audience = true    # as in Dovecot: tokens for other applications get in. Better:\n\
                 # audience = \"...\"      # what the provider puts into tokens for the mail server"
                    .to_owned(),
            );
        } else {
            let audience = std::mem::take(&mut self.audience);
            self.write("audience", audience);
            if !self.is_local() {
                self.write("allow_missing_audience", true);
                self.remarks
                    .push("audience: Dovecot judges it in JWTs only; remove allow_missing_audience if answers name it".into());
            }
        }
    }

    fn is_local(&self) -> bool {
        self.mode == Some(Mode::Local)
    }

    fn write_asking(&mut self) {
        if let Some(keys) = self.keys.take() {
            self.write("keys", vec![keys]);
        }
        if self.is_local() {
            self.write("validate", "local");
            if self.has_introspection || self.has_tokeninfo {
                self.remarks.push(
                    "introspection_mode = local: Dovecot never asks then; validate = \"fallback\" would, for \
                     tokens that no key here verifies"
                        .into(),
                );
            }
            // Without an issuer nothing else tells whom its tokens come from.
            let has_issuer = self.lines.iter().any(|line| line.starts_with("issuer ="));
            if !has_issuer {
                self.lines.push(
                    "any_issuer = true    # as in Dovecot. Better:\n\
                     # issuer = \"...\"      # what the tokens have as `iss`"
                        .to_owned(),
                );
            }
            return;
        }
        self.write("validate", "online");
        self.write("discovery", false);
        let mode = match self.mode {
            Some(Mode::Get) => "get",
            Some(Mode::Post) => "post",
            _ => "auth",
        };
        self.write("introspection_mode", mode);
        if self.needs_http {
            self.lines.push(
                "allow_http = true    # tokens travel in clear, as they did; https is better"
                    .to_owned(),
            );
        }
        if matches!(self.mode, Some(Mode::Get | Mode::Post)) {
            self.remarks.push(
                "introspection: only \"active\": true vouches for a token (RFC 7662 section 2.2), whatever \
                 active_attribute says"
                    .into(),
            );
        }
        self.remarks
            .push("a 4xx never vouches for anyone here; Dovecot reads its body".into());
    }

    fn write_client(&mut self) {
        let (Some(id), Some(secret)) = (self.client_id.take(), self.client_secret.take()) else {
            return;
        };
        if self.is_local() && !self.has_grant {
            self.remarks
                .push("client_id: newer versions of Dovecot take it as the audience; write it as audience".into());
            return;
        }
        self.write("client_id", id);
        self.write("client_secret", secret);
        if !self.is_client_in_url && self.version == Version::V2_3 {
            self.write("client_place", "parameters");
        }
        if matches!(self.mode, None | Some(Mode::Auth)) && self.is_client_in_url {
            self.remarks.push(
                "credentials in the URL replaced the token in mode auth, so that no login ever succeeded; \
                 they are not sent there any more"
                    .into(),
            );
        }
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
