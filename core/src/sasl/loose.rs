//! Both messages as Dovecot 2.3 takes them: what `compat = "dovecot"` lets in.
//!
//! Parts come in any order, terminators may be missing, the last of a repeated key counts, and what is
//! not understood is passed over. The token itself is as strict as ever.

use super::{BearerToken, ClientResponse, Error, KVSEP, SaslName, gs2};

pub(super) fn oauthbearer(message: &[u8]) -> Result<ClientResponse<'_>, Error> {
    refuse_nul(message)?;
    let mut parts = message.split(|byte| *byte == KVSEP);
    let authzid = gs2_fields(parts.next().unwrap_or_default())?;
    Ok(ClientResponse::bearer(
        // Dovecot has no login without a name of its own.
        Some(authzid.ok_or(Error::BadGs2Header)?),
        last_auth(parts)?,
    ))
}

pub(super) fn xoauth2(message: &[u8]) -> Result<ClientResponse<'_>, Error> {
    refuse_nul(message)?;
    let parts = message.split(|byte| *byte == KVSEP);
    let user = parts
        .clone()
        .filter_map(|part| part.strip_prefix(b"user="))
        .next_back();
    Ok(ClientResponse::bearer(
        Some(SaslName::plain(user.ok_or(Error::MissingUser)?)?),
        last_auth(parts)?,
    ))
}

/// The fields of a GS2 header in any order; `f` and `p` ask for what is not offered.
fn gs2_fields(header: &[u8]) -> Result<Option<SaslName<'_>>, Error> {
    let fields = header
        .split(|byte| *byte == b',')
        .filter(|field| !field.is_empty());
    fields.clone().try_for_each(|field| match field {
        [b'n' | b'y', ..] | [b'a', b'=', ..] => Ok(()),
        [b'p', ..] => Err(Error::ChannelBinding),
        _ => Err(Error::BadGs2Header),
    })?;
    let name = fields.rev().find(|field| field.starts_with(b"a="));
    name.map_or(Ok(None), gs2::authzid)
}

fn last_auth<'m>(parts: impl Iterator<Item = &'m [u8]>) -> Result<BearerToken<'m>, Error> {
    let credentials = parts.filter_map(|part| part.strip_prefix(b"auth=")).last();
    BearerToken::from_credentials(credentials.ok_or(Error::MissingAuth)?)
}

fn refuse_nul(message: &[u8]) -> Result<(), Error> {
    match message {
        [] => Err(Error::Empty),
        _ if message.contains(&0) => Err(Error::BadKeyValue),
        _ => Ok(()),
    }
}
