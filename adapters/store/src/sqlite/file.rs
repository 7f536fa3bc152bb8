//! The database file: its permissions, its lock, and a check that it has not been replaced.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, eaccess};

use crate::trouble::Trouble;

/// Only the owner may read and write it.
const MODE: u32 = 0o600;

/// Bytes that are written to see whether there is room: what a push of some hundred accounts takes.
const PROBE: usize = 1 << 20;

/// Creates the file if it does not exist.
///
/// # Errors
/// [`Trouble`]: it cannot be created.
pub(super) fn create(path: &Path) -> Result<(), Trouble> {
    match options().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => {
            created?;
            // The name of the new file has to outlast a power cut as well.
            Ok(File::open(directory(path))?.sync_all()?)
        }
    }
}

/// Makes the file private. SQLite gives its log the same mode.
///
/// # Errors
/// [`Trouble`]: there is none, or its permissions cannot be changed.
pub(super) fn make_private(path: &Path) -> Result<(), Trouble> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Trouble::NotOurs);
    }
    let mut permissions = metadata.permissions();
    if permissions.mode() & 0o777 != MODE {
        permissions.set_mode(MODE);
        fs::set_permissions(path, permissions)?;
    }
    Ok(())
}

/// What SQLite and we keep beside the file.
const BESIDE: [&str; 3] = ["-wal", "-shm", ".lock"];

/// Looks whether the files beside the one at `path` can be used, those that are there. None is opened: SQLite's locks
/// would be lost with it.
///
/// # Errors
/// [`Trouble::Beside`]: one cannot.
pub fn look_beside(path: &Path) -> Result<(), Trouble> {
    for ending in BESIDE {
        let path = beside(path, ending);
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        if eaccess(&path, AccessFlags::R_OK | AccessFlags::W_OK).is_err() {
            let owner = metadata.uid();
            return Err(Trouble::Beside { ending, owner });
        }
    }
    Ok(())
}

/// What little a commit writes may have room where nothing else has: whether there is some for what is to come.
///
/// # Errors
/// [`Trouble`]: there is none, or nothing can be written there.
pub(super) fn try_writing_beside(path: &Path) -> Result<(), Trouble> {
    let path = beside(path, "-probe");
    let mut file = options().create(true).truncate(true).open(&path)?;
    // Gone whatever comes now.
    fs::remove_file(&path)?;
    file.write_all(&vec![0; PROBE])?;
    Ok(file.sync_all()?)
}

/// The name of a file beside the one at `path`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(MODE);
    options
}

fn directory(path: &Path) -> &Path {
    let parent = path.parent();
    let named = parent.filter(|parent| !parent.as_os_str().is_empty());
    named.unwrap_or_else(|| Path::new("."))
}

/// Prevents a second daemon from using the same database; the system releases it when the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the database at `path`.
    ///
    /// # Errors
    /// [`Trouble::InUse`]: another has it. Others: it cannot be taken.
    pub(super) fn take(path: &Path) -> Result<Self, Trouble> {
        // A file of its own: SQLite's locks on the database would be lost when another handle of it is closed.
        let file = options()
            .create(true)
            .truncate(false)
            .open(beside(path, ".lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Trouble::InUse),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// Tells one file from another of the same name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// That of the file at `path` now.
    ///
    /// # Errors
    /// [`Trouble::Missing`]: there is none.
    pub(super) fn of(path: &Path) -> Result<Self, Trouble> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}
