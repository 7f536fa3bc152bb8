//! Masks of names, as Dovecot's `LIST` has them.

/// Whether `mask`, in which `*` is any text and `?` any character, matches the whole of `text`. Each `*` is tried at
/// its last place only, which suffices.
pub(super) fn matches(mask: &str, text: &str) -> bool {
    let (mut mask, mut text) = (mask.chars(), text.chars());
    let mut star = None;
    loop {
        let at = text.clone();
        match (mask.next(), text.next()) {
            (Some('*'), _) => {
                star = Some((mask.clone(), at.clone()));
                text = at;
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {}
            (None, None) => return true,
            _ => {
                let Some((behind, mut rest)) = star else {
                    return false;
                };
                if rest.next().is_none() {
                    return false;
                }
                star = Some((behind.clone(), rest.clone()));
                (mask, text) = (behind, rest);
            }
        }
    }
}
