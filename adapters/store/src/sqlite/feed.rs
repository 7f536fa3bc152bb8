//! What there is, and what changed, read from a database.

use std::mem;

use gatepost_accounts::id::Id;
use gatepost_accounts::model::{Change, Event};
use rusqlite::{Connection, Rows};

use super::passwords::password;
use super::row::{id, resource, unpacked, unsigned};
use super::statement;
use crate::store::Untold;
use crate::trouble::Trouble;

/// Most members that one change tells of.
const CHUNK: usize = 10_000;

/// How far a database has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence {
    /// The number of the last change.
    pub(super) last: u64,
    /// Up to which number changes of members are not kept any more.
    pub(super) forgotten: u64,
}

impl Sequence {
    pub(super) fn read(connection: &Connection) -> Result<Self, Trouble> {
        let mut statement = connection.prepare_cached(statement::SEQUENCE)?;
        Ok(statement.query_row((), |row| {
            Ok(Self {
                last: unsigned(row, 0)?,
                forgotten: unsigned(row, 1)?,
            })
        })?)
    }
}

/// Tells everything that there is, from one state of the database.
///
/// # Errors
/// [`Trouble`]: it cannot be read.
pub(super) fn load(connection: &Connection, each: &mut dyn FnMut(Change)) -> Result<u64, Trouble> {
    let transaction = connection.unchecked_transaction()?;
    all(&transaction, each)
}

/// As [`load`], within a transaction.
pub(super) fn all(connection: &Connection, each: &mut dyn FnMut(Change)) -> Result<u64, Trouble> {
    let sequence = Sequence::read(connection)?.last;
    let mut all = connection.prepare(statement::ALL)?;
    let mut rows = all.query(())?;
    while let Some(row) = rows.next()? {
        let resource = resource(row)?;
        each(Change {
            sequence: resource.life().version,
            event: Event::Put(resource),
        });
    }
    let mut all = connection.prepare(statement::ALL_MEMBERSHIPS)?;
    let mut rows = all.query(())?;
    let (mut group, mut members) = (None, Vec::new());
    let mut tell = |group: Option<Id>, added: Vec<Id>| {
        let removed = Vec::new();
        let Some(group) = group.filter(|_| !added.is_empty()) else {
            return;
        };
        each(Change {
            sequence,
            event: Event::Members {
                group,
                added,
                removed,
            },
        });
    };
    while let Some(row) = rows.next()? {
        let next = Some(id(row, 0)?);
        if next != group || members.len() >= CHUNK {
            tell(mem::replace(&mut group, next), mem::take(&mut members));
        }
        members.push(id(row, 1)?);
    }
    tell(group, members);
    let mut all = connection.prepare(statement::ALL_PASSWORDS)?;
    tell_passwords(all.query(())?, each)?;
    Ok(sequence)
}

/// Tells what changed after `since`, from one state of the database.
///
/// # Errors
/// [`Untold`]: it cannot be read, or does not know.
pub(super) fn after(
    connection: &Connection,
    since: u64,
    each: &mut dyn FnMut(Change),
) -> Result<u64, Untold> {
    let transaction = connection.unchecked_transaction().map_err(Trouble::from)?;
    let sequence = Sequence::read(&transaction)?;
    if since > sequence.last || since < sequence.forgotten {
        return Err(Untold::Forgotten);
    }
    changed(&transaction, since, each)?;
    Ok(sequence.last)
}

/// As [`after`], within a transaction, of a number that is known.
pub(super) fn changed(
    connection: &Connection,
    since: u64,
    each: &mut dyn FnMut(Change),
) -> Result<(), Trouble> {
    let since = super::row::number(since);
    let mut changed = connection.prepare_cached(statement::CHANGED)?;
    let mut rows = changed.query([since])?;
    while let Some(row) = rows.next()? {
        let resource = resource(row)?;
        each(Change {
            sequence: resource.life().version,
            event: Event::Put(resource),
        });
    }
    let mut changed = connection.prepare_cached(statement::CHANGED_PASSWORDS)?;
    tell_passwords(changed.query([since])?, each)?;
    let mut changed = connection.prepare_cached(statement::CHANGED_MEMBERS)?;
    let mut rows = changed.query([since])?;
    while let Some(row) = rows.next()? {
        each(Change {
            sequence: unsigned(row, 0)?,
            event: Event::Members {
                group: id(row, 1)?,
                added: unpacked(row, 2)?,
                removed: unpacked(row, 3)?,
            },
        });
    }
    Ok(())
}

fn tell_passwords(mut rows: Rows<'_>, each: &mut dyn FnMut(Change)) -> Result<(), Trouble> {
    while let Some(row) = rows.next()? {
        let password = password(row)?;
        each(Change {
            sequence: password.version,
            event: Event::Password(password),
        });
    }
    Ok(())
}
