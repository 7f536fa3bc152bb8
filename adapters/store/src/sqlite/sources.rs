//! Sources and their secrets, in a transaction of SQLite.

use gatepost_accounts::model::SourceId;
use gatepost_accounts::name::{NameError, check, fold};
use gatepost_accounts::store::Unavailable;
use gatepost_accounts::time::Timestamp;
use rusqlite::{Result, Row, params};

use super::row::time;
use super::session::{Open, refused};
use super::statement;
use crate::source::{
    KnownSource, MAX_LABEL, MAX_SECRETS, NewSecret, Secret, SecretHash, SecretId, Session,
    SourceError,
};

fn source(row: &Row<'_>) -> Result<KnownSource> {
    Ok(KnownSource {
        id: SourceId(row.get(0)?),
        name: row.get(1)?,
        created: time(row, 2)?,
        derived: row.get(3)?,
        is_read: row.get(4)?,
    })
}

fn secret(row: &Row<'_>) -> Result<Secret> {
    let expires: Option<i64> = row.get(4)?;
    Ok(Secret {
        id: SecretId(row.get(0)?),
        source: SourceId(row.get(1)?),
        label: row.get(2)?,
        created: time(row, 3)?,
        expires: expires.map(Timestamp::from_millis),
    })
}

impl Open<'_> {
    fn named(&mut self, name: &str) -> Result<Option<KnownSource>, Unavailable> {
        let found = self.one(statement::SOURCE, [fold(name)], source);
        self.told(found)
    }

    /// Refuses a name that only one may have, and another has.
    fn check_name(&mut self, name: &str, own: Option<SourceId>) -> Result<(), SourceError> {
        check(name)?;
        if name.contains(' ') {
            // It is a part of a URL.
            return Err(NameError::Blank.into());
        }
        match self.named(name)? {
            Some(found) if Some(found.id) != own => Err(SourceError::NameTaken),
            _ => Ok(()),
        }
    }

    fn insert_secret(&self, source: SourceId, secret: &NewSecret<'_>) -> Result<SecretId> {
        self.execute(statement::NEXT_SECRET, ())?;
        let params = params![
            source.0,
            secret.hash.as_bytes(),
            secret.label,
            secret.now.millis(),
            secret.expires.map(Timestamp::millis),
        ];
        self.execute(statement::ADD_SECRET, params)?;
        let number = self.one(statement::LAST_SECRET, (), |row| row.get(0))?;
        number.map(SecretId).ok_or_else(refused)
    }
}

impl Session for Open<'_> {
    fn sources(&mut self) -> Result<Vec<KnownSource>, Unavailable> {
        let sources = self.several(statement::SOURCES, (), source);
        self.told(sources)
    }

    fn source(&mut self, name: &str) -> Result<Option<KnownSource>, Unavailable> {
        self.named(name)
    }

    fn add_source(&mut self, name: &str, now: Timestamp) -> Result<SourceId, SourceError> {
        self.check_name(name, None)?;
        let params = params![name, fold(name), now.millis()];
        let added = self.execute(statement::ADD_SOURCE, params);
        self.told(added)?;
        let added = self.named(name)?;
        added.map(|source| source.id).ok_or(SourceError::Unknown)
    }

    fn rename_source(&mut self, source: SourceId, name: &str) -> Result<(), SourceError> {
        self.check_name(name, Some(source))?;
        let params = params![source.0, name, fold(name)];
        let renamed = self.execute(statement::RENAME_SOURCE, params);
        match self.told(renamed)? {
            0 => Err(SourceError::Unknown),
            _ => Ok(()),
        }
    }

    fn set_derived(&mut self, source: SourceId, by: Option<&str>) -> Result<(), Unavailable> {
        let set = self.execute(statement::SET_DERIVED, params![source.0, by]);
        self.told(set).map(|_| ())
    }

    fn set_read(&mut self, source: SourceId) -> Result<(), Unavailable> {
        let set = self.execute(statement::SET_READ, [source.0]);
        self.told(set).map(|_| ())
    }

    fn secrets(&mut self, source: SourceId) -> Result<Vec<Secret>, Unavailable> {
        let secrets = self.several(statement::SECRETS, [source.0], secret);
        self.told(secrets)
    }

    fn secret(&mut self, hash: &SecretHash) -> Result<Option<Secret>, Unavailable> {
        let found = self.one(statement::SECRET, [hash.as_bytes()], secret);
        self.told(found)
    }

    fn add_secret(
        &mut self,
        source: SourceId,
        secret: &NewSecret<'_>,
    ) -> Result<SecretId, SourceError> {
        let is_label = !secret.label.chars().any(char::is_control);
        if secret.label.len() > MAX_LABEL || !is_label {
            return Err(SourceError::Label);
        }
        let known = self.one(statement::HAS_SOURCE, [source.0], |_| Ok(()));
        if self.told(known)?.is_none() {
            return Err(SourceError::Unknown);
        }
        if self.secrets(source)?.len() >= MAX_SECRETS {
            return Err(SourceError::TooManySecrets);
        }
        let added = self.insert_secret(source, secret);
        Ok(self.told(added)?)
    }

    fn revoke_secret(&mut self, source: SourceId, secret: SecretId) -> Result<bool, Unavailable> {
        let revoked = self.execute(statement::REVOKE_SECRET, params![secret.0, source.0]);
        Ok(self.told(revoked)? > 0)
    }
}
