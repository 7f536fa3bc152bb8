//! What a handshake has to show before it is believed.
//!
//! embedded-tls calls in when a `Certificate` or a `CertificateVerify` arrives, in whatever order and
//! number, and is content when neither does: a stranger who omits both finishes its handshake. So the
//! order is kept here, and [`Verifier::verdict`] is asked when the handshake is over.

use core::mem;

use digest::Digest as _;
use embedded_tls::{CertificateRef, CertificateVerifyRef, Sha256, TlsError, TlsVerifier};
use heapless::Vec;
use pki_types::SubjectPublicKeyInfoDer;
use webpki::RawPublicKeyEntity;

use crate::Refusal;
use crate::algorithms::Algorithms;
use crate::suite::Suite;
use crate::trust::Expected;

/// Longest `SubjectPublicKeyInfo` kept: that of an RSA key with 4096 bits and an exponent of 32.
const MAX_KEY: usize = 552;

/// RFC 8446 section 4.4.3: what a server's signature covers before the transcript's hash.
const PREFIX: &[u8; 98] = b"                                                                TLS 1.3, server CertificateVerify\0";

/// Holds a handshake to what is expected of the server.
#[derive(Debug)]
pub(crate) struct Verifier<'a> {
    expected: &'a Expected<'a>,
    progress: Progress,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "without an allocator there is no box"
)]
enum Progress {
    /// Nothing has come.
    Start,
    /// The certificates are trusted; that the key is the server's own is not shown.
    Certified(Unproven),
    /// The server has signed the handshake.
    Proven,
    /// It is not the server we mean.
    Refused(Refusal),
}

/// A trusted key, and what it must have signed.
#[derive(Debug)]
struct Unproven {
    key: Vec<u8, MAX_KEY>,
    signed: [u8; PREFIX.len() + 32],
}

impl<'a> Verifier<'a> {
    pub(crate) fn new(expected: &'a Expected<'a>) -> Self {
        Self {
            expected,
            progress: Progress::Start,
        }
    }

    /// Whether the handshake so far, if it is over, shows that the server is the one we mean.
    pub(crate) fn verdict(&self) -> Result<(), Refusal> {
        match self.progress {
            Progress::Proven => Ok(()),
            Progress::Refused(refusal) => Err(refusal),
            Progress::Start => Err(Refusal::NoCertificate),
            Progress::Certified(_) => Err(Refusal::HandshakeSignature),
        }
    }

    /// Why the server was refused, if it was.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self.progress {
            Progress::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    fn advance(&mut self, next: Result<Progress, Refusal>) -> Result<(), TlsError> {
        let refused = next.is_err();
        self.progress = next.unwrap_or_else(Progress::Refused);
        if refused {
            return Err(TlsError::InvalidCertificate);
        }
        Ok(())
    }

    fn certify(
        &self,
        transcript: &Sha256,
        message: &CertificateRef<'_>,
    ) -> Result<Progress, Refusal> {
        let key = self.expected.judge(&message.entries)?;
        Ok(Progress::Certified(Unproven {
            key: Vec::from_slice(key).map_err(|_| Refusal::KeyTooLarge)?,
            signed: signed(transcript.clone().finalize().into()),
        }))
    }
}

impl TlsVerifier<Suite> for Verifier<'_> {
    /// Does nothing: the name was given when the verifier was made.
    fn set_hostname_verification(&mut self, _: &str) -> Result<(), TlsError> {
        Ok(())
    }

    fn verify_certificate(
        &mut self,
        transcript: &Sha256,
        message: CertificateRef<'_>,
    ) -> Result<(), TlsError> {
        let next = match self.progress {
            Progress::Start => self.certify(transcript, &message),
            _ => Err(Refusal::MessageOrder),
        };
        self.advance(next)
    }

    fn verify_signature(&mut self, message: CertificateVerifyRef<'_>) -> Result<(), TlsError> {
        let progress = mem::replace(&mut self.progress, Progress::Start);
        let next = match progress {
            Progress::Certified(unproven) => unproven.prove(&self.expected.algorithms(), &message),
            _ => Err(Refusal::MessageOrder),
        };
        self.advance(next)
    }
}

