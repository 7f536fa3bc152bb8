//! A SASL response on its way in: base64, decoded into the caller's buffer as it arrives.

use super::RefusalReason;
use crate::wire::base64;

/// Longest response taken, in base64 characters: what Postfix passes on, and more than any token
/// that was seen in the field.
pub const MAX_RESPONSE_CHARACTERS: usize = 12_288;

/// Longest response taken, decoded, in bytes: [`MAX_RESPONSE_CHARACTERS`] hold no more. A buffer of
/// this size is never too small.
pub const MAX_RESPONSE: usize = MAX_RESPONSE_CHARACTERS / 4 * 3;

/// Decodes one response. What comes out does not depend on how the characters were split.
#[derive(Default)]
pub(super) struct ResponseDecoder {
    /// The last characters, fewer than four.
    carry: heapless::Vec<u8, 4, u8>,
    characters: usize,
    decoded: usize,
    padded: bool,
    error: Option<RefusalReason>,
}

impl ResponseDecoder {
    /// Decodes `piece` to `buffer`, behind what is already there.
    pub(super) fn push(&mut self, piece: &[u8], buffer: &mut [u8]) {
        if self.error.is_some() {
            return;
        }
        let room = MAX_RESPONSE_CHARACTERS.saturating_sub(self.characters);
        let (piece, excess) = piece.split_at_checked(room).unwrap_or((piece, &[]));
        self.characters = self.characters.saturating_add(piece.len());
        let decoded = self.decode(piece, buffer);
        self.error = decoded.err();
        if decoded.is_ok() && !excess.is_empty() {
            self.error = Some(RefusalReason::ResponseTooLong);
        }
    }

    fn decode(&mut self, piece: &[u8], buffer: &mut [u8]) -> Result<(), RefusalReason> {
        let missing = if self.carry.is_empty() {
            0
        } else {
            4_usize.saturating_sub(self.carry.len())
        };
        let (head, rest) = piece.split_at_checked(missing).unwrap_or((piece, &[]));
        self.carry(head, buffer)?;
        let (whole, tail) = rest.as_chunks::<4>();
        let fitting = buffer.len().saturating_sub(self.decoded) / 3;
        let (bulk, beyond) = whole.split_at_checked(fitting).unwrap_or((whole, &[]));
        self.decode_quads(bulk.as_flattened(), buffer)?;
        for quad in beyond {
            self.carry(quad, buffer)?;
        }
        self.carry(tail, buffer)
    }

    /// Adds to the unfinished quad, and decodes it once it is whole.
    fn carry(&mut self, characters: &[u8], buffer: &mut [u8]) -> Result<(), RefusalReason> {
        if self.padded && !characters.is_empty() {
            return Err(RefusalReason::InvalidBase64);
        }
        let fits = self.carry.extend_from_slice(characters).is_ok();
        if !fits || !self.carry.is_full() {
            return Ok(());
        }
        let mut bytes = [0; 3];
        let length = decode_base64(&self.carry, &mut bytes)?;
        self.padded = self.carry.last() == Some(&b'=');
        self.carry.clear();
        let source = bytes.get(..length).unwrap_or_default();
        let target = buffer
            .get_mut(self.decoded..)
            .and_then(|free| free.get_mut(..length))
            .ok_or(RefusalReason::ResponseTooLong)?;
        target.copy_from_slice(source);
        self.decoded = self.decoded.saturating_add(length);
        Ok(())
    }

    fn decode_quads(&mut self, quads: &[u8], buffer: &mut [u8]) -> Result<(), RefusalReason> {
        let Some(last) = quads.last() else {
            return Ok(());
        };
        if self.padded {
            return Err(RefusalReason::InvalidBase64);
        }
        let free = buffer.get_mut(self.decoded..).unwrap_or_default();
        let length = decode_base64(quads, free)?;
        self.padded = *last == b'=';
        self.decoded = self.decoded.saturating_add(length);
        Ok(())
    }

    /// The length of the response, all of its characters having come.
    pub(super) fn finish(&self) -> Result<usize, RefusalReason> {
        match self.error {
            Some(error) => Err(error),
            None if self.carry.is_empty() => Ok(self.decoded),
            None => Err(RefusalReason::InvalidBase64),
        }
    }

