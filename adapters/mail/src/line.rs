//! The lines that Dovecot's protocols consist of: fields separated by TAB, ended by LF.

/// Longest line in bytes, its LF included: Dovecot's `AUTH_CLIENT_MAX_LINE_LENGTH`.
pub const MAX_LINE: usize = gatepost_core::dovecot::MAX_LINE;

const TAB: u8 = b'\t';
const LF: u8 = b'\n';
const ESCAPE: u8 = 0x01;

/// A line is longer than [`MAX_LINE`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a line is longer than {MAX_LINE} bytes")]
pub struct LineTooLong;

/// What has been read of one peer, cut into lines.
#[derive(Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// How many of `bytes` are known to hold no LF.
    searched: usize,
}

impl Lines {
    /// Takes what has been read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next line, without its LF, if it has come whole.
    ///
    /// # Errors
    /// [`LineTooLong`]: close the connection.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        let mut rest = self.bytes.iter().skip(self.searched);
        let end = rest.position(|byte| *byte == LF);
        let length = end.map_or(self.bytes.len(), |at| self.searched + at);
        if length >= MAX_LINE {
            return Err(LineTooLong);
        }
        if end.is_none() {
            self.searched = length;
            return Ok(None);
        }
        self.searched = 0;
        let mut line: Vec<u8> = self.bytes.drain(..=length).collect();
        line.pop();
        Ok(Some(line))
    }

    /// Whether a line has begun and not ended.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        !self.bytes.is_empty()
    }
}

/// The fields of a line, as they are written.
pub(crate) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == TAB)
}

/// A decimal number without sign or spaces.
pub(crate) fn number(field: Option<&[u8]>) -> Option<u32> {
    let field = field.filter(|field| field.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The id of a request, which is never 0.
pub(crate) fn id(field: Option<&[u8]>) -> Option<u32> {
    number(field).filter(|id| *id != 0)
}

/// The value of `key=value` if the field has that key.
pub(crate) fn value<'f>(field: &'f [u8], key: &str) -> Option<&'f [u8]> {
    field.strip_prefix(key.as_bytes())?.strip_prefix(b"=")
}

/// The name of a field: what is before its `=`.
pub(crate) fn key(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// Adds a line of these fields, which are escaped already.
pub(crate) fn write_line<'f>(out: &mut Vec<u8>, fields: impl IntoIterator<Item = &'f [u8]>) {
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            out.push(TAB);
        }
        out.extend_from_slice(field);
    }
    out.push(LF);
}

/// Writes `text` so that it can end neither a field nor a line.
pub(crate) fn escape(text: &str) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            0 => escaped.extend_from_slice(b"\x010"),
            ESCAPE => escaped.extend_from_slice(b"\x011"),
            TAB => escaped.extend_from_slice(b"\x01t"),
            b'\r' => escaped.extend_from_slice(b"\x01r"),
            LF => escaped.extend_from_slice(b"\x01n"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What a field says, unless that is no UTF-8. Unknown escapes are the character itself, as in Dovecot.
pub(crate) fn unescape(field: &[u8]) -> Option<String> {
    let mut bytes = field.iter();
    let mut text = Vec::with_capacity(field.len());
    while let Some(byte) = bytes.next() {
        text.push(match (*byte, *byte == ESCAPE) {
            (byte, false) => byte,
            (_, true) => match bytes.next()? {
                b'0' => 0,
                b'1' => ESCAPE,
                b't' => TAB,
                b'r' => b'\r',
                b'n' => LF,
                other => *other,
            },
        });
    }
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_given_out_once_it_is_whole_however_it_comes() {
        for size in [1, 2, 100] {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for piece in b"VERSION\t1\t0\n\nCPID\t7\nAUT".chunks(size) {
                lines.push(piece);
                while let Some(line) = lines.next_line().unwrap() {
                    seen.push(line);
                }
            }
            assert_eq!(seen, [&b"VERSION\t1\t0"[..], b"", b"CPID\t7"]);
            assert!(lines.is_unfinished());
        }
    }

    #[test]
    fn a_line_may_have_16384_bytes_and_none_more() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; MAX_LINE - 1]);
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(b"\n");
        assert_eq!(lines.next_line().unwrap().unwrap().len(), MAX_LINE - 1);
        lines.push(&vec![b'x'; MAX_LINE]);
        assert_eq!(lines.next_line(), Err(LineTooLong));
    }

    #[test]
    fn what_is_escaped_reads_back_and_ends_nothing() {
        let text = "a\0b\x01c\td\re\nf=\u{e4}";
        let escaped = escape(text);
        assert!(!escaped.iter().any(|byte| b"\0\t\r\n".contains(byte)));
        assert_eq!(unescape(&escaped).as_deref(), Some(text));
        assert_eq!(unescape(b"\x01x").as_deref(), Some("x"));
        assert_eq!(unescape(b"a\x01"), None);
        assert_eq!(unescape(b"\xff"), None);
    }

    #[test]
    fn an_id_is_a_number_that_is_not_0() {
        assert_eq!(id(Some(b"4294967295")), Some(u32::MAX));
        for bad in [&b""[..], b"0", b"-1", b"+1", b" 1", b"4294967296", b"0x1"] {
            assert_eq!(id(Some(bad)), None);
        }
    }
}
