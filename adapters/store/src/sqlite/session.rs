//! One transaction of SQLite, as SCIM needs it.

use gatepost_accounts::id::Id;
use gatepost_accounts::model::{Change, Event, Kind, SourceId};
use gatepost_accounts::store::{Key, Member, Owner, Record, Transaction, Unavailable, Written};
use rusqlite::{Connection, OptionalExtension, Params, Result, Row, params};

use super::row::{id, kind, kind_number, number, record};
use super::statement::{self, Question};
use crate::trouble::Trouble;

/// A transaction that is open on `connection`.
pub(super) struct Open<'c> {
    pub(super) connection: &'c Connection,
    /// The number of the last change.
    pub(super) sequence: u64,
    /// What it changed, in order.
    pub(super) changes: Vec<Change>,
    /// How many bytes it added to the changes of members.
    pub(super) logged: u64,
    /// What failed first.
    pub(super) trouble: Option<Trouble>,
}

impl<'c> Open<'c> {
    pub(super) fn new(connection: &'c Connection, sequence: u64) -> Self {
        Self {
            connection,
            sequence,
            changes: Vec::new(),
            logged: 0,
            trouble: None,
        }
    }

    /// Notes what failed.
    pub(super) fn told<T>(&mut self, result: Result<T>) -> Result<T, Unavailable> {
        result.map_err(|error| {
            self.trouble.get_or_insert(Trouble::from(&error));
            Unavailable
        })
    }

    pub(super) fn one<T>(
        &self,
        statement: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(statement)?;
        statement.query_row(params, read).optional()
    }

    pub(super) fn several<T>(
        &self,
        statement: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(statement)?;
        statement.query_map(params, read)?.collect()
    }

    pub(super) fn execute(&self, statement: &str, params: impl Params) -> Result<usize> {
        self.connection.prepare_cached(statement)?.execute(params)
    }

    /// The number of the next change.
    pub(super) fn next(&mut self) -> u64 {
        self.sequence = self.sequence.saturating_add(1);
        self.sequence
    }

    /// Tells the change of the last number.
    pub(super) fn log(&mut self, event: Event) {
        let sequence = self.sequence;
        self.changes.push(Change { sequence, event });
    }

    /// What a key finds: `part` of the question, each row of which is `read`.
    fn found<T>(
        &self,
        (kind, source, limit): (Kind, SourceId, usize),
        key: Key<'_>,
        part: fn(&Question) -> &'static str,
        read: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let (kind, source, limit) = (kind_number(kind), source.0, most(limit));
        let by_text = |question: &Question, text: &str| {
            self.several(part(question), params![kind, source, text, limit], read)
        };
        let by_id = |question: &Question, id: Id| {
            let params = params![kind, source, id.as_bytes(), limit];
            self.several(part(question), params, read)
        };
        match key {
            Key::Id(id) => by_id(&statement::BY_ID, id),
            Key::Name(name) => by_text(&statement::BY_NAME, name),
            Key::ExternalId(text) => by_text(&statement::BY_EXTERNAL_ID, text),
            Key::Subject(text) => by_text(&statement::BY_SUBJECT, text),
            Key::Email(email) => by_text(&statement::BY_EMAIL, email),
            Key::Member(id) => by_id(&statement::BY_MEMBER, id),
            // A key that is not known here finds nothing, which must not be said of it.
            _ => Err(refused()),
        }
    }

    fn rest(&self, kind: Kind, source: SourceId, after: i64, limit: usize) -> Result<Vec<Record>> {
        let params = params![kind_number(kind), source.0, after, most(limit)];
        self.several(statement::AFTER, params, record)
    }

    fn paged(
        &self,
        kind: Kind,
        source: SourceId,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Record>> {
        let params = params![kind_number(kind), source.0, number(offset)];
        let first = self.one(statement::POSITION, params, |row| row.get::<_, i64>(0))?;
        match first {
            Some(first) => self.rest(kind, source, first.saturating_sub(1), limit),
            None => Ok(Vec::new()),
        }
    }

    fn owned(&self, statement: &str, address: &str) -> Result<Option<Owner>> {
        self.one(statement, [address], owner)
    }

    fn beginning(
        &self,
        prefix: &str,
        is_wanted: &mut dyn FnMut(&str, Owner) -> bool,
    ) -> Result<Option<(String, Owner)>> {
        let mut statement = self.connection.prepare_cached(statement::PREFIXED)?;
        let end = format!("{prefix}{}", char::MAX);
        let mut rows = statement.query([prefix, &end])?;
        while let Some(row) = rows.next()? {
            let (owner, address) = (owner(row)?, row.get::<_, String>(2)?);
            if is_wanted(&address, owner) {
                return Ok(Some((address, owner)));
            }
        }
        Ok(None)
    }

    fn not_known(&self, source: SourceId, ids: &[Id]) -> Result<Vec<Id>> {
        let mut is_known = self.connection.prepare_cached(statement::IS_KNOWN)?;
        let mut unknown = Vec::new();
        for id in ids {
            if !is_known.exists(params![id.as_bytes(), source.0])? {
                unknown.push(*id);
            }
        }
        Ok(unknown)
    }
}

fn owner(row: &Row<'_>) -> Result<Owner> {
    Ok(Owner {
        account: id(row, 0)?,
        source: SourceId(row.get(1)?),
    })
}

/// A limit as a parameter.
pub(super) fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The error of a statement that cannot be.
pub(super) fn refused() -> rusqlite::Error {
    let code = rusqlite::ffi::SQLITE_MISUSE;
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}

impl Transaction for Open<'_> {
    fn find(
        &mut self,
        kind: Kind,
        source: SourceId,
        key: Key<'_>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        let found = self.found((kind, source, limit), key, |one| one.records, record);
        self.told(found)
    }

