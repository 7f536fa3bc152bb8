//! The encoded messages inside RSA signatures: EMSA-PKCS1-v1_5 and EMSA-PSS (RFC 8017 section 9).

use sha2::{Digest, Sha256, Sha384, Sha512};

use super::{Algorithm, InvalidSignature, RsaPublicKey};

/// Longest encoded message, in bytes.
pub(super) const MAX_LEN: usize = RsaPublicKey::MAX_BITS.div_ceil(8) as usize;

// The DER of `DigestInfo` up to the hash itself (RFC 8017 section 9.2, note 1).
const SHA256_INFO: &[u8] =
    b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
const SHA384_INFO: &[u8] =
    b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30";
const SHA512_INFO: &[u8] =
    b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40";

/// Checks that `encoded`, as long as the modulus of `modulus_bits`, is what `algorithm` makes of `message`.
pub(super) fn check(
    algorithm: Algorithm,
    message: &[u8],
    encoded: &mut [u8],
    modulus_bits: u32,
) -> Result<(), InvalidSignature> {
    let holds = match algorithm {
        Algorithm::Rs256 => pkcs1_v1_5(SHA256_INFO, &Sha256::digest(message), encoded),
        Algorithm::Rs384 => pkcs1_v1_5(SHA384_INFO, &Sha384::digest(message), encoded),
        Algorithm::Rs512 => pkcs1_v1_5(SHA512_INFO, &Sha512::digest(message), encoded),
        Algorithm::Ps256 => pss::<Sha256>(message, encoded, modulus_bits),
        Algorithm::Ps384 => pss::<Sha384>(message, encoded, modulus_bits),
        Algorithm::Ps512 => pss::<Sha512>(message, encoded, modulus_bits),
        _ => None,
    };
    if holds == Some(true) {
        Ok(())
    } else {
        Err(InvalidSignature)
    }
}

/// Compares with `00 01 ff.. 00 info hash` as a whole (RFC 8017 section 8.2.2): parsing what a signature
/// holds is how forgeries against e = 3 got through.
fn pkcs1_v1_5(info: &[u8], hash: &[u8], encoded: &[u8]) -> Option<bool> {
    let mut buffer = [0xff; MAX_LEN];
    let expected = buffer.get_mut(..encoded.len())?;
    let (rest, last) = expected.split_at_mut_checked(expected.len().checked_sub(hash.len())?)?;
    last.copy_from_slice(hash);
    let (rest, middle) = rest.split_at_mut_checked(rest.len().checked_sub(info.len())?)?;
    middle.copy_from_slice(info);
    *rest.last_mut()? = 0;
    rest.first_chunk_mut().map(|first| *first = [0, 1])?;
    Some(expected == encoded)
}

/// EMSA-PSS-VERIFY (RFC 8017 section 9.1.2), MGF1 with the same hash and a salt as long as the hash
/// (RFC 7518 section 3.5).
fn pss<D: Digest>(message: &[u8], encoded: &mut [u8], modulus_bits: u32) -> Option<bool> {
    // One bit less than the modulus, so that of 8 x + 1 bits it is also one byte shorter.
    let bits = modulus_bits.checked_sub(1)?;
    let first_byte = u8::MAX.wrapping_shr(bits.wrapping_neg() % 8);
    let spare = encoded.len().checked_sub(bits.div_ceil(8) as usize)?;
    let (spare, encoded) = encoded.split_at_mut_checked(spare)?;

    let message_hash = D::digest(message);
    let (trailer, rest) = encoded.split_last_mut()?;
    let hash_at = rest.len().checked_sub(message_hash.len())?;
    let (db, hash) = rest.split_at_mut_checked(hash_at)?;
    if spare.iter().any(|byte| *byte != 0) || *trailer != 0xbc || *db.first()? & !first_byte != 0 {
        return Some(false);
    }

    mgf1_xor::<D>(hash, db);
    *db.first_mut()? &= first_byte;
    let (padding, salt) = db.split_at_checked(db.len().checked_sub(message_hash.len())?)?;
    let (one, zeros) = padding.split_last()?;
    let expected = D::new()
        .chain_update([0; 8])
        .chain_update(message_hash)
        .chain_update(salt)
        .finalize();
    Some(*one == 1 && zeros.iter().all(|byte| *byte == 0) && expected.as_slice() == hash)
}

/// MGF1 (RFC 8017 appendix B.2.1) of `seed`, added to `target` bit by bit.
fn mgf1_xor<D: Digest>(seed: &[u8], target: &mut [u8]) {
    for (counter, chunk) in (0_u32..).zip(target.chunks_mut(seed.len())) {
        let mask = D::new()
            .chain_update(seed)
            .chain_update(counter.to_be_bytes())
            .finalize();
        for (byte, mask) in chunk.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}
