//! What embedded-tls asks of us during a handshake: random numbers and judgement.

use embedded_tls::{CryptoProvider, CryptoRngCore, TlsError, TlsVerifier};
use rand_core::CryptoRng;

use crate::suite::Suite;
use crate::verifier::Verifier;

/// Random numbers and a verifier; no client certificate.
pub(crate) struct Provider<'a, R> {
    pub(crate) rng: R,
    pub(crate) verifier: Verifier<'a>,
}

impl<R: CryptoRng> CryptoProvider for Provider<'_, R> {
    type CipherSuite = Suite;
    type Signature = [u8; 0];

    fn rng(&mut self) -> impl CryptoRngCore {
        EarlierRng(&mut self.rng)
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Self::CipherSuite>, TlsError> {
        Ok(&mut self.verifier)
    }
}

/// A generator under the traits of the generation that embedded-tls stands on.
struct EarlierRng<'r, R>(&'r mut R);

impl<R: CryptoRng> rand_core_06::RngCore for EarlierRng<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl<R: CryptoRng> rand_core_06::CryptoRng for EarlierRng<'_, R> {}
