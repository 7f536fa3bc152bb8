//! Percent-encoding (RFC 3986 section 2.1), for URLs and forms.

use core::fmt::{self, Display, Write};

/// Text with everything encoded that is not unreserved, so that it means itself in a URL and in a form.
pub(crate) struct Encoded<'t>(pub(crate) &'t str);

impl Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    f.write_char(char::from(byte))?;
                }
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Encoded;
    use std::string::ToString as _;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(
            Encoded("aZ09-._~ &=+/%\u{e9}").to_string(),
            "aZ09-._~%20%26%3D%2B%2F%25%C3%A9"
        );
    }
}