impl Unproven {
    fn prove(
        &self,
        algorithms: &Algorithms<'_>,
        message: &CertificateVerifyRef<'_>,
    ) -> Result<Progress, Refusal> {
        let algorithm = algorithms.of_handshakes(message.signature_scheme);
        let algorithm = algorithm.ok_or(Refusal::SignatureScheme)?;
        let key = SubjectPublicKeyInfoDer::from(self.key.as_slice());
        let key = RawPublicKeyEntity::try_from(&key)?;
        match key.verify_signature(algorithm, &self.signed, message.signature) {
            Ok(()) => Ok(Progress::Proven),
            Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {
                Err(Refusal::SignatureScheme)
            }
            Err(_) => Err(Refusal::HandshakeSignature),
        }
    }
}

fn signed(transcript_hash: [u8; 32]) -> [u8; PREFIX.len() + 32] {
    let mut signed = [0; PREFIX.len() + 32];
    let (prefix, hash) = signed.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX);
    hash.copy_from_slice(&transcript_hash);
    signed
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    extern crate std;

    use embedded_tls::{CertificateEntryRef, SignatureScheme};
    use rcgen::{CertificateParams, KeyPair, PublicKeyData as _, SigningKey as _};
    use std::vec::Vec;

    use super::*;
    use crate::{Expectation, Trust};
    use gatepost_core::crypto::KeyType;

    /// A message of the server's, or the end of its handshake.
    enum Message {
        Certificate,
        Verify,
    }
    use Message::{Certificate, Verify};

    /// What a server with a pinned key, who presents and signs what is right, comes to with
    /// `messages` alone.
    #[track_caller]
    fn check(messages: &[Message], expected: Result<(), Refusal>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([]).unwrap().self_signed(&key);
        let certificate: Vec<u8> = certificate.unwrap().der().to_vec();
        let pins = [Sha256::digest(key.subject_public_key_info()).into()];
        let trust = Trust::PinnedKeys(&pins);
        let expectation = Expected::new(&Expectation {
            name: "login.example.net",
            trust,
            now: None,
            key_types: KeyType::ALL,
        });
        let expectation = expectation.unwrap();
        let transcript = Sha256::new();
        let signature = key.sign(&signed(transcript.clone().finalize().into()));
        let signature = signature.unwrap();

        let mut verifier = Verifier::new(&expectation);
        let mut broken_off = false;
        for message in messages {
            let accepted = match message {
                Certificate => {
                    let mut list = CertificateRef::with_context(&[]);
                    list.add(CertificateEntryRef::X509(&certificate)).unwrap();
                    verifier.verify_certificate(&transcript, list)
                }
                Verify => verifier.verify_signature(CertificateVerifyRef {
                    signature_scheme: SignatureScheme::EcdsaSecp256r1Sha256,
                    signature: &signature,
                }),
            };
            broken_off |= accepted.is_err();
        }
        assert_eq!(verifier.verdict(), expected);
        assert_eq!(broken_off, verifier.refusal().is_some());
    }

    #[test]
    fn a_certificate_and_its_proof_are_enough() {
        check(&[Certificate, Verify], Ok(()));
    }

    #[test]
    fn a_server_without_a_certificate_is_refused() {
        check(&[], Err(Refusal::NoCertificate));
    }

    #[test]
    fn a_certificate_without_proof_is_refused() {
        check(&[Certificate], Err(Refusal::HandshakeSignature));
    }

    #[test]
    fn another_order_is_refused() {
        let refused = Err(Refusal::MessageOrder);
        check(&[Verify], refused);
        check(&[Verify, Certificate], refused);
        check(&[Certificate, Certificate], refused);
        check(&[Certificate, Verify, Certificate], refused);
        check(&[Certificate, Verify, Verify], refused);
        check(&[Certificate, Certificate, Certificate, Verify], refused);
    }
}
