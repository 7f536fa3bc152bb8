//! TLS of our own listeners: a certificate and its key from files, which are read again when they change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use gatepost_tokio::read_file;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest file that is read, in bytes: a chain of a dozen certificates has a third of it.
const MAX_FILE: u64 = 64 << 10;

/// What tells that the files have changed.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// Why there is no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{}: {source}; give a file that gatepost can read", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: {what}", .path.display())]
    Unusable { path: PathBuf, what: &'static str },
    #[error("{}: {source}", .path.display())]
    Refused {
        path: PathBuf,
        source: rustls::Error,
    },
}

/// A certificate, and its key.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads them.
    ///
    /// # Errors
    /// [`TlsError`]: one cannot be used.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self {
            current: RwLock::new(read_pair(certificate, key)?),
            certificate: certificate.into(),
            key: key.into(),
        })
    }

    /// Shakes hands with a client, for `patience` at most.
    pub(crate) async fn accept<S>(&self, stream: S, patience: Duration) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let current = self.current.read();
        let current = Arc::clone(&current.unwrap_or_else(PoisonError::into_inner));
        let accepting = TlsAcceptor::from(current).accept(stream);
        let accepted = timeout(patience, accepting).await;
        accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads them again when they have changed. What cannot be used leaves the ones that are known.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut known = self.stamp();
        loop {
            sleep(PAUSE).await;
            let tls = Arc::clone(&self);
            // Nothing for a thread that others wait for: a file system may hang.
            let looked = spawn_blocking(move || tls.look(known)).await;
            let Ok(Some((found, read))) = looked else {
                continue;
            };
            known = found;
            let path = self.certificate.display().to_string();
            match read {
                Ok(()) => tracing::info!(path, "certificate read again"),
                Err(error) => tracing::error!(
                    error = error.to_string(),
                    "certificate not read again: the old one stays"
                ),
            }
        }
    }

    /// Reads them if they are not those that are known.
    fn look(&self, known: Stamp) -> Option<(Stamp, Result<(), TlsError>)> {
        let found = self.stamp();
        if found == known {
            return None;
        }
        let read = read_pair(&self.certificate, &self.key).map(|read| {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            *current = read;
        });
        Some((found, read))
    }

    fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key].map(|path| {
            let found = fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len()))
        })
    }
}

fn read_pair(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let unusable = |path: &Path, what| TlsError::Unusable {
        path: path.into(),
        what,
    };
    let text = read(certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| {
        unusable(
            certificate,
            "it holds no certificate; write a chain in PEM, the server's first",
        )
    })?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| unusable(key, "it holds no private key in PEM"))?;
    let refused = |source| TlsError::Refused {
        path: certificate.into(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let mut config = builder
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(refused)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    read_file(path, MAX_FILE).map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => TlsError::Unusable {
            path: path.into(),
            what: "it is longer than 64 KiB",
        },
        _ => TlsError::Unreadable {
            path: path.into(),
            source,
        },
    })
}
