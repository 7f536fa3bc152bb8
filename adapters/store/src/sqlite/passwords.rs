//! Application passwords, in a transaction of SQLite.

use gatepost_accounts::app_password::{
    KeptPassword, KeyId, MAX_LABEL, MAX_NETWORKS, MAX_PASSWORDS, PasswordId, Services, Use,
    Verifier,
};
use gatepost_accounts::id::Id;
use gatepost_accounts::model::Event;
use gatepost_accounts::store::Unavailable;
use gatepost_accounts::time::Timestamp;
use ipnet::IpNet;
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row, params};

use super::row::{id, number, time, unsigned};
use super::session::{Open, refused};
use super::statement;
use crate::password::{NewPassword, PasswordError, Passwords};

/// The password of a row of `password_columns`.
pub(super) fn password(row: &Row<'_>) -> Result<KeptPassword> {
    let moment = |at| Ok::<_, Error>(row.get::<_, Option<i64>>(at)?.map(Timestamp::from_millis));
    let verifier = |at| {
        let bytes = row.get::<_, Option<[u8; 32]>>(at)?;
        Ok::<_, Error>(bytes.map(Verifier))
    };
    let from: Option<String> = row.get(11)?;
    let used = moment(10)?.map(|at| Use {
        at,
        from: from.and_then(|from| from.parse().ok()),
    });
    Ok(KeptPassword {
        id: PasswordId(row.get(0)?),
        account: id(row, 1)?,
        version: unsigned(row, 2)?,
        key: KeyId(row.get(3)?),
        verifier: verifier(4)?.ok_or_else(refused)?,
        label: row.get(5)?,
        services: Services::from_bits(row.get(6)?),
        networks: networks(row, 7)?,
        created: time(row, 8)?,
        expires: moment(9)?,
        used,
        revoked: moment(12)?,
        replaces: verifier(13)?,
    })
}

fn networks(row: &Row<'_>, at: usize) -> Result<Vec<IpNet>> {
    let text = row.get_ref(at)?.as_str()?;
    let damaged = |_| Error::InvalidColumnType(at, String::new(), Type::Text);
    let words = text.split(' ').filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(damaged)).collect()
}

impl Open<'_> {
    fn of_account(&self, account: Id) -> Result<Vec<KeptPassword>> {
        self.several(statement::PASSWORDS, [account.as_bytes()], password)
    }

    fn insert_password(
        &mut self,
        new: &NewPassword<'_>,
        replaced: Option<&KeptPassword>,
    ) -> Result<PasswordId> {
        if let Some(replaced) = replaced {
            self.execute(statement::FORGET_PASSWORD, [replaced.id.0])?;
        }
        let version = self.next();
        self.execute(statement::NEXT_PASSWORD, ())?;
        let networks: Vec<_> = new.networks.iter().map(IpNet::to_string).collect();
        let params = params![
            new.account.as_bytes(),
            number(version),
            new.key.0,
            new.verifier.0,
            new.label,
            new.services.bits(),
            networks.join(" "),
            new.now.millis(),
            new.expires.map(Timestamp::millis),
            replaced.map(|replaced| replaced.verifier.0),
        ];
        self.execute(statement::ADD_PASSWORD, params)?;
        let added = self.one(statement::LAST_PASSWORD, (), password)?;
        let added = added.ok_or_else(refused)?;
        let id = added.id;
        self.log(Event::Password(added));
        Ok(id)
    }

    fn revoke_one(&mut self, mut password: KeptPassword, now: Timestamp) -> Result<()> {
        password.version = self.next();
        password.revoked = Some(now);
        let params = params![password.id.0, now.millis(), number(password.version)];
        self.execute(statement::REVOKE_PASSWORD, params)?;
        self.log(Event::Password(password));
        Ok(())
    }

    /// Revokes all of an account that is deleted: they do not come back with it.
    pub(super) fn revoke_all(&mut self, account: Id, now: Timestamp) -> Result<()> {
        for password in self.of_account(account)? {
            if password.revoked.is_none() {
                self.revoke_one(password, now)?;
            }
        }
        Ok(())
    }

    fn has_account(&mut self, account: Id) -> Result<bool, Unavailable> {
        let found = self.one(statement::IS_ACCOUNT, [account.as_bytes()], |_| Ok(()));
        Ok(self.told(found)?.is_some())
    }
}

impl Passwords for Open<'_> {
    fn passwords(&mut self, account: Id) -> Result<Vec<KeptPassword>, Unavailable> {
        let passwords = self.of_account(account);
        self.told(passwords)
    }

    fn add_password(&mut self, new: &NewPassword<'_>) -> Result<PasswordId, PasswordError> {
        if new.label.len() > MAX_LABEL || new.label.chars().any(char::is_control) {
            return Err(PasswordError::Label);
        }
        if new.networks.len() > MAX_NETWORKS {
            return Err(PasswordError::Networks);
        }
        if !self.has_account(new.account)? {
            return Err(PasswordError::NoAccount);
        }
        let known = self.passwords(new.account)?;
        let replaced = if known.len() < MAX_PASSWORDS {
            None
        } else {
            let mut known = known.iter();
            let replaced = known.find(|one| !one.is_good(new.now));
            Some(replaced.ok_or(PasswordError::TooMany)?)
        };
        let added = self.insert_password(new, replaced);
        Ok(self.told(added)?)
    }

    fn revoke_password(
        &mut self,
        account: Id,
        password: PasswordId,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let mut known = self.passwords(account)?.into_iter();
        let found = known.find(|one| one.id == password && one.revoked.is_none());
        let Some(found) = found else {
            return Ok(false);
        };
        let revoked = self.revoke_one(found, now);
        self.told(revoked).map(|()| true)
    }

    fn note_uses(&mut self, uses: &[(PasswordId, Use)]) -> Result<(), Unavailable> {
        for (password, used) in uses {
            let from = used.from.map(|from| from.to_string());
            let params = params![password.0, used.at.millis(), from];
            let noted = self.execute(statement::NOTE_USE, params);
            self.told(noted)?;
        }
        Ok(())
    }
}
