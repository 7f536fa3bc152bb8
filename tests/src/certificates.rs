//! Certificates that a provider presents to the appliance, whose images trust one authority.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, Error, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

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
    /// One of a stranger's, behind further ones that bear the name of the authority that images trust: each may have
    /// signed each.
    Forged,
}

/// Certificates of P-384 behind a forged one: as many as a chain may have.
const FORGED: usize = 4;

/// Leaves a certificate for `host`, and its key, in `directory`.
///
/// # Errors
/// When they cannot be made or written.
pub fn write(directory: &Path, kind: Certificate, host: &str) -> io::Result<()> {
    let (chain, key) = make(kind, &[host.to_owned()]).map_err(io::Error::other)?;
    fs::write(directory.join(CHAIN), chain)?;
    fs::write(directory.join(KEY), key)
}

/// What a server of these hosts presents that runs in this process.
///
/// # Errors
/// When it cannot be made.
pub fn server(kind: Certificate, hosts: &[String]) -> io::Result<Arc<ServerConfig>> {
    let (chain, key) = make(kind, hosts).map_err(io::Error::other)?;
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
    let chain = chain.collect::<Result<_, _>>().map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth();
    let config = config.with_single_cert(chain, key);
    config.map(Arc::new).map_err(io::Error::other)
}

/// A certificate for `host` that vouches for itself, and its key, in PEM.
///
/// # Errors
/// When it cannot be made.
pub fn self_signed(host: &str) -> io::Result<[String; 2]> {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]);
    let made = made.map_err(io::Error::other)?;
    Ok([made.cert.pem(), made.signing_key.serialize_pem()])
}

fn make(kind: Certificate, hosts: &[String]) -> Result<(String, String), Error> {
    let names = match kind {
        Certificate::ForAnotherName => vec!["elsewhere.test".to_owned()],
        _ => hosts.to_owned(),
    };
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "a server of the appliance's tests");
    if kind == Certificate::Expired {
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    if kind == Certificate::Pinned {
        let key = KeyPair::from_pem(AUTHORITY_KEY)?;
        return Ok((params.self_signed(&key)?.pem(), key.serialize_pem()));
    }
    if kind == Certificate::Forged {
        return forged(&params);
    }
    let authority = match kind {
        Certificate::OfAStranger => authority("a stranger", KeyPair::generate()?)?,
        _ => authority(AUTHORITY, KeyPair::from_pem(AUTHORITY_KEY)?)?,
    };
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// A chain of which every certificate may have signed every other, as far as their names tell.
fn forged(params: &CertificateParams) -> Result<(String, String), Error> {
    let (key, mut chain) = (KeyPair::generate()?, String::new());
    for place in 0..FORGED {
        let of_authority = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)?;
        let own = authority_params(AUTHORITY)?.self_signed(&of_authority)?;
        if place == 0 {
            let issuer = authority(AUTHORITY, of_authority)?;
            chain += &params.signed_by(&key, &issuer)?.pem();
        }
        chain += &own.pem();
    }
    Ok((chain, key.serialize_pem()))
}

fn authority(name: &str, key: KeyPair) -> Result<Issuer<'static, KeyPair>, Error> {
    Ok(Issuer::new(authority_params(name)?, key))
}

fn authority_params(name: &str) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new([])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
