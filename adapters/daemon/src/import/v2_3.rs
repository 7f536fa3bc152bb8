//! Dovecot 2.3: `dovecot.conf` names databases, each of which has a `.conf.ext` of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::{ImportError, NOTHING_TO_CLOSE, Place};
use super::found::Found;
use super::lexer::{Dialect, Raw, Statement};
use super::source::{Source, read};
use super::value::{Setting, Value, Version};
use super::variables::expand;

/// Where Dovecot's processes run, which paths without a slash in front are meant from.
const BASE_DIRECTORY: &str = "/run/dovecot";

/// The mechanisms that carry tokens.
const BEARER: [&str; 2] = ["oauthbearer", "xoauth2"];

/// A `passdb` block, by the settings that say whether it concerns us.
#[derive(Clone, Debug, Default)]
pub(super) struct Passdb {
    /// Where it begins; none until something is said.
    place: Option<Place>,
    label: String,
    driver: String,
    args: String,
    mechanisms: String,
}

/// Reads a `.conf.ext` alone.
pub(super) fn database(path: &Path, text: &str) -> Result<Found, ImportError> {
    let settings = settings(path, text)?;
    let takes_passwords = takes_passwords(&settings)?;
    Ok(Found {
        version: Version::V2_3,
        path: path.to_owned(),
        tokens: settings,
        passwords: takes_passwords.then(Vec::new),
        others: Vec::new(),
    })
}

/// Reads `dovecot.conf`, and the databases that it names.
pub(super) fn main(path: &Path, text: &str) -> Result<Found, ImportError> {
    let mut databases = Vec::new();
    for passdb in passdbs(path, text)?.0 {
        if passdb.driver == "oauth2" {
            let path = Path::new(BASE_DIRECTORY).join(&passdb.args);
            let text = read(&path).map_err(|fault| passdb.fault(&path, &fault))?;
            let mut settings = settings(&path, &text)?;
            // The file that was named is another one.
            let named: Rc<Path> = Rc::from(&*path);
            for setting in &mut settings {
                let included = &mut setting.place.included;
                included.get_or_insert_with(|| Rc::clone(&named));
            }
            let takes_passwords = takes_passwords(&settings)?;
            databases.push((passdb, path, settings, takes_passwords));
        }
    }
    let judges = |(passdb, _, _, takes_passwords): &(Passdb, PathBuf, Vec<Setting>, bool)| {
        passdb.has_bearers() && !takes_passwords
    };
    let at = databases.iter().position(judges).unwrap_or_default();
    if databases.is_empty() {
        return Err(ImportError::Nothing);
    }
    let (_, path, tokens, takes_passwords) = databases.remove(at);
    let mut found = Found {
        version: Version::V2_3,
        path,
        tokens,
        passwords: takes_passwords.then(Vec::new),
        others: Vec::new(),
    };
    for (_, path, settings, takes_passwords) in databases {
        if takes_passwords && found.passwords.is_none() && path != found.path {
            found.passwords = Some(settings);
        } else if path != found.path {
            found.others.push(format!(
                "{}: another oauth2 database; import it by its name",
                path.display()
            ));
        }
    }
    Ok(found)
}

/// Whether Dovecot exchanges passwords by this database.
fn takes_passwords(settings: &[Setting]) -> Result<bool, ImportError> {
    let last = settings
        .iter()
        .rfind(|setting| setting.name == "use_grant_password");
    last.map_or(Ok(false), Setting::is_yes)
}

/// The settings of a `.conf.ext` as they are in the end. What stands in a block is not read.
pub(super) fn settings(path: &Path, text: &str) -> Result<Vec<Setting>, ImportError> {
    let mut source = Source::new(Dialect::Ext, path, text);
    let mut found: Vec<Setting> = Vec::new();
    let mut depth = 0_usize;
    while let Some((place, statement)) = source.next()? {
        match statement {
            Statement::Begin { .. } => depth += 1,
            Statement::End if depth == 0 => return Err(ImportError::at(&place, NOTHING_TO_CLOSE)),
            Statement::End => depth -= 1,
            Statement::Assign { name, value } if depth == 0 => {
                let value = expand(&source, Dialect::Ext, &place, value, |_| None)?;
                found.retain(|setting| setting.name != name);
                found.push(Setting {
                    place,
                    version: Version::V2_3,
                    name,
                    value: Value::Text(value),
                });
            }
            Statement::Assign { .. } | Statement::Include { .. } => {}
        }
    }
    Ok(found)
}

