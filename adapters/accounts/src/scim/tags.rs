//! Entity tags (RFC 7644 section 3.14, RFC 9110 section 8.8.3). All are weak: one text of a resource is as good as another.

use super::refusal::Refusal;

/// The entity tag of a version.
pub(super) fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// Whether a header that lists entity tags has that of `version`, or is `*`.
fn lists(header: &str, version: u64) -> bool {
    let wanted = etag(version);
    let strong = wanted.trim_start_matches("W/");
    let mut tags = header.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag == wanted || tag == strong)
}

/// Whether whoever asks has that version already.
pub(super) fn is_known(if_none_match: Option<&str>, version: u64) -> bool {
    if_none_match.is_some_and(|header| lists(header, version))
}

/// Refuses to change a version that the client does not mean.
pub(super) fn check(
    if_match: Option<&str>,
    if_none_match: Option<&str>,
    version: u64,
) -> Result<(), Refusal> {
    let is_meant = if_match.is_none_or(|header| lists(header, version));
    if is_meant && !is_known(if_none_match, version) {
        return Ok(());
    }
    Err(Refusal::of_status(
        412,
        "the resource has changed since it was read",
    ))
}
