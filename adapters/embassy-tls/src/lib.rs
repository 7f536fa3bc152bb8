//! TLS 1.3 for a device: a connection to a server that has shown to be the one we mean.
//!
//! embedded-tls speaks the protocol; this crate decides whom it speaks to. Chains are judged by
//! rustls-webpki, signatures by whoever verifies a key's type: core's own cryptography, or another.
//!
//! ```text
//! transport ── records: only what may come ──> embedded-tls ── Certificate, CertificateVerify ──> verifier
//!                                                                                                │
//! Connection <── verdict, when the handshake is over <── trust: anchors, or pinned keys <────────┘
//! ```
//!
//! **Spoken.** TLS 1.3 with `TLS_AES_128_GCM_SHA256` and secp256r1. Certificates signed with ECDSA
//! (P-256 with SHA-256, P-384 with SHA-384), RSA of 2048 to 4096 bits (PKCS #1 v1.5 and PSS; SHA-256,
//! SHA-384, SHA-512) or Ed25519; handshakes with the same but for PKCS #1 v1.5.
//!
//! **Refused.** A chain that does not lead to a trust anchor, at whatever time, for whatever name or
//! purpose it does not hold; one through a certificate that is not a CA's; one longer than
//! [`MAX_INTERMEDIATES`]. A handshake whose server presents no certificate, or does not prove that the
//! key is its own. Records out of place. Every reason is a [`Refusal`] or an [`Error`].
//!
//! **Never.** It never sends data before the verdict, never takes the end of a transport for the end of
//! what the server said, and never goes on after an error. It has no clock and no randomness of its own:
//! without a [`CryptoRng`](rand_core::CryptoRng) there is nothing to call. It does not ask whether a
//! certificate has been revoked, nor heed `KeyUsage`, which rustls-webpki holds to be covered by
//! `BasicConstraints`; it does not resume sessions and has no certificates of its own. Servers that ask
//! for another group (`HelloRetryRequest`) or for new keys (`KeyUpdate`) are hung up on.
#![no_std]
#![forbid(unsafe_code)]

mod algorithms;
mod budget;
mod connection;
mod error;
mod leaf;
mod provider;
mod records;
mod suite;
mod trust;
mod verifier;

pub use connection::{Buffers, Connection, MAX_READ, MIN_WRITE, connect};
pub use error::{Error, Refusal};
pub use pki_types::{CertificateDer, Der, TrustAnchor};
pub use trust::{Expectation, Trust};
pub use webpki::anchor_from_trusted_cert;

/// Most certificates that a server may list beside its own.
///
/// Public CAs send up to three (one intermediate and two cross-signed roots). Each costs time even where
/// it leads nowhere, and strangers list what they like.
pub const MAX_INTERMEDIATES: usize = 4;
