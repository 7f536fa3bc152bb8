//! What a typical login is judged by, for whoever measures one.

use std::hint::black_box;

use gatepost_core::crypto::{Algorithm, AlgorithmSet, InvalidSignature, VerifyingKey};
use gatepost_core::{Audience, Policy};

/// Verifies nothing: what remains is everything but the signature.
pub(crate) struct NoSignature;

impl VerifyingKey for NoSignature {
    fn algorithms(&self) -> AlgorithmSet {
        AlgorithmSet::ALL
    }

    fn verify(&self, _: Algorithm, input: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        black_box((input, signature));
        Ok(())
    }
}

/// What the tokens of the measurements have to say.
pub(crate) fn policy() -> Policy<'static> {
    let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
    policy.issuer = Some("https://id.example.com/realms/example");
    policy.username_claims = &["email"];
    policy.scopes = &["mail"];
    policy
}
