//! A connection to the file, as everybody here needs it.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Role, Settings, migration};
use crate::trouble::Trouble;

/// How long another process may hold the database that a server wants to write: longer than an administrator's command takes, shorter than the 5
/// seconds that Keycloak's plugin waits for an answer.
const BUSY: Duration = Duration::from_secs(2);

/// How often a command looks whether a server has done: often, since a server that is busy leaves little time between
/// two commits; and how many times, which takes 10 seconds.
const LOOK: Duration = Duration::from_millis(2);
const LOOKS: i32 = 5_000;

/// Statements that are kept prepared: as many as there are here, and some more.
const STATEMENTS: usize = 64;

/// SQLite's default.
const PAGE_BYTES: u64 = 4_096;

/// Pages of the log that a commit copies into the database by itself: 64 MiB. Before it comes to that, they are copied
/// while nobody waits.
const LOG_PAGES: i64 = 16_384;

/// Most bytes that a log keeps after it was copied into the database.
const LOG_BYTES: i64 = 64 << 20;

/// Connects to write, and brings the schema to its last version.
///
/// # Errors
/// [`Trouble`]: it is none that can be used.
pub(super) fn to_write(path: &Path, settings: &Settings) -> Result<Connection, Trouble> {
    let mut connection = connect(path, settings.role)?;
    migration::migrate(&mut connection)?;
    let pages = i64::try_from(settings.max_bytes / PAGE_BYTES).unwrap_or(i64::MAX);
    for (name, value) in [
        // What is committed is on the disk, each time.
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        // What a savepoint may have to undo stays in memory.
        ("temp_store", "MEMORY"),
    ] {
        connection.pragma_update(None, name, value)?;
    }
    for (name, value) in [
        ("max_page_count", pages),
        ("wal_autocheckpoint", LOG_PAGES),
        ("journal_size_limit", LOG_BYTES),
        // Negative: KiB. What is read once, as all is at a start, would stay among what the index keeps; what is read often
        // the system has in its memory.
        ("cache_size", -2_048),
    ] {
        connection.pragma_update(None, name, value)?;
    }
    Ok(connection)
}

/// Connects to read what is committed.
///
/// # Errors
/// [`Trouble`]: it is none that can be used.
pub(super) fn to_read(path: &Path) -> Result<Connection, Trouble> {
    let connection = connect(path, Role::Server)?;
    connection.pragma_update(None, "query_only", "ON")?;
    Ok(connection)
}

fn connect(path: &Path, role: Role) -> Result<Connection, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    if role == Role::Server {
        connection.busy_timeout(BUSY)?;
    } else {
        connection.busy_handler(Some(wait))?;
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // What a file's schema brings along is not run, and pages are looked at before they are believed.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Trouble::Remote);
    }
    Ok(connection)
}

/// Waits for another process, unless it was for long enough.
fn wait(times: i32) -> bool {
    std::thread::sleep(LOOK);
    times < LOOKS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_on_disk_and_what_a_file_brings_along_is_not_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        std::fs::write(&path, "").unwrap();
        let settings = Settings {
            max_bytes: 1 << 30,
            ..Settings::default()
        };
        let connection = to_write(&path, &settings).unwrap();
        for (name, expected) in [
            // FULL.
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("trusted_schema", 0),
            ("cell_size_check", 1),
            ("max_page_count", 1 << 18),
            ("page_size", 4_096),
        ] {
            let value = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            assert_eq!(value, Ok(expected), "{name}");
        }
        let mode = connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
        assert_eq!(mode, Ok("wal".to_owned()));
        let reader = to_read(&path).unwrap();
        assert!(reader.execute("DELETE FROM state", ()).is_err());
    }
}
