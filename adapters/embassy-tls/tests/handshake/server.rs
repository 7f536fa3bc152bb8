//! A rustls server in memory, at the other end of what a client reads and writes.

use std::convert::Infallible;
use std::future::pending;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use embedded_io_async::{ErrorType, Read, Write};
use gatepost_embassy_tls::CertificateDer;
use rcgen::KeyPair;
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{
    ConnectionTrafficSecrets, ServerConfig, ServerConnection, SupportedProtocolVersion, version,
};

/// A server, and what it has said so far.
///
/// A client that waits for more sees the end of the transport, unless the server `waits` too.
pub(crate) struct Server {
    /// None once its keys are taken from it.
    tls: Option<ServerConnection>,
    /// What the client has not read yet.
    pub(crate) said: Vec<u8>,
    /// Most bytes that a client reads at once.
    pub(crate) piece: usize,
    pub(crate) waits: bool,
    /// What comes of a client's data; an echo unless a test wants something else.
    pub(crate) answer: fn(&mut Self, &[u8]),
    /// Changes one byte of what is said in answer to a client's first message.
    pub(crate) forge: Option<(usize, u8)>,
}

impl Server {
    pub(crate) fn new(list: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        Self::with_key(list, signing_key(key))
    }

    pub(crate) fn with_key(list: Vec<CertificateDer<'static>>, key: Arc<dyn SigningKey>) -> Self {
        Self::of_version(list, key, &version::TLS13)
    }

    pub(crate) fn of_version(
        list: Vec<CertificateDer<'static>>,
        key: Arc<dyn SigningKey>,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let certified = SingleCertAndKey::from(CertifiedKey::new(list, key));
        let mut config = ServerConfig::builder_with_provider(provider::default_provider().into())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certified));
        config.enable_secret_extraction = true;
        let mut tls = ServerConnection::new(config.into()).unwrap();
        tls.set_buffer_limit(None);
        Self {
            tls: Some(tls),
            said: vec![],
            piece: usize::MAX,
            waits: false,
            answer: Self::say,
            forge: None,
        }
    }

    pub(crate) fn say(&mut self, data: &[u8]) {
        self.tls().writer().write_all(data).unwrap();
    }

    pub(crate) fn close(&mut self) {
        self.tls().send_close_notify();
    }

    /// Says `records`, which nothing protects.
    pub(crate) fn say_openly(&mut self, records: &[u8]) {
        self.transmit();
        self.said.extend(records);
    }

    /// Says, as its last word, a protected record whose inner plaintext (RFC 8446 section 5.2) is
    /// `inner`.
    pub(crate) fn say_protected(&mut self, inner: &[u8]) {
        self.transmit();
        let secrets = self.tls.take().unwrap().dangerous_extract_secrets();
        let (number, ConnectionTrafficSecrets::Aes128Gcm { key, iv }) = secrets.unwrap().tx else {
            panic!("another cipher suite");
        };
        let mut nonce: [u8; 12] = iv.as_ref().try_into().unwrap();
        for (place, byte) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *place ^= byte;
        }
        let [high, low] = u16::try_from(inner.len() + 16).unwrap().to_be_bytes();
        let header = [23, 3, 3, high, low];
        let mut record = inner.to_vec();
        LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap())
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(header),
                &mut record,
            )
            .unwrap();
        self.said.extend(header);
        self.said.extend(record);
    }

    fn tls(&mut self) -> &mut ServerConnection {
        self.tls.as_mut().unwrap()
    }

    fn transmit(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        while tls.wants_write() {
            tls.write_tls(&mut self.said).unwrap();
        }
    }

    fn listen(&mut self) {
        let tls = self.tls();
        // What a server thinks of its client is the client's to find out.
        if tls.process_new_packets().is_err() {
            return;
        }
        let mut data = vec![];
        // Would block, or has ended; what came before is in `data`.
        let _ = tls.reader().read_to_end(&mut data);
        if !data.is_empty() {
            (self.answer)(self, &data);
        }
    }
}

pub(crate) fn signing_key(key: &KeyPair) -> Arc<dyn SigningKey> {
    let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    provider::sign::any_supported_type(&der).unwrap()
}

impl ErrorType for Server {
    type Error = Infallible;
}

impl Read for Server {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let length = buffer.len().min(self.piece).min(self.said.len());
        if length == 0 && self.waits {
            pending::<()>().await;
        }
        buffer[..length].copy_from_slice(&self.said[..length]);
        self.said.drain(..length);
        Ok(length)
    }
}

impl Write for Server {
    async fn write(&mut self, mut buffer: &[u8]) -> Result<usize, Infallible> {
        let Some(tls) = &mut self.tls else {
            return Ok(buffer.len());
        };
        let length = tls.read_tls(&mut buffer).unwrap();
        self.listen();
        self.transmit();
        if let Some((at, change)) = self.forge.take_if(|(at, _)| *at < self.said.len()) {
            self.said[at] ^= change;
        }
        Ok(length)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
