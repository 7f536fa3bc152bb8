//! Secrets: in the configuration file itself, or in a file of their own.

use std::io::ErrorKind;
use std::path::Path;

use gatepost_tokio::read_text;

/// Longest file with a client secret, in bytes.
const MAX_SECRET: u64 = 4096;

/// A secret, which is never printed.
#[derive(Clone, PartialEq)]
pub(super) struct Secret(String);

impl Secret {
    fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Secret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err("write text that is not empty and holds no control characters");
        }
        Ok(Self(text))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The secret that is written, or that lies in the file that is named; `None` where neither is.
pub(super) fn written(
    secret: Option<&Secret>,
    file: Option<&Path>,
) -> Result<Option<String>, String> {
    match (secret, file) {
        (Some(secret), _) => Ok(Some(secret.expose().to_owned())),
        (None, Some(path)) => read("client_secret_file", path).map(Some),
        (None, None) => Ok(None),
    }
}

/// The secret that lies in the file that the key `key` names.
pub(super) fn read(key: &str, path: &Path) -> Result<String, String> {
    let fault = |fault: &str| format!("{key} {}: {fault}", path.display());
    let text = read_text(path, MAX_SECRET).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => {
            fault("longer than 4,096 bytes; name a file that holds the secret alone")
        }
        _ => fault(&format!("{error}; let gatepost read it")),
    })?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() || secret.chars().any(char::is_control) {
        return Err(fault(
            "empty, or more than one line; write the secret alone into it",
        ));
    }
    Ok(secret.to_owned())
}
