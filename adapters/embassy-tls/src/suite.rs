//! `TLS_AES_128_GCM_SHA256`, with an eye on what it decrypts.
//!
//! embedded-tls stops the program when a message of the handshake comes after the handshake, and what is
//! decrypted goes straight to it. So the cipher is where to look. It knows a key and a record but not
//! how far the connection is: [`records`](crate::records) tells it in the one field of a record's header
//! that means nothing, the version.

use aes_gcm::aead::{self, AeadInPlace, Buffer, Nonce, Tag};
use aes_gcm::{AeadCore, Aes128Gcm, Key, KeyInit, KeySizeUser};
use embedded_tls::{Aes128GcmSha256, Sha256, TlsCipherSuite};

use crate::records::{APPLICATION_DATA, HANDSHAKE, IN_USE, VERSION};

/// RFC 8446 section 4, `HandshakeType`.
const NEW_SESSION_TICKET: u8 = 4;

/// The cipher suite that is spoken.
pub(crate) struct Suite;

impl TlsCipherSuite for Suite {
    const CODE_POINT: u16 = Aes128GcmSha256::CODE_POINT;
    type Cipher = Cipher;
    type KeyLen = <Aes128GcmSha256 as TlsCipherSuite>::KeyLen;
    type IvLen = <Aes128GcmSha256 as TlsCipherSuite>::IvLen;
    type Hash = Sha256;
    type LabelBufferSize = <Aes128GcmSha256 as TlsCipherSuite>::LabelBufferSize;
}

/// AES-GCM that keeps what must not come after the handshake to itself.
pub(crate) struct Cipher(Aes128Gcm);

impl KeySizeUser for Cipher {
    type KeySize = <Aes128Gcm as KeySizeUser>::KeySize;
}

impl KeyInit for Cipher {
    fn new(key: &Key<Aes128Gcm>) -> Self {
        Self(Aes128Gcm::new(key))
    }
}

impl AeadCore for Cipher {
    type NonceSize = <Aes128Gcm as AeadCore>::NonceSize;
    type TagSize = <Aes128Gcm as AeadCore>::TagSize;
    type CiphertextOverhead = <Aes128Gcm as AeadCore>::CiphertextOverhead;
}

impl AeadInPlace for Cipher {
    fn encrypt_in_place_detached(
        &self,
        nonce: &Nonce<Self>,
        header: &[u8],
        buffer: &mut [u8],
    ) -> aead::Result<Tag<Self>> {
        self.0.encrypt_in_place_detached(nonce, header, buffer)
    }

    fn decrypt_in_place(
        &self,
        nonce: &Nonce<Self>,
        header: &[u8],
        record: &mut dyn Buffer,
    ) -> aead::Result<()> {
        let [content_type, major, minor, high, low] = header.try_into().map_err(|_| aead::Error)?;
        let [first, second] = VERSION;
        let header = [content_type, first, second, high, low];
        self.0.decrypt_in_place(nonce, &header, record)?;
        if [major, minor] == IN_USE {
            pass_over_tickets(record)?;
        }
        Ok(())
    }

    fn decrypt_in_place_detached(
        &self,
        nonce: &Nonce<Self>,
        header: &[u8],
        buffer: &mut [u8],
        tag: &Tag<Self>,
    ) -> aead::Result<()> {
        self.0.decrypt_in_place_detached(nonce, header, buffer, tag)
    }
}

/// Makes data without a byte of what the handshake sends later; of that only tickets are spoken, and
/// nobody resumes sessions with them.
fn pass_over_tickets(record: &mut dyn Buffer) -> aead::Result<()> {
    // TLSInnerPlaintext: content, content type, zeros.
    let mut inner = record.as_ref();
    while let Some((0, rest)) = inner.split_last() {
        inner = rest;
    }
    let Some((&HANDSHAKE, messages)) = inner.split_last() else {
        return Ok(());
    };
    if !are_tickets(messages) {
        return Err(aead::Error);
    }
    record.truncate(1);
    record.as_mut().fill(APPLICATION_DATA);
    Ok(())
}

// Handshake ::= msg_type (1 byte), length (3 bytes), body
fn are_tickets(mut messages: &[u8]) -> bool {
    loop {
        let Some((&[NEW_SESSION_TICKET, high, middle, low], rest)) = messages.split_first_chunk()
        else {
            return false;
        };
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        match rest.get(length..) {
            None => return false,
            Some([]) => return true,
            Some(rest) => messages = rest,
        }
    }
}
