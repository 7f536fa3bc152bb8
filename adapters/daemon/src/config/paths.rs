//! Paths that the daemon makes something at.

use std::ops::Deref;
use std::path::{Path, PathBuf};

/// Bytes of a socket's path that the kernel takes (unix(7): `sun_path` has 108, the last of which is nought).
const MAX_PATH: usize = 107;

/// The absolute path of a socket.
pub(super) fn socket_path(text: &str) -> Result<PathBuf, &'static str> {
    if text.len() > MAX_PATH {
        return Err("the path of a unix socket has at most 107 bytes; write a shorter one");
    }
    let path = PathBuf::from(text);
    if path.file_name().is_none() || text.contains('\0') {
        return Err("write the path of a socket, as in \"unix:/run/x/auth\"");
    }
    Ok(path)
}

/// Where something is kept. The daemon's working directory is its supervisor's choice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AbsolutePath(PathBuf);

impl TryFrom<String> for AbsolutePath {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if !text.starts_with('/') || text.contains('\0') {
            return Err("write an absolute path, as in \"/var/lib/gatepost\"");
        }
        Ok(Self(text.into()))
    }
}

impl Deref for AbsolutePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}