    fn positions(
        &mut self,
        kind: Kind,
        source: SourceId,
        key: Key<'_>,
        limit: usize,
    ) -> Result<Vec<u64>, Unavailable> {
        let position = |row: &Row<'_>| super::row::unsigned(row, 0);
        let found = self.found((kind, source, limit), key, |one| one.positions, position);
        self.told(found)
    }

    fn after(
        &mut self,
        kind: Kind,
        source: SourceId,
        position: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        let rest = self.rest(kind, source, number(position), limit);
        self.told(rest)
    }

    fn page(
        &mut self,
        kind: Kind,
        source: SourceId,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        let page = self.paged(kind, source, offset, limit);
        self.told(page)
    }

    fn count(&mut self, kind: Kind, source: SourceId) -> Result<u64, Unavailable> {
        let params = params![kind_number(kind), source.0];
        let count = self.one(statement::COUNT, params, |row| super::row::unsigned(row, 0));
        Ok(self.told(count)?.unwrap_or_default())
    }

    fn returned(
        &mut self,
        kind: Kind,
        source: SourceId,
        external_id: &str,
    ) -> Result<Option<Record>, Unavailable> {
        let params = params![kind_number(kind), source.0, external_id];
        let returned = self.one(statement::RETURNED, params, record);
        self.told(returned)
    }

    fn owner(&mut self, address: &str) -> Result<Option<Owner>, Unavailable> {
        let owner = self.owned(statement::OWNER, address);
        self.told(owner)
    }

    fn prefixed(
        &mut self,
        prefix: &str,
        is_wanted: &mut dyn FnMut(&str, Owner) -> bool,
    ) -> Result<Option<(String, Owner)>, Unavailable> {
        let found = self.beginning(prefix, is_wanted);
        self.told(found)
    }

    fn former_owner(&mut self, address: &str) -> Result<Option<Owner>, Unavailable> {
        let owner = self.owned(statement::FORMER_OWNER, address);
        self.told(owner)
    }

    fn insert(&mut self, record: &Record) -> Result<Written, Unavailable> {
        let written = self.put(record, true);
        self.told(written)
    }

    fn update(&mut self, record: &Record) -> Result<Written, Unavailable> {
        let written = self.put(record, false);
        self.told(written)
    }

    fn members(
        &mut self,
        group: Id,
        after: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Member>, Unavailable> {
        // Less than any id of 16 bytes.
        let after = after.as_ref().map_or(&[][..], |after| after.as_bytes());
        let params = params![group.as_bytes(), after, most(limit)];
        let members = self.several(statement::MEMBERS, params, |row| {
            Ok(Member {
                id: id(row, 0)?,
                kind: kind(row, 1)?,
            })
        });
        self.told(members)
    }

    fn groups_of(&mut self, member: Id, limit: usize) -> Result<Vec<(Id, String)>, Unavailable> {
        let params = params![member.as_bytes(), most(limit)];
        let groups = self.several(statement::NAMED_GROUPS, params, |row| {
            Ok((id(row, 0)?, row.get(1)?))
        });
        self.told(groups)
    }

    fn unknown(&mut self, source: SourceId, ids: &[Id]) -> Result<Vec<Id>, Unavailable> {
        let unknown = self.not_known(source, ids);
        self.told(unknown)
    }

    fn edit_members(
        &mut self,
        group: Id,
        added: &[Id],
        removed: &[Id],
    ) -> Result<usize, Unavailable> {
        let changed = self.change_members(group, added, removed);
        self.told(changed)
    }

    fn replace_members(&mut self, group: Id, members: &[Id]) -> Result<usize, Unavailable> {
        let changed = self.set_members(group, members);
        self.told(changed)
    }
}
