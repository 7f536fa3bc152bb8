//! What can be said of a database without changing it, and without making anything beside it.
//!
//! The header is read as a file (<https://sqlite.org/fileformat.html>, section 1.3): SQLite would make the files of its
//! log, which then belong to whoever looks.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use gatepost_accounts::model::Kind;
use gatepost_accounts::name::fold;
use gatepost_accounts::store::Record;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::file::beside;
use super::migration::{Marks, judge};
use super::row::{kind_number, record};
use super::statement;
use crate::trouble::Trouble;

/// The header, and what the first page says of itself: bytes 103 and 104 are how many tables and indices there are.
const HEADER: usize = 105;

/// What a database of SQLite's begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// How many there are in a database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Counts {
    /// Accounts that are not deleted.
    pub accounts: u64,
    /// Sources that were ever configured.
    pub sources: u64,
}

/// Looks at the database at `path` as [`Sqlite::open`](crate::Sqlite::open) would, but changes nothing: whether it is one
/// of ours that is known here. An empty file is one that is not begun.
///
/// # Errors
/// [`Trouble`]: it would not be opened, in the same words.
pub fn look(path: &Path) -> Result<(), Trouble> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Trouble::NotOurs);
    }
    let mut header = Vec::new();
    file.take(HEADER as u64).read_to_end(&mut header)?;
    if header.is_empty() {
        return Ok(());
    }
    let number = |at: usize| {
        let bytes = header.get(at..)?.first_chunk()?;
        Some(i32::from_be_bytes(*bytes))
    };
    let objects = header.get(103..).and_then(<[u8]>::first_chunk);
    let (Some(version), Some(application), Some(objects)) = (number(60), number(68), objects)
    else {
        return Err(Trouble::Damaged);
    };
    if !header.starts_with(MAGIC) {
        return Err(Trouble::Damaged);
    }
    let is_empty = u16::from_be_bytes(*objects) == 0;
    // Of one that was just made, everything may be in the log still.
    let is_begun = version == 0 && application == 0 && has_log(path);
    let marks = Marks {
        version,
        application,
        is_empty: is_empty || is_begun,
    };
    judge(marks).map(|_| ())
}

/// How many accounts and sources there are in the database at `path`, which is opened to be read.
///
/// # Errors
/// [`Trouble`]: it cannot be read.
pub fn count(path: &Path) -> Result<Counts, Trouble> {
    look(path)?;
    let connection = to_look(path)?;
    let one = |statement| connection.query_row(statement, (), |row| super::row::unsigned(row, 0));
    if one(statement::TABLES)? == 0 {
        return Ok(Counts {
            accounts: 0,
            sources: 0,
        });
    }
    Ok(Counts {
        accounts: one(statement::ALL_ACCOUNTS)?,
        sources: one(statement::ALL_SOURCES)?,
    })
}

/// Tells every account of the source of that name in the database at `path`, which is opened to be read; none if their
/// addresses are derived `by` that already.
///
/// # Errors
/// [`Trouble`]: it cannot be read.
pub fn accounts_derived_otherwise(
    path: &Path,
    (name, by): (&str, &str),
    each: &mut dyn FnMut(&Record),
) -> Result<(), Trouble> {
    look(path)?;
    let connection = to_look(path)?;
    let tables = connection.query_row(statement::TABLES, (), |row| super::row::unsigned(row, 0))?;
    if tables == 0 {
        return Ok(());
    }
    let mut source = connection.prepare(statement::SOURCE)?;
    let known = source.query_row([fold(name)], |row| {
        Ok((row.get::<_, u32>(0)?, row.get::<_, Option<String>>(3)?))
    });
    let Some((source, derived)) = known.optional()? else {
        return Ok(());
    };
    if derived.as_deref() == Some(by) {
        return Ok(());
    }
    let mut accounts = connection.prepare(statement::AFTER)?;
    let params = params![kind_number(Kind::Account), source, 0, -1];
    let mut rows = accounts.query(params)?;
    while let Some(row) = rows.next()? {
        each(&record(row)?);
    }
    Ok(())
}

/// Connects so that no file is made: where there is a log, its memory is read as it is, or else made up by the connection
/// for itself; where there is none, nothing but the file is read.
fn to_look(path: &Path) -> Result<Connection, Trouble> {
    let has_memory = beside(path, "-shm").exists();
    let how = if has_log(path) && has_memory {
        "mode=ro&readonly_shm=1"
    } else {
        "mode=ro&immutable=1"
    };
    let url = format!("file:{}?{how}", encoded(path));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(url, flags)?)
}

/// Whether something is in the log.
fn has_log(path: &Path) -> bool {
    let log = std::fs::metadata(beside(path, "-wal"));
    log.is_ok_and(|log| log.len() > 0)
}

/// A path in a URL.
fn encoded(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            text.push(char::from(*byte));
        } else {
            // Never fails.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
