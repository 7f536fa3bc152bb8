//! The GS2 header in front of an OAUTHBEARER message (RFC 5801 section 4).

use super::{Error, SaslName};

/// The only escapes of a saslname; both in upper case.
pub(super) const ESCAPES: [(&str, char); 2] = [("=2C", ','), ("=3D", '=')];

/// Reads the header at the front of `message`: who the client asks to act as, and what follows.
// gs2-header = [gs2-nonstd-flag ","] gs2-cb-flag "," [gs2-authzid] ","
pub(super) fn header(message: &[u8]) -> Result<(Option<SaslName<'_>>, &[u8]), Error> {
    let (flag, rest) = split_comma(message)?;
    let (authzid, rest) = split_comma(rest)?;
    match flag {
        b"n" | b"y" => {}
        [b'p', b'=', name @ ..] if is_binding_name(name) => return Err(Error::ChannelBinding),
        _ => return Err(Error::BadGs2Header),
    }
    Ok((self::authzid(authzid)?, rest))
}

// gs2-authzid = "a=" saslname
pub(super) fn authzid(field: &[u8]) -> Result<Option<SaslName<'_>>, Error> {
    if field.is_empty() {
        return Ok(None);
    }
    saslname(field.strip_prefix(b"a=").ok_or(Error::BadGs2Header)?).map(Some)
}

// saslname = 1*(value-safe-char / "=2C" / "=3D")
fn saslname(name: &[u8]) -> Result<SaslName<'_>, Error> {
    let raw = core::str::from_utf8(name).map_err(|_| Error::BadName)?;
    let mut parts = raw.split('=');
    let starts_well = parts.next().is_some();
    let escaped_well = parts.all(|part| part.starts_with("2C") || part.starts_with("3D"));
    if raw.is_empty() || raw.contains(['\0', '\x01', ',']) || !starts_well || !escaped_well {
        return Err(Error::BadName);
    }
    Ok(SaslName { raw, escaped: true })
}

// cb-name = 1*(ALPHA / DIGIT / "." / "-")
fn is_binding_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

fn split_comma(text: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let at = text
        .iter()
        .position(|byte| *byte == b',')
        .ok_or(Error::BadGs2Header)?;
    let (field, rest) = text.split_at_checked(at).ok_or(Error::BadGs2Header)?;
    Ok((field, rest.get(1..).unwrap_or_default()))
}
