//! Certificates of every make.

use gatepost_embassy_tls::CertificateDer;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, RsaKeySize,
    SignatureAlgorithm, date_time_ymd,
};

/// The name that good certificates are for.
pub(crate) const NAME: &str = "login.example.net";

/// Makes a key.
pub(crate) type MakeKey = fn() -> KeyPair;

pub(crate) fn p256() -> KeyPair {
    generate(&rcgen::PKCS_ECDSA_P256_SHA256)
}

pub(crate) fn p384() -> KeyPair {
    generate(&rcgen::PKCS_ECDSA_P384_SHA384)
}

pub(crate) fn ed25519() -> KeyPair {
    generate(&rcgen::PKCS_ED25519)
}

pub(crate) fn rsa2048() -> KeyPair {
    KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

pub(crate) fn rsa3072() -> KeyPair {
    KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA384, RsaKeySize::_3072).unwrap()
}

pub(crate) fn rsa4096() -> KeyPair {
    KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA512, RsaKeySize::_4096).unwrap()
}

fn generate(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

/// A certificate and what it can sign with.
pub(crate) struct Signer {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

impl Signer {
    pub(crate) fn key(&self) -> &KeyPair {
        self.issuer.key()
    }

    /// A certificate of `params` for a new key, signed by this one.
    pub(crate) fn issue(&self, params: CertificateParams, key: KeyPair) -> Self {
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }
}

/// A self-signed certificate.
pub(crate) fn self_signed(params: CertificateParams, key: KeyPair) -> Signer {
    let certificate = params.self_signed(&key).unwrap();
    Signer {
        certificate: certificate.der().clone(),
        issuer: Issuer::new(params, key),
    }
}

pub(crate) fn root(key: KeyPair) -> Signer {
    self_signed(ca("root"), key)
}

/// What a CA's certificate says.
pub(crate) fn ca(name: &str) -> CertificateParams {
    let mut params = dated(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// What a server's certificate says.
pub(crate) fn server() -> CertificateParams {
    server_for(NAME)
}

pub(crate) fn server_for(name: &str) -> CertificateParams {
    let mut params = dated(&[name.to_owned()]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    params
}

fn dated(names: &[String]) -> CertificateParams {
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

/// A server's certificate below an intermediate below a root, all with keys of `make_key`.
pub(crate) struct Chain {
    pub(crate) root: Signer,
    pub(crate) intermediate: Signer,
    pub(crate) server: Signer,
}

impl Chain {
    pub(crate) fn new(make_key: MakeKey) -> Self {
        Self::with(make_key, server())
    }

    pub(crate) fn with(make_key: MakeKey, params: CertificateParams) -> Self {
        let root = root(make_key());
        let intermediate = root.issue(ca("intermediate"), make_key());
        let server = intermediate.issue(params, make_key());
        Self {
            root,
            intermediate,
            server,
        }
    }

    /// What the server presents.
    pub(crate) fn list(&self) -> Vec<CertificateDer<'static>> {
        vec![
            self.server.certificate.clone(),
            self.intermediate.certificate.clone(),
        ]
    }
}
