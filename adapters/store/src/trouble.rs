//! What can be wrong with a database.

/// Why a database cannot be used, and what to do about it.
///
/// Its `Display` begins where `the database PATH` ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// A later version of this program has written it.
    #[error(
        "has version {found}, and this gatepost knows versions up to {known}: run the gatepost that wrote it, or a later \
         one"
    )]
    Newer {
        /// The version it has.
        found: u32,
        /// The last version that is known here.
        known: u32,
    },
    /// It is a database of another program.
    #[error("belongs to another program: name a file of its own for gatepost")]
    NotOurs,
    /// It is no database, or a part of it is not what was written there.
    #[error(
        "is damaged: stop gatepost, move the file and those beside it that end in -wal and -shm away, and put the last \
         backup in its place or let the sources send everything again"
    )]
    Damaged,
    /// Another process serves from it.
    #[error(
        "is in use by another gatepost: stop that one first, or give each a database of its own"
    )]
    InUse,
    /// Another process has written for too long.
    #[error(
        "is locked by another process for longer than is waited: try again if that is gatepost, which may take many \
         changes now; end it if it is a backup or an sqlite3 shell"
    )]
    Busy,
    /// The rights of the file, or of its directory, do not suffice.
    #[error(
        "may not be read and written by this user: give the file and its directory to the user that gatepost runs as"
    )]
    Denied,
    /// A file beside it cannot be used.
    #[error(
        "cannot be opened: this user may not read and write the file ending in {ending} beside it, whose owner is the \
         user of id {owner}: chown it to the user that gatepost runs as"
    )]
    Beside {
        /// What its name ends in.
        ending: &'static str,
        /// The id of its owner.
        owner: u32,
    },
    /// There is no such file, or no such directory.
    #[error("is not there: create its directory, or bring the file back")]
    Missing,
    /// Another file was put in its place while it was used.
    #[error(
        "was replaced while gatepost used it: stop gatepost, remove the files beside it whose names end in -wal and \
         -shm, and start it again"
    )]
    Moved,
    /// The disk is full, or the database as large as it may be.
    #[error("cannot grow: the disk is full, or it has reached its largest size")]
    Full,
    /// The system failed to read or write.
    #[error("cannot be read or written (SQLite's code {0}): look at the disk and the system's log")]
    Disk(i32),
    /// The database refused a statement.
    #[error(
        "refused what gatepost asked of it (SQLite's code {0}): this is a fault of gatepost's, please report it"
    )]
    Refused(i32),
    /// Its file system cannot share memory between processes.
    #[error(
        "is on a file system without shared memory, such as that of a network: put it on a local disk"
    )]
    Remote,
    /// The thread of the store has ended.
    #[error(
        "is not served any more: restart gatepost, and please report what the log says before this"
    )]
    Stopped,
}

impl Trouble {
    /// Whether only the statement failed, and the database is as good as before.
    pub(crate) fn is_of_one_statement(self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Whether the database as it is open will be as good as before, and can be read meanwhile.
    pub(crate) fn is_passing(self) -> bool {
        matches!(self, Self::Full | Self::Busy)
    }
}

/// Extended codes of SQLite that say more than their first byte (<https://sqlite.org/rescode.html>).
const CORRUPT_BY_READING: [i32; 2] = [
    rusqlite::ffi::SQLITE_IOERR_SHORT_READ,
    rusqlite::ffi::SQLITE_IOERR_CORRUPTFS,
];

impl From<&rusqlite::Error> for Trouble {
    fn from(error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let rusqlite::Error::SqliteFailure(failure, _) = error else {
            // A column that is not what was written there.
            return Self::Damaged;
        };
        let code = failure.extended_code;
        match failure.code {
            _ if CORRUPT_BY_READING.contains(&code) => Self::Damaged,
            Code::DatabaseCorrupt | Code::NotADatabase => Self::Damaged,
            Code::DatabaseBusy | Code::DatabaseLocked | Code::FileLockingProtocolFailed => {
                Self::Busy
            }
            Code::PermissionDenied | Code::ReadOnly | Code::AuthorizationForStatementDenied => {
                Self::Denied
            }
            Code::CannotOpen => Self::Missing,
            Code::DiskFull => Self::Full,
            Code::SystemIoFailure | Code::OutOfMemory | Code::NoLargeFileSupport => {
                Self::Disk(code)
            }
            _ => Self::Refused(code),
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::from(&error)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Denied,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full
            }
            ErrorKind::WouldBlock => Self::InUse,
            _ => Self::Disk(error.raw_os_error().unwrap_or_default()),
        }
    }
}
