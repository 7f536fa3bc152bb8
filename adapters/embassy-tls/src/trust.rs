//! Whom we trust, and whether a list of certificates is theirs.

use core::time::Duration;

use embedded_tls::CertificateEntryRef;
use gatepost_core::crypto::KeyType;
use heapless::Vec;
use pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use sha2::{Digest as _, Sha256};
use webpki::{EndEntityCert, KeyUsage};

use crate::algorithms::Algorithms;
use crate::budget::Budget;
use crate::leaf::Leaf;
use crate::{Error, MAX_INTERMEDIATES, Refusal};

/// What makes a server the one we mean.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// A chain from one of these CAs to a certificate for the server's name, all of it valid now.
    ///
    /// Without a clock no chain can be judged.
    Anchors(&'a [TrustAnchor<'a>]),
    /// A key whose `SubjectPublicKeyInfo` (in DER) has one of these SHA-256 hashes: what
    /// `openssl x509 -pubkey | openssl pkey -pubin -outform der | sha256sum` prints.
    ///
    /// The key alone identifies the server: neither the chain nor names nor purposes are looked at, and
    /// a self-signed certificate will do. Its dates count where the clock is set, so that a pin does not
    /// outlive what it was made for; without a clock they do not, so that a device can fetch the time.
    PinnedKeys(&'a [[u8; 32]]),
}

/// The server that is meant, and how it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// Its name, or its address.
    pub name: &'a str,
    /// What has to vouch for it.
    pub trust: Trust<'a>,
    /// When certificates are judged for; `None` says that the clock is not set.
    pub now: Option<gatepost_core::UnixTime>,
    /// Who verifies with which type of key. Signatures of another type do not hold.
    pub key_types: &'a [KeyType],
}

/// The server we mean.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    name: ServerName<'a>,
    trust: Trust<'a>,
    now: Option<UnixTime>,
    key_types: &'a [KeyType],
}

impl<'a> Expected<'a> {
    pub(crate) fn new(expectation: &Expectation<'a>) -> Result<Self, Error> {
        let Expectation {
            name,
            trust,
            now,
            key_types,
        } = *expectation;
        let name = ServerName::try_from(name).map_err(|_| Error::ServerName)?;
        let now = now.and_then(since_1970);
        if matches!(trust, Trust::Anchors(_)) && now.is_none() {
            return Err(Error::ClockNotSet);
        }
        Ok(Self {
            name,
            trust,
            now,
            key_types,
        })
    }

    /// What signatures are verified with.
    pub(crate) fn algorithms(&self) -> Algorithms<'a> {
        Algorithms::new(self.key_types)
    }

    /// The name to send in the clear, which an IP address must not be, and which ends in no dot
    /// (RFC 6066 section 3).
    pub(crate) fn dns_name(&self) -> Option<&str> {
        match &self.name {
            ServerName::DnsName(name) => Some(name.as_ref().trim_end_matches('.')),
            _ => None,
        }
    }

    /// Judges what a `Certificate` message lists (RFC 8446 section 4.4.2), and hands out the
    /// `SubjectPublicKeyInfo` that the server has yet to prove is its own.
    pub(crate) fn judge<'c>(
        &self,
        certificates: &[CertificateEntryRef<'c>],
    ) -> Result<&'c [u8], Refusal> {
        let (first, others) = certificates.split_first().ok_or(Refusal::NoCertificate)?;
        let der = x509(first)?;
        let leaf = Leaf::parse(der).map_err(|_| Refusal::MalformedCertificate)?;
        match self.trust {
            Trust::Anchors(anchors) => self.judge_chain(anchors, der, others)?,
            Trust::PinnedKeys(pins) => self.judge_key(pins, leaf)?,
        }
        Ok(leaf.key)
    }

    fn judge_chain(
        &self,
        anchors: &[TrustAnchor<'_>],
        leaf: &[u8],
        others: &[CertificateEntryRef<'_>],
    ) -> Result<(), Refusal> {
        let now = self.now.ok_or(Refusal::NotYetValid)?;
        let leaf = CertificateDer::from(leaf);
        let leaf = EndEntityCert::try_from(&leaf)?;
        let mut intermediates = Vec::<CertificateDer<'_>, MAX_INTERMEDIATES>::new();
        for other in others {
            intermediates
                .push(x509(other)?.into())
                .map_err(|_| Refusal::TooManyCertificates)?;
        }
        let algorithms = self.algorithms();
        let budget = Budget::new();
        let counted = algorithms
            .of_certificates()
            .map(|algorithm| budget.count(algorithm));
        let verified = leaf.verify_for_usage(
            &counted.each_ref().map(|algorithm| algorithm as _),
            anchors,
            &intermediates,
            now,
            KeyUsage::server_auth(),
            None,
            None,
        );
        if budget.is_exceeded() {
            return Err(Refusal::TooManySignatures);
        }
        verified?;
        Ok(leaf.verify_is_valid_for_subject_name(&self.name)?)
    }

    fn judge_key(&self, pins: &[[u8; 32]], leaf: Leaf<'_>) -> Result<(), Refusal> {
        let hash: [u8; 32] = Sha256::digest(leaf.key).into();
        if !pins.contains(&hash) {
            return Err(Refusal::OtherKey);
        }
        let Some(now) = self.now else { return Ok(()) };
        if now < UnixTime::since_unix_epoch(leaf.not_before) {
            return Err(Refusal::NotYetValid);
        }
        if now > UnixTime::since_unix_epoch(leaf.not_after) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }
}

/// A clock that shows a time before 1970 is not set.
fn since_1970(now: gatepost_core::UnixTime) -> Option<UnixTime> {
    let seconds = u64::try_from(now.seconds()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

fn x509<'c>(entry: &CertificateEntryRef<'c>) -> Result<&'c [u8], Refusal> {
    match entry {
        CertificateEntryRef::X509(der) => Ok(der),
        CertificateEntryRef::RawPublicKey(_) => Err(Refusal::MalformedCertificate),
    }
}
