//! What has to vouch for a provider's servers over TLS, as Rust source.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pki_types::pem::PemObject as _;
use pki_types::{CertificateDer, TrustAnchor};

use crate::config::Provider;

/// Most authorities of a provider: each takes room in the image, and a provider has one or two.
const MAX_AUTHORITIES: usize = 16;

/// Most keys of a provider: the one in use, and those that may follow.
const MAX_PINS: usize = 8;

/// A `gatepost_embassy_tls::Trust`.
///
/// # Errors
/// What is wrong with the file of certificates, or with a pinned key.
pub(crate) fn source(provider: &Provider) -> Result<String, String> {
    let pins = provider.pinned_keys.as_slice();
    match &provider.ca_file {
        Some(path) => {
            let fault = |error| format!("ca_file: {}: {error}", path.display());
            let anchors = anchors(path).map_err(fault)?;
            Ok(format!("Trust::Anchors(&[{}])", anchors.join(", ")))
        }
        None if pins.is_empty() => Ok("Trust::Anchors(&[])".to_owned()),
        None => pinned(pins),
    }
}

/// What a chain needs of the certificates in a file: neither their signatures nor their dates.
fn anchors(path: &Path) -> Result<Vec<String>, String> {
    println!("cargo:rerun-if-changed={}", path.display());
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let certificates: Result<Vec<CertificateDer>, _> =
        CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| format!("no PEM: {error}"))?;
    if !(1..=MAX_AUTHORITIES).contains(&certificates.len()) {
        return Err(format!(
            "{} certificates; write 1 to {MAX_AUTHORITIES}, those of the provider's own authorities",
            certificates.len()
        ));
    }
    let anchor = |certificate| {
        let anchor = webpki::anchor_from_trusted_cert(certificate);
        let anchor = anchor.map_err(|error| format!("a certificate cannot be read: {error}"));
        Ok(anchor_source(&anchor?))
    };
    certificates.iter().map(anchor).collect()
}

fn anchor_source(anchor: &TrustAnchor<'_>) -> String {
    let der = |bytes: &[u8]| format!("Der::from_slice(b\"{}\")", bytes.escape_ascii());
    let constraints = anchor.name_constraints.as_ref();
    let constraints = constraints.map_or("None".to_owned(), |constraints| {
        format!("Some({})", der(constraints))
    });
    format!(
        "TrustAnchor {{ subject: {}, subject_public_key_info: {}, name_constraints: {constraints} }}",
        der(&anchor.subject),
        der(&anchor.subject_public_key_info),
    )
}

fn pinned(pins: &[String]) -> Result<String, String> {
    if pins.len() > MAX_PINS {
        return Err(format!("more than {MAX_PINS} pinned_keys"));
    }
    let pins: Result<Vec<String>, String> = pins.iter().map(|pin| hash(pin)).collect();
    Ok(format!("Trust::PinnedKeys(&[{}])", pins?.join(", ")))
}

/// The SHA-256 hash of a key's `SubjectPublicKeyInfo`.
fn hash(pin: &str) -> Result<String, String> {
    let hash = pin.strip_prefix("sha256//");
    let hash = hash.and_then(|hash| STANDARD.decode(hash).ok());
    let hash: Option<[u8; 32]> = hash.and_then(|hash| hash.try_into().ok());
    let hash = hash.ok_or_else(|| {
        format!(
            "pinned_keys: {pin:?} is no hash of a key; write \"sha256//\" and 44 characters of base64: openssl x509 -in \
             server.pem -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64"
        )
    });
    Ok(format!("{:?}", hash?))
}