/// The `passdb` blocks of a `dovecot.conf`, and the settings beside all blocks.
pub(super) fn passdbs(
    path: &Path,
    text: &str,
) -> Result<(Vec<Passdb>, HashMap<String, String>), ImportError> {
    let mut source = Source::new(Dialect::V2_3, path, text);
    let mut found: Vec<Passdb> = Vec::new();
    let mut globals = HashMap::from([
        ("auth_mechanisms".to_owned(), "plain".to_owned()),
        ("base_dir".to_owned(), BASE_DIRECTORY.to_owned()),
    ]);
    // For each open block, which of the databases it is.
    let mut blocks: Vec<Option<usize>> = Vec::new();
    while let Some((place, statement)) = source.next()? {
        match statement {
            Statement::Begin { kind, label } => {
                if let Some(Some(_)) = blocks.last() {
                    return Err(ImportError::at(
                        &place,
                        "a passdb holds no blocks; close it first",
                    ));
                }
                let is_ours = kind == "passdb" && blocks.is_empty();
                let label = label.unwrap_or_default();
                let opened = is_ours.then(|| open(&mut found, place, label));
                blocks.push(opened.transpose()?);
            }
            Statement::End => {
                let closed = blocks.pop();
                closed.ok_or_else(|| ImportError::at(&place, NOTHING_TO_CLOSE))?;
            }
            Statement::Assign { name, value } => {
                let is_wanted = match blocks.last() {
                    // Files that others name, such as private keys, are none of ours.
                    None => name == "auth_mechanisms" || !matches!(value, Raw::File(_)),
                    Some(passdb) => passdb.is_some() && PASSDB.contains(&&*name),
                };
                if !is_wanted {
                    continue;
                }
                let expanded = expand(&source, Dialect::V2_3, &place, value, |name| {
                    globals.get(name).cloned()
                });
                match blocks.last() {
                    None => {
                        // What is no concern of ours may use what we do not know.
                        let is_ours = name == "auth_mechanisms";
                        match expanded {
                            Ok(value) => drop(globals.insert(name, value)),
                            Err(fault) if is_ours => return Err(fault),
                            Err(_) => drop(globals.remove(&name)),
                        }
                    }
                    Some(at) => {
                        let value = expanded?;
                        if let Some(passdb) = at.and_then(|at| found.get_mut(at)) {
                            passdb.set(&name, value);
                        }
                    }
                }
            }
            Statement::Include { .. } => {}
        }
    }
    Ok((found, globals))
}

/// What of a `passdb` is looked at.
const PASSDB: [&str; 3] = ["driver", "args", "mechanisms"];

/// The place of a new database in `found`, unless there is one of that name.
fn open(found: &mut Vec<Passdb>, place: Place, label: String) -> Result<usize, ImportError> {
    if !label.is_empty() && found.iter().any(|passdb| passdb.label == label) {
        let fault =
            format!("a passdb of the name {label:?} was there before; Dovecot takes one of each");
        return Err(ImportError::at(&place, fault));
    }
    found.push(Passdb {
        place: Some(place),
        label,
        ..Passdb::default()
    });
    Ok(found.len() - 1)
}

impl Passdb {
    /// What of it is looked at, by name.
    pub(super) fn settings(&self) -> [(&'static str, &str); 3] {
        PASSDB.map(|name| match name {
            "driver" => (name, &*self.driver),
            "args" => (name, &*self.args),
            _ => (name, &*self.mechanisms),
        })
    }

    fn set(&mut self, name: &str, value: String) {
        match name {
            "driver" => self.driver = value,
            "args" => self.args = value,
            _ => self.mechanisms = value,
        }
    }

    /// Whether tokens come to it.
    fn has_bearers(&self) -> bool {
        let mut mechanisms = self
            .mechanisms
            .split([' ', ','])
            .filter(|name| !name.is_empty());
        let is_bearer = |name: &str| {
            BEARER
                .iter()
                .any(|bearer| name.eq_ignore_ascii_case(bearer))
        };
        self.mechanisms.trim().is_empty() || mechanisms.any(is_bearer)
    }

    fn fault(&self, path: &Path, fault: &ImportError) -> ImportError {
        let fault = format!("its database {}: {fault}", path.display());
        match &self.place {
            Some(place) => ImportError::at(place, fault),
            None => ImportError::Nothing,
        }
    }
}
