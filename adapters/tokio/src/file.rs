//! Files that an administrator names, none of which may be longer than its bound.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Reads a whole file of at most `max` bytes. Its length is not asked for: that of a device or a pipe is 0.
///
/// # Errors
/// What the system says, or [`io::ErrorKind::FileTooLarge`].
pub fn read_file(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut bounded = File::open(path)?.take(max.saturating_add(1));
    bounded.read_to_end(&mut content)?;
    if content.len() as u64 > max {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}

/// Reads a whole file of at most `max` bytes that is text.
///
/// # Errors
/// As of [`read_file`], and [`io::ErrorKind::InvalidData`] for what is not UTF-8.
pub fn read_text(path: &Path, max: u64) -> io::Result<String> {
    String::from_utf8(read_file(path, max)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}
