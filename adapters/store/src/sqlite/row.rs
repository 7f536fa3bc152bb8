//! Rows of `resources`, and what they mean.

use gatepost_accounts::id::Id;
use gatepost_accounts::model::{Account, Group, Kind, Life, Resource, SourceId};
use gatepost_accounts::name::Address;
use gatepost_accounts::store::Record;
use gatepost_accounts::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};

/// A kind, as it is kept.
pub(super) fn kind_number(kind: Kind) -> i64 {
    match kind {
        Kind::Account => 0,
        Kind::Group => 1,
    }
}

/// A number of ours as it is kept; one that does not fit does not occur.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn time(row: &Row<'_>, at: usize) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(row.get(at)?))
}

pub(super) fn id(row: &Row<'_>, at: usize) -> Result<Id> {
    let bytes = row.get_ref(at)?.as_blob()?;
    let bytes = bytes.try_into().map_err(|_| damaged(at, Type::Blob))?;
    Ok(Id::from_bytes(bytes))
}

pub(super) fn kind(row: &Row<'_>, at: usize) -> Result<Kind> {
    match row.get::<_, i64>(at)? {
        0 => Ok(Kind::Account),
        1 => Ok(Kind::Group),
        other => Err(Error::IntegralValueOutOfRange(at, other)),
    }
}

pub(super) fn unsigned(row: &Row<'_>, at: usize) -> Result<u64> {
    let number: i64 = row.get(at)?;
    u64::try_from(number).map_err(|_| Error::IntegralValueOutOfRange(at, number))
}

fn damaged(at: usize, kind: Type) -> Error {
    Error::InvalidColumnType(at, String::new(), kind)
}

fn address(text: &str, at: usize) -> Result<Address> {
    Address::parse(text).map_err(|_| damaged(at, Type::Text))
}

fn addresses(row: &Row<'_>, at: usize) -> Result<Vec<Address>> {
    let text = row.get_ref(at)?.as_str()?;
    let words = text.split(' ').filter(|word| !word.is_empty());
    words.map(|word| address(word, at)).collect()
}

fn optional_address(row: &Row<'_>, at: usize) -> Result<Option<Address>> {
    let text = row.get_ref(at)?.as_str_or_null()?;
    text.map(|text| address(text, at)).transpose()
}

/// The resource of a row of `resource_columns`.
pub(super) fn resource(row: &Row<'_>) -> Result<Resource> {
    let deleted: Option<i64> = row.get(7)?;
    let life = Life {
        version: unsigned(row, 3)?,
        position: unsigned(row, 4)?,
        created: time(row, 5)?,
        modified: time(row, 6)?,
        deleted: deleted.map(Timestamp::from_millis),
    };
    let (id, source, external_id) = (id(row, 0)?, SourceId(row.get(2)?), row.get(8)?);
    let name = row.get(9)?;
    if kind(row, 1)? == Kind::Group {
        return Ok(Resource::Group(Group {
            id,
            source,
            external_id,
            display_name: name,
            life,
        }));
    }
    let quota: Option<i64> = row.get(15)?;
    Ok(Resource::Account(Account {
        id,
        source,
        external_id,
        subject: row.get(16)?,
        user_name: name,
        display_name: row.get(10)?,
        mailbox: optional_address(row, 11)?,
        aliases: addresses(row, 12)?,
        forwarding: addresses(row, 13)?,
        active: row.get(14)?,
        quota: quota.map(i64::cast_unsigned),
        life,
    }))
}

/// The record of a row of `record_columns`.
pub(super) fn record(row: &Row<'_>) -> Result<Record> {
    Ok(Record {
        resource: resource(row)?,
        emails: emails(row, 17)?,
        document: row.get(18)?,
    })
}

pub(super) fn emails(row: &Row<'_>, at: usize) -> Result<Vec<String>> {
    let text = row.get_ref(at)?.as_str()?;
    serde_json::from_str(text).map_err(|_| damaged(at, Type::Text))
}

/// Addresses as they are kept.
pub(super) fn joined(addresses: &[Address]) -> String {
    let texts: Vec<_> = addresses.iter().map(Address::as_str).collect();
    texts.join(" ")
}

/// Ids as they are kept in one column.
pub(super) fn packed(ids: &[Id]) -> Vec<u8> {
    ids.iter().flat_map(|id| *id.as_bytes()).collect()
}

/// The ids of a column of [`packed`] ones.
pub(super) fn unpacked(row: &Row<'_>, at: usize) -> Result<Vec<Id>> {
    let (ids, rest) = row.get_ref(at)?.as_blob()?.as_chunks();
    if !rest.is_empty() {
        return Err(damaged(at, Type::Blob));
    }
    Ok(ids.iter().copied().map(Id::from_bytes).collect())
}
