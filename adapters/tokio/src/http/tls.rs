//! Whom a client of ours trusts, and as whom it presents itself.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_platform_verifier::Verifier;

use super::fault::SelfSigned;
use crate::file::read_file;
use crate::settings::HttpSettings;

/// Longest file of certificates, in bytes: the bundle of a system has 250 KB.
const MAX_PEM: u64 = 1 << 20;

/// Why a provider could never be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// A file of certificates or keys cannot be read.
    #[error("{}: {source}; let gatepost read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is longer than any file of certificates.
    #[error("{}: longer than a megabyte; name a file of certificates in PEM", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It holds no certificate.
    #[error("{}: no certificate in it; name a file of certificates in PEM", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// It is not what it should be.
    #[error("{}: {reason}; it has to be PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The rest, such as no certificates of the system at all.
    #[error("{0}")]
    Setup(String),
}

impl HttpError {
    fn pem(path: &Path, reason: &impl ToString) -> Self {
        Self::Pem {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    fn setup(error: &Error) -> Self {
        Self::Setup(error.to_string())
    }
}

/// TLS as the settings want it: the authorities of `ca_file` alone, or else those of the system.
pub(super) fn config(settings: &HttpSettings) -> Result<ClientConfig, HttpError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if let Some(path) = &settings.ca_file {
        of_authorities(path, &provider)?
    } else {
        let verifier = Verifier::new(Arc::clone(&provider));
        Arc::new(verifier.map_err(|error| HttpError::setup(&error))?)
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpError::setup(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Explaining(verifier)));
    let mut config = match &settings.client_certificate {
        None => builder.with_no_client_auth(),
        Some((chain_file, key_file)) => {
            let chain = certificates(chain_file)?;
            let key = PrivateKeyDer::from_pem_slice(&read_pem(key_file)?);
            let key = key.map_err(|error| HttpError::pem(key_file, &error))?;
            let config = builder.with_client_auth_cert(chain, key);
            config.map_err(|error| HttpError::pem(chain_file, &error))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn of_authorities(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, HttpError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|error| HttpError::pem(path, &error))?;
    }
    WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
        .build()
        .map_err(|error| HttpError::pem(path, &error))
}

/// The certificates of a file, of which there is one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let pem = read_pem(path)?;
    let read = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let read = read.map_err(|error| HttpError::pem(path, &error))?;
    if read.is_empty() {
        return Err(HttpError::NoCertificate { path: path.into() });
    }
    Ok(read)
}

fn read_pem(path: &Path) -> Result<Vec<u8>, HttpError> {
    let path = path.to_owned();
    read_file(&path, MAX_PEM).map_err(|source| match source.kind() {
        ErrorKind::FileTooLarge => HttpError::TooLong { path },
        _ => HttpError::Unreadable { path, source },
    })
}

/// Judges exactly as another verifier does, and says of what that one refuses whether it is self-signed.
#[derive(Debug)]
struct Explaining(Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for Explaining {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged =
            self.0
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        judged.map_err(|error| explain(error, end_entity))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

fn explain(error: Error, end_entity: &CertificateDer<'_>) -> Error {
    let is_authority = match &error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => false,
        Error::InvalidCertificate(CertificateError::Other(other))
            if matches!(
                other.0.downcast_ref(),
                Some(webpki::Error::CaUsedAsEndEntity)
            ) =>
        {
            true
        }
        _ => return error,
    };
    let is_self_signed = webpki::EndEntityCert::try_from(end_entity)
        .is_ok_and(|certificate| certificate.issuer() == certificate.subject());
    if !is_self_signed {
        return error;
    }
    let explained = OtherError(Arc::new(SelfSigned { is_authority }));
    Error::InvalidCertificate(CertificateError::Other(explained))
}
