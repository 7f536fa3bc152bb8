//! The configuration that an import writes.

use std::fmt::Write as _;

use gatepost_core::sasl::Discovery;

use super::dovecot;
use super::draft::Draft;
use super::error::ImportError;
use super::provider::{common, is_attribute, line, local, online};
use super::value::{Version, one_line};
use crate::config::{Config, WebUrl};

/// The whole text, which the daemon takes.
pub(super) fn write(mut draft: Draft, version: Version, file: &str) -> Result<String, ImportError> {
    let attribute = draft.username_attribute.clone();
    let attribute = attribute.unwrap_or_else(|| "email".to_owned());
    let common = common(&mut draft, version, &attribute)?;
    let providers = if draft.is_local() {
        local(&mut draft, &common)?
    } else {
        vec![online(&mut draft, common)?]
    };
    let http = http(&mut draft, &attribute);
    let discovery = discovery(&mut draft);
    let mut text = String::from(
        "# Taken over from Dovecot's oauth2 settings by `gatepost import`.\n\
         # adapters/daemon/DOVECOT.md says what each of them became.\n",
    );
    for remark in draft.remarks() {
        // A string always has room, here and below.
        let _ = writeln!(text, "# {}", one_line(remark));
    }
    let told = if is_attribute(&attribute) {
        &*attribute
    } else {
        "email"
    };
    text += &dovecot::lines(&draft, version, file, told);
    text += &http;
    text += &discovery;
    for lines in providers {
        text += "\n[[provider]]\n";
        for line in lines {
            text += &line;
            text.push('\n');
        }
    }
    // Whatever was read: nothing is written that does not load.
    if let Err(faults) = Config::parse(&text) {
        let refused = faults.in_file(file.as_ref(), &text);
        return Err(ImportError::Refused(refused.to_string()));
    }
    Ok(text)
}

/// Where Dovecot asks.
fn http(draft: &mut Draft, attribute: &str) -> String {
    let mut text = format!("\n[http]\n{}\n", line("listen", dovecot::LISTEN));
    let known = ["email", "username", "sub"];
    if !known.contains(&attribute) {
        let attributes: Vec<&str> = known.iter().copied().chain([attribute]).collect();
        if is_attribute(attribute) {
            let _ = writeln!(text, "{}", line("attributes", attributes));
        } else {
            draft.say(format!(
                "username_attribute: Dovecot reads {} for itself; the answer has the name as email",
                one_line(attribute)
            ));
        }
    }
    text
}

fn discovery(draft: &mut Draft) -> String {
    let Some(setting) = draft.openid_configuration.take() else {
        return String::new();
    };
    let url = setting.text().trim_end();
    let told = Discovery {
        openid_configuration: Some(url),
        ..Discovery::default()
    };
    if WebUrl::try_from(url.to_owned()).is_err() {
        draft.remark(&setting, "is no URL, and not taken over");
        return String::new();
    }
    if !told.fits() {
        draft.remark(&setting, "too long for a reply to a client");
        return String::new();
    }
    format!("\n[discovery]\n{}\n", line("openid_configuration", url))
}