    /// As [`finish`](Self::finish), for an initial response: a lone `=` is an empty one (RFC 4954
    /// section 4).
    pub(super) fn finish_initial(&self) -> Result<usize, RefusalReason> {
        if self.characters == 1 && *self.carry == *b"=" {
            return Ok(0);
        }
        self.finish()
    }
}

// A quad of four characters needs three bytes at most, which every caller has.
fn decode_base64(quads: &[u8], output: &mut [u8]) -> Result<usize, RefusalReason> {
    base64::decode_padded(quads, output).map_err(|_| RefusalReason::InvalidBase64)
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]
mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use ::base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::RefusalReason::{InvalidBase64, ResponseTooLong};
    use super::*;

    fn decode(pieces: &[&[u8]], room: usize) -> Result<Vec<u8>, RefusalReason> {
        let mut buffer = vec![0; room];
        let mut decoder = ResponseDecoder::default();
        for piece in pieces {
            decoder.push(piece, &mut buffer);
        }
        decoder.finish().map(|length| buffer[..length].to_vec())
    }

    /// Decodes `text` whole, byte by byte, and in two pieces at every split.
    #[track_caller]
    fn check(text: &[u8], room: usize, expected: &Result<Vec<u8>, RefusalReason>) {
        assert_eq!(&decode(&[text], room), expected, "whole");
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(&decode(&bytes, room), expected, "in bytes");
        let stride = text.len() / 100 + 1;
        for at in (0..text.len()).step_by(stride) {
            let (head, tail) = text.split_at(at);
            assert_eq!(&decode(&[head, tail], room), expected, "split at {at}");
        }
    }

    #[test]
    fn every_length_and_padding_decodes() {
        for length in 0..40_u8 {
            let plain: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            let mut text = [0; 64];
            let written = STANDARD.encode_slice(&plain, &mut text).unwrap();
            check(&text[..written], MAX_RESPONSE, &Ok(plain));
        }
    }

    #[test]
    fn what_is_not_canonical_base64_is_invalid() {
        for text in [
            &b"="[..],
            b"A",
            b"AA",
            b"AAA",
            b"AA=",
            b"====",
            b"A===",
            b"AA==A",
            b"AA==AAAA",
            b"AB==",
            b"AAAA=",
            b"AA*A",
            b"AA-_",
            b"\x01",
            b"AAAA AAAA",
            b"QUJD\r",
            b"QUI=QUJD",
        ] {
            check(text, MAX_RESPONSE, &Err(InvalidBase64));
        }
    }

    #[test]
    fn the_longest_response_decodes_and_one_character_more_is_too_long() {
        let mut text = vec![b'A'; MAX_RESPONSE_CHARACTERS];
        check(&text, MAX_RESPONSE, &Ok(vec![0; MAX_RESPONSE]));
        text.push(b'A');
        check(&text, MAX_RESPONSE, &Err(ResponseTooLong));
    }

    #[test]
    fn the_first_fault_wins() {
        let mut text = vec![b'A'; MAX_RESPONSE_CHARACTERS + 40];
        text[9] = b'*';
        check(&text, MAX_RESPONSE, &Err(InvalidBase64));
        text[9] = b'A';
        text[MAX_RESPONSE_CHARACTERS + 9] = b'*';
        check(&text, MAX_RESPONSE, &Err(ResponseTooLong));
    }

    #[test]
    fn a_response_may_fill_a_small_buffer_exactly() {
        check(b"QUJDREVGRw==", 7, &Ok(b"ABCDEFG".to_vec()));
        check(b"QUJDREVGRw==", 6, &Err(ResponseTooLong));
        check(b"QUJDREU=", 5, &Ok(b"ABCDE".to_vec()));
        check(b"QUJDREU=", 4, &Err(ResponseTooLong));
        check(b"QUJDREVG", 5, &Err(ResponseTooLong));
    }

    #[test]
    fn an_empty_initial_response_is_a_lone_equals() {
        let mut decoder = ResponseDecoder::default();
        decoder.push(b"=", &mut []);
        assert_eq!(decoder.finish_initial(), Ok(0));
        decoder.push(b"=", &mut []);
        assert_eq!(decoder.finish_initial(), Err(InvalidBase64));
        let mut decoder = ResponseDecoder::default();
        decoder.push(b"QUJD=", &mut [0; 4]);
        assert_eq!(decoder.finish_initial(), Err(InvalidBase64));
    }
}
