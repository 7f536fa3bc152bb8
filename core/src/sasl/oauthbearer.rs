//! The client's message of OAUTHBEARER (RFC 7628 section 3.1).

use memchr::memchr;

use super::{BearerToken, ClientResponse, Error, KVSEP, gs2};

// client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep
pub(super) fn parse(message: &[u8]) -> Result<ClientResponse<'_>, Error> {
    match message {
        [] => return Err(Error::Empty),
        // The answer to a failure challenge, where no challenge was.
        [KVSEP] => return Err(Error::MissingAuth),
        _ => {}
    }
    let (authzid, rest) = gs2::header(message)?;
    let mut rest = rest.strip_prefix(&[KVSEP]).ok_or(Error::BadGs2Header)?;
    let mut pairs = Pairs::default();
    while !rest.starts_with(&[KVSEP]) {
        let (key, value, after) = pair(rest)?;
        pairs.take(key, value)?;
        rest = after;
    }
    if rest.len() != 1 {
        return Err(Error::TrailingData);
    }
    let credentials = pairs.auth.ok_or(Error::MissingAuth)?;
    Ok(ClientResponse::bearer(
        authzid,
        BearerToken::from_credentials(credentials)?,
    ))
}

/// The keys that RFC 7628 section 3.1 defines for clients of today; others are ignored.
#[derive(Default)]
struct Pairs<'m> {
    auth: Option<&'m [u8]>,
    host: Option<&'m [u8]>,
    port: Option<&'m [u8]>,
}

impl<'m> Pairs<'m> {
    fn take(&mut self, key: &[u8], value: &'m [u8]) -> Result<(), Error> {
        let place = match key {
            b"auth" => &mut self.auth,
            b"host" => &mut self.host,
            b"port" => &mut self.port,
            _ => return Ok(()),
        };
        match place.replace(value) {
            Some(_) => Err(Error::DuplicateKey),
            None => Ok(()),
        }
    }
}

// kvpair = key "=" value kvsep
type Pair<'m> = (&'m [u8], &'m [u8], &'m [u8]);

/// The pair at the front of `text`, and what follows it.
fn pair(text: &[u8]) -> Result<Pair<'_>, Error> {
    let end = memchr(KVSEP, text).ok_or(Error::Unterminated)?;
    let (pair, rest) = text.split_at_checked(end).ok_or(Error::Unterminated)?;
    let equals = memchr(b'=', pair).ok_or(Error::BadKeyValue)?;
    let (key, value) = pair.split_at_checked(equals).ok_or(Error::BadKeyValue)?;
    let value = value.get(1..).unwrap_or_default();
    if key.is_empty()
        || !key.iter().all(u8::is_ascii_alphabetic)
        || !value.iter().fold(true, |all, byte| all & is_value(*byte))
    {
        return Err(Error::BadKeyValue);
    }
    Ok((key, value, rest.get(1..).unwrap_or_default()))
}

// value = *(VCHAR / SP / HTAB / CR / LF)
fn is_value(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E | b' ' | b'\t' | b'\r' | b'\n')
}
