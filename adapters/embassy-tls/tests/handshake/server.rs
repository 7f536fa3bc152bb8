//! A rustls server in memory, at the other end of what a client reads and writes.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use embedded_io_async::{ErrorType, Read, Write};
use gatepost_embassy_tls::CertificateDer;
use rcgen::KeyPair;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

/// Echoes what it is sent. A client that waits for more than the server has to say sees the end of the
/// transport.
pub(crate) struct Server {
    tls: ServerConnection,
    /// Sent as they are, before anything else.
    pub(crate) injected: Vec<u8>,
}

impl Server {
    pub(crate) fn new(list: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        Self::with_key(list, signing_key(key))
    }

    pub(crate) fn with_key(list: Vec<CertificateDer<'static>>, key: Arc<dyn SigningKey>) -> Self {
        Self::of_version(list, key, &rustls::version::TLS13)
    }

    pub(crate) fn of_version(
        list: Vec<CertificateDer<'static>>,
        key: Arc<dyn SigningKey>,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(
                list, key,
            ))));
        let mut tls = ServerConnection::new(config.into()).unwrap();
        tls.set_buffer_limit(None);
        Self {
            tls,
            injected: vec![],
        }
    }

    fn echo(&mut self) {
        let mut data = vec![];
        // Would block, or has ended; what came before is in `data`.
        let _ = self.tls.reader().read_to_end(&mut data);
        self.tls.writer().write_all(&data).unwrap();
    }
}

pub(crate) fn signing_key(key: &KeyPair) -> Arc<dyn SigningKey> {
    let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    aws_lc_rs::sign::any_supported_type(&der).unwrap()
}

impl ErrorType for Server {
    type Error = Infallible;
}

impl Read for Server {
    async fn read(&mut self, mut buffer: &mut [u8]) -> Result<usize, Infallible> {
        if !self.injected.is_empty() {
            let length = buffer.len().min(self.injected.len());
            buffer[..length].copy_from_slice(&self.injected[..length]);
            self.injected.drain(..length);
            return Ok(length);
        }
        if !self.tls.wants_write() {
            return Ok(0);
        }
        Ok(self.tls.write_tls(&mut buffer).unwrap())
    }
}

impl Write for Server {
    async fn write(&mut self, mut buffer: &[u8]) -> Result<usize, Infallible> {
        let length = self.tls.read_tls(&mut buffer).unwrap();
        // What a server thinks of its client is the client's to find out.
        if self.tls.process_new_packets().is_ok() {
            self.echo();
        }
        Ok(length)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
