//! Certificates that a provider presents to the appliance, whose images trust one authority.

use std::fs;
use std::io;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, Error, IsCa, Issuer, KeyPair, date_time_ymd,
};

/// The authority's key: `ca_file` and `pinned_keys` in `tests/appliance` are made for it, and nobody else trusts it.
const AUTHORITY_KEY: &str = include_str!("../appliance/authority.key");

/// The authority's name, as its certificate has it.
const AUTHORITY: &str = "the authority of the appliance's tests";

/// The file of what a server presents.
pub const CHAIN: &str = "server.pem";

/// The file of its key.
pub const KEY: &str = "server.key";

/// What a server presents.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certificate {
    /// What the images trust.
    Good,
    /// The same for another name.
    ForAnotherName,
    /// The same, but its time is over.
    Expired,
    /// One of an authority that the images do not know.
    OfAStranger,
    /// One that vouches for itself with the key that images pin.
    Pinned,
}

/// Leaves a certificate for `host`, and its key, in `directory`.
///
/// # Errors
/// When they cannot be made or written.
pub fn write(directory: &Path, kind: Certificate, host: &str) -> io::Result<()> {
    let (chain, key) = make(kind, host).map_err(io::Error::other)?;
    fs::write(directory.join(CHAIN), chain)?;
    fs::write(directory.join(KEY), key)
}

/// A certificate for `host` that vouches for itself, and its key, in PEM.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn self_signed(host: &str) -> io::Result<[String; 2]> {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]);
    let made = made.map_err(io::Error::other)?;
    Ok([made.cert.pem(), made.signing_key.serialize_pem()])
}

fn make(kind: Certificate, host: &str) -> Result<(String, String), Error> {
    let name = match kind {
        Certificate::ForAnotherName => "elsewhere.test",
        _ => host,
    };
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    if kind == Certificate::Expired {
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    if kind == Certificate::Pinned {
        let key = KeyPair::from_pem(AUTHORITY_KEY)?;
        return Ok((params.self_signed(&key)?.pem(), key.serialize_pem()));
    }
    let authority = match kind {
        Certificate::OfAStranger => authority("a stranger", KeyPair::generate()?)?,
        _ => authority(AUTHORITY, KeyPair::from_pem(AUTHORITY_KEY)?)?,
    };
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn authority(name: &str, key: KeyPair) -> Result<Issuer<'static, KeyPair>, Error> {
    let mut params = CertificateParams::new([])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(Issuer::new(params, key))
}
