//! The client's message of XOAUTH2, as Google documents it and every known client sends it.

use memchr::memchr;

use super::{BearerToken, ClientResponse, Error, KVSEP, SaslName};

// client-resp = "user=" name kvsep "auth=Bearer " token kvsep kvsep
pub(super) fn parse(message: &[u8]) -> Result<ClientResponse<'_>, Error> {
    if message.is_empty() {
        return Err(Error::Empty);
    }
    let rest = message.strip_prefix(b"user=").ok_or(Error::MissingUser)?;
    let (name, rest) = split_separator(rest)?;
    let authzid = SaslName::plain(name)?;
    let rest = rest.strip_prefix(b"auth=").ok_or(Error::MissingAuth)?;
    // No token holds a separator: what is one up to the last two need not be searched for any.
    if let Some(credentials) = rest.strip_suffix(&[KVSEP, KVSEP])
        && let Ok(token) = BearerToken::from_credentials(credentials)
    {
        return Ok(ClientResponse::bearer(Some(authzid), token));
    }
    let (credentials, rest) = split_separator(rest)?;
    match rest {
        [KVSEP] => {}
        [KVSEP, ..] => return Err(Error::TrailingData),
        _ => return Err(Error::Unterminated),
    }
    Ok(ClientResponse::bearer(
        Some(authzid),
        BearerToken::from_credentials(credentials)?,
    ))
}

fn split_separator(text: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let at = memchr(KVSEP, text).ok_or(Error::Unterminated)?;
    let (part, rest) = text.split_at_checked(at).ok_or(Error::Unterminated)?;
    Ok((part, rest.get(1..).unwrap_or_default()))
}
