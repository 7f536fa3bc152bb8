//! The parts of a server's own certificate that webpki keeps to itself: its key and its dates.
//!
//! Nothing here is a judgement: neither the signature nor any extension is looked at.

use core::time::Duration;

use pkcs1::der::asn1::{GeneralizedTime, UtcTime};
use pkcs1::der::{self, Decode as _, ErrorKind, Reader, SliceReader, Tag, TagNumber};

/// What a certificate says about its own key and time (RFC 5280 section 4.1.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf<'c> {
    /// The `SubjectPublicKeyInfo`, tag and length included.
    pub(crate) key: &'c [u8],
    /// The first second of its validity, since 1970.
    pub(crate) not_before: Duration,
    /// The last second of its validity, since 1970.
    pub(crate) not_after: Duration,
}

impl<'c> Leaf<'c> {
    /// Reads the certificate in `der`, of version 3.
    // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }
    pub(crate) fn parse(der: &'c [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(der)?;
        let leaf = reader.sequence(|certificate| {
            let leaf = certificate.sequence(Self::read)?;
            skip(certificate, Tag::Sequence)?;
            skip(certificate, Tag::BitString)?;
            der::Result::Ok(leaf)
        })?;
        reader.finish()?;
        Ok(leaf)
    }

    // TBSCertificate ::= SEQUENCE { version [0], serialNumber, signature, issuer, validity, subject,
    //                               subjectPublicKeyInfo, .. }
    fn read(certificate: &mut SliceReader<'c>) -> der::Result<Self> {
        skip(certificate, VERSION)?;
        skip(certificate, Tag::Integer)?;
        skip(certificate, Tag::Sequence)?;
        skip(certificate, Tag::Sequence)?;
        let (not_before, not_after) =
            certificate.sequence(|validity| der::Result::Ok((time(validity)?, time(validity)?)))?;
        skip(certificate, Tag::Sequence)?;
        let key = skip(certificate, Tag::Sequence)?;
        while !certificate.is_finished() {
            certificate.tlv_bytes()?;
        }
        Ok(Self {
            key,
            not_before,
            not_after,
        })
    }
}

const VERSION: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber(0),
};

/// The next value as it stands, which must bear `tag`.
fn skip<'c>(reader: &mut SliceReader<'c>, tag: Tag) -> der::Result<&'c [u8]> {
    Tag::peek(reader)?.assert_eq(tag)?;
    reader.tlv_bytes()
}

// Time ::= CHOICE { utcTime, generalTime }
fn time(reader: &mut SliceReader<'_>) -> der::Result<Duration> {
    match Tag::peek(reader)? {
        Tag::UtcTime => Ok(UtcTime::decode(reader)?.to_unix_duration()),
        Tag::GeneralizedTime => Ok(GeneralizedTime::decode(reader)?.to_unix_duration()),
        other => Err(ErrorKind::TagUnexpected {
            expected: None,
            actual: other,
        }
        .into()),
    }
}
