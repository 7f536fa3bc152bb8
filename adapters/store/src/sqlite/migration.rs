//! Versions of the schema, each made of the one before in one transaction.

use rusqlite::Connection;

use super::statement;
use crate::trouble::Trouble;

/// What makes version 1 of nothing, version 2 of version 1, and so on. What was released is never changed.
const STEPS: [&str; 4] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
];

/// Marks our databases: "gate".
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"gate");

/// Brings a database to the last version.
///
/// # Errors
/// [`Trouble`]: it is another program's, a later version's, or cannot be changed.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Trouble> {
    to_last(connection, &STEPS)
}

/// What a database says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// Its `user_version`: steps that are done.
    pub(super) version: i32,
    /// Its `application_id`.
    pub(super) application: i32,
    /// Whether there is nothing in it.
    pub(super) is_empty: bool,
}

/// How many steps of ours are done in a database.
///
/// # Errors
/// [`Trouble`]: it is another program's, or a later version's.
pub(super) fn judge(marks: Marks) -> Result<usize, Trouble> {
    done(marks, &STEPS)
}

fn done(marks: Marks, steps: &[&str]) -> Result<usize, Trouble> {
    if !marks.is_new() && marks.application != APPLICATION_ID {
        return Err(Trouble::NotOurs);
    }
    let (Ok(found), Ok(known)) = (u32::try_from(marks.version), u32::try_from(steps.len())) else {
        return Err(Trouble::NotOurs);
    };
    if found > known {
        return Err(Trouble::Newer { found, known });
    }
    usize::try_from(found).map_err(|_| Trouble::NotOurs)
}

impl Marks {
    fn is_new(self) -> bool {
        self.version == 0 && self.application == 0 && self.is_empty
    }
}

fn to_last(connection: &mut Connection, steps: &[&str]) -> Result<(), Trouble> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let number = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (version, application) = (number("user_version")?, number("application_id")?);
    let tables = transaction.query_row(statement::TABLES, (), |row| row.get::<_, i64>(0))?;
    let marks = Marks {
        version,
        application,
        is_empty: tables == 0,
    };
    let missing = steps.get(done(marks, steps)?..).unwrap_or_default();
    for (step, version) in missing.iter().zip(version.saturating_add(1)..) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
    }
    if marks.is_new() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i32 {
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
        version.expect("every database has one")
    }

    #[test]
    fn every_step_is_done_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a (b INTEGER)", "ALTER TABLE a ADD c INTEGER"];
        to_last(&mut connection, &steps[..1]).unwrap();
        assert_eq!(version(&connection), 1);
        for _ in 0..2 {
            to_last(&mut connection, &steps).unwrap();
            assert_eq!(version(&connection), 2);
        }
        connection
            .execute("INSERT INTO a (b, c) VALUES (1, 2)", ())
            .unwrap();
    }

    #[test]
    fn a_step_that_fails_leaves_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = [
            "CREATE TABLE a (b INTEGER)",
            "CREATE TABLE c (d INTEGER); nonsense",
        ];
        to_last(&mut connection, &steps[..1]).unwrap();
        assert!(to_last(&mut connection, &steps).is_err());
        assert_eq!(version(&connection), 1);
        let is_there = connection.prepare("SELECT d FROM c").is_ok();
        assert!(!is_there);
    }

    #[test]
    fn later_versions_and_other_programs_are_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        to_last(&mut connection, &["", "", "", "", ""]).unwrap();
        let newer = Trouble::Newer { found: 5, known: 4 };
        assert_eq!(migrate(&mut connection), Err(newer));
        let mut other = Connection::open_in_memory().unwrap();
        other
            .execute_batch("CREATE TABLE mine (a INTEGER)")
            .unwrap();
        assert_eq!(migrate(&mut other), Err(Trouble::NotOurs));
    }
}
