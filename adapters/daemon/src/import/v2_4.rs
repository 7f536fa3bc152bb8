//! Dovecot 2.4: everything stands in `dovecot.conf`, in blocks that are filters or lists.
//!
//! A filter's settings count where it applies. `oauth2 { client_id = x }` says `oauth2_client_id = x` of whatever is
//! around that block, and a `passdb oauth2 { .. }` holds what differs for passwords.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::{ImportError, NOTHING_TO_CLOSE, Place};
use super::found::Found;
use super::lexer::{Dialect, Raw, Statement};
use super::names::{
    Filter, LISTS, SHARED, default, entries, home, is_known, is_ours, is_switch, prefixed,
};
use super::source::Source;
use super::value::{Setting, Value, Version};
use super::variables::expand;

/// What was read, by the filter that it belongs to, and by whole names.
pub(super) type Settings = BTreeMap<Filter, Vec<Setting>>;

/// An open block.
#[derive(Clone, Debug, Default)]
struct Block {
    filter: Filter,
    list: Option<String>,
}

/// Reads a `dovecot.conf`, or a file that it includes.
pub(super) fn main(path: &Path, text: &str) -> Result<Found, ImportError> {
    let settings = read(path, text)?;
    let root = settings
        .get(&Vec::new())
        .map(Vec::as_slice)
        .unwrap_or_default();
    let inner = |filter: &[&str]| -> &[Setting] {
        let filter: Filter = filter.iter().map(|&part| part.to_owned()).collect();
        settings.get(&filter).map(Vec::as_slice).unwrap_or_default()
    };
    let is_shared = |setting: &&Setting| {
        setting.name.starts_with("oauth2_") || SHARED.contains(&&*setting.name)
    };
    let mut tokens: Vec<Setting> = root.iter().filter(is_shared).cloned().collect();
    merge(&mut tokens, inner(&["oauth2"]));
    for (filter, found) in &settings {
        let below = filter
            .iter()
            .position(|part| part == "oauth2_local_validation");
        if below.is_some_and(|at| filter[..at].iter().all(|part| part == "oauth2")) {
            tokens.extend(found.iter().map(key_setting));
        }
    }
    let passwords = passdb(&settings).map(|passdb| {
        let mut own = inner(&[&passdb]).to_vec();
        merge(&mut own, inner(&[&passdb, "oauth2"]));
        own.retain(|setting| !setting.name.starts_with("passdb_"));
        own
    });
    Ok(Found {
        version: Version::V2_4,
        path: path.to_owned(),
        tokens: tokens.into_iter().map(bare).collect(),
        passwords: passwords.map(|own| own.into_iter().map(bare).collect()),
        others: elsewhere(&settings),
    })
}

/// The `passdb` that passwords are exchanged by.
fn passdb(settings: &Settings) -> Option<String> {
    let mut passdbs = settings.iter().filter_map(|(filter, found)| {
        let name = filter.first().filter(|_| filter.len() == 1)?;
        let label = name.strip_prefix("passdb/")?;
        let driver = found.iter().find(|setting| setting.name == "passdb_driver");
        let driver = driver.map_or(label, Setting::text);
        (driver == "oauth2").then(|| name.clone())
    });
    passdbs.next()
}

/// Where keys are looked for, by one name.
fn key_setting(setting: &Setting) -> Setting {
    let name = match &*setting.name {
        "prefix" | "fs_posix_prefix" => "local_validation".to_owned(),
        name => format!("local_validation/{name}"),
    };
    Setting {
        name,
        ..setting.clone()
    }
}

fn bare(setting: Setting) -> Setting {
    let name = setting
        .name
        .strip_prefix("oauth2_")
        .unwrap_or(&setting.name);
    Setting {
        name: name.to_owned(),
        ..setting
    }
}

/// What is said of blocks in which oauth2 is set up for something else.
fn elsewhere(settings: &Settings) -> Vec<String> {
    let is_for_others = |filter: &Filter| {
        let first = filter.first().map(String::as_str).unwrap_or_default();
        let is_ours = first.starts_with("oauth2") || first.starts_with("passdb/");
        !is_ours && !filter.is_empty()
    };
    let mut remarks = Vec::new();
    for (filter, found) in settings.iter().filter(|(filter, _)| is_for_others(filter)) {
        for setting in found
            .iter()
            .filter(|setting| setting.name.starts_with("oauth2_"))
        {
            let (place, shown, block) = (&setting.place, setting.shown(), filter.join(" "));
            remarks.push(format!(
                "{place}, {shown}: counts within {block} alone, which is not taken over"
            ));
        }
    }
    remarks
}

/// Adds what an inner filter says, which counts more; lists grow.
fn merge(outer: &mut Vec<Setting>, inner: &[Setting]) {
    for setting in inner {
        match outer.iter_mut().find(|outer| outer.name == setting.name) {
            None => outer.push(setting.clone()),
            Some(outer) => match (&mut outer.value, &setting.value) {
                (Value::List(list), Value::List(more)) => {
                    for (name, value) in more {
                        put(list, name, value);
                    }
                }
                _ => *outer = setting.clone(),
            },
        }
    }
}

fn put(list: &mut Vec<(String, String)>, name: &str, value: &str) {
    match list.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => value.clone_into(known),
        None => list.push((name.to_owned(), value.to_owned())),
    }
}

/// Every setting that oauth2 may look at.
pub(super) fn read(path: &Path, text: &str) -> Result<Settings, ImportError> {
    let mut source = Source::new(Dialect::V2_4, path, text);
    let mut reader = Reader::default();
    while let Some((place, statement)) = source.next()? {
        match statement {
            Statement::Begin { kind, label } => {
                let block = reader.open(&place, &kind, label)?;
                reader.blocks.push(block);
            }
            Statement::End => {
                let closed = reader.blocks.pop();
                closed.ok_or_else(|| ImportError::at(&place, NOTHING_TO_CLOSE))?;
            }
            Statement::Assign { name, value } => reader.assign(&source, place, &name, value)?,
            Statement::Include { .. } => {}
        }
    }
    Ok(reader.settings)
}

#[derive(Debug, Default)]
struct Reader {
    blocks: Vec<Block>,
    settings: Settings,
}

impl Reader {
    fn block(&self) -> Block {
        self.blocks.last().cloned().unwrap_or_default()
    }

    fn open(
        &mut self,
        place: &Place,
        kind: &str,
        label: Option<String>,
    ) -> Result<Block, ImportError> {
        let mut block = self.block();
        let names = block
            .filter
            .last()
            .map(|last| prefixed(last, kind))
            .unwrap_or_default();
        let mut names = names.into_iter().chain([kind.to_owned()]);
        if let Some(list) = names.find(|name| LISTS.iter().any(|(list, _)| list == name)) {
            block.list = Some(list);
            return Ok(block);
        }
        block.list = None;
        block.filter.push(match (kind, label) {
            ("oauth2", Some(_)) => {
                return Err(ImportError::at(place, "oauth2 has no name; write oauth2 {"));
            }
            ("passdb", None) => {
                return Err(ImportError::at(
                    place,
                    "passdb has no name; write passdb oauth2 {",
                ));
            }
            ("local_validation", None) => "oauth2_local_validation".to_owned(),
            (kind, None) => kind.to_owned(),
            (kind, Some(label)) => format!("{kind}/{label}"),
        });
        // A block that says nothing is there all the same.
        self.settings.entry(block.filter.clone()).or_default();
        Ok(block)
    }

    fn assign(
        &mut self,
        source: &Source,
        place: Place,
        name: &str,
        raw: Raw,
    ) -> Result<(), ImportError> {
        let block = self.block();
        let (filter, full) = match &block.list {
            Some(list) => home(&block.filter, list),
            None => home(&block.filter, name),
        };
        if !is_ours(&filter, &full) {
            return Ok(());
        }
        if full.starts_with('@') {
            let fault =
                format!("{full}: groups are not followed; import what `doveconf -n` prints");
            return Err(ImportError::at(&place, fault));
        }
        if filter.last().is_some_and(|last| last == "oauth2") && !is_known(&full) {
            let fault =
                format!("{name} is no setting of Dovecot's oauth2 database; remove the line");
            return Err(ImportError::at(&place, fault));
        }
        let known = |variable: &str| self.known(&block.filter, variable, variable == name);
        let mut text = expand(source, Dialect::V2_4, &place, raw, known)?;
        if full.ends_with("_file") && !text.is_empty() && !text.contains("%{") {
            text = source.resolve(&text).to_string_lossy().into_owned();
        }
        let entry = block.list.is_some().then_some(name);
        self.put(place, filter, full, entry, text)
    }

    fn put(
        &mut self,
        place: Place,
        filter: Filter,
        full: String,
        entry: Option<&str>,
        text: String,
    ) -> Result<(), ImportError> {
        let found = self.settings.entry(filter).or_default();
        let before = found.iter().position(|setting| setting.name == full);
        let before = before.map(|at| found.remove(at).value);
        let list = LISTS.iter().find(|(list, _)| *list == full);
        let value = match (list, entry) {
            (None, _) => Value::Text(text),
            (Some((_, has_switches)), Some(entry)) => {
                if *has_switches && !is_switch(&text) {
                    let fault = format!("{entry} in {full} is yes or no");
                    return Err(ImportError::at(&place, fault));
                }
                let mut list = match before {
                    Some(Value::List(list)) => list,
                    _ => Vec::new(),
                };
                put(&mut list, entry, &text);
                Value::List(list)
            }
            (Some((_, true)), None) => {
                let entries = entries(&text).map_err(|fault| ImportError::at(&place, fault))?;
                Value::List(
                    entries
                        .into_iter()
                        .map(|entry| (entry, "yes".to_owned()))
                        .collect(),
                )
            }
            (Some(_), None) if text.is_empty() => Value::List(Vec::new()),
            (Some(_), None) => {
                let fault = format!("{full} is a list; write {full} {{ and an entry a line");
                return Err(ImportError::at(&place, fault));
            }
        };
        let setting = Setting {
            place,
            version: Version::V2_4,
            name: full,
            value,
        };
        check(&setting)?;
        found.push(setting);
        Ok(())
    }

    /// What `$SET:variable` says in `filter`: what that filter has of its own, or the default. A setting that
    /// adds to itself sees what is around the filter as well.
    fn known(&self, filter: &[String], variable: &str, is_itself: bool) -> Option<String> {
        let of = |filter: &[String]| {
            let found = self.settings.get(filter)?;
            let setting = found.iter().find(|setting| setting.name == variable)?;
            match &setting.value {
                Value::Text(text) => Some(text.clone()),
                Value::List(_) => None,
            }
        };
        let around = (0..filter.len()).rev().map(|length| &filter[..length]);
        let around = around.filter(|_| is_itself);
        let mut filters = std::iter::once(filter).chain(around);
        filters.find_map(of).or_else(|| default(variable))
    }
}

/// Whether Dovecot takes the value, even if another one follows. What holds a variable it does not look at.
fn check(setting: &Setting) -> Result<(), ImportError> {
    let text = setting.text();
    if text.contains("%{") {
        return Ok(());
    }
    match &*setting.name {
        "oauth2_force_introspection"
        | "oauth2_send_auth_headers"
        | "oauth2_use_worker_with_mech"
        | "ssl_client_require_valid_cert" => setting.is_yes().map(drop),
        "oauth2_introspection_mode" => match text {
            "" | "auth" | "get" | "post" | "local" => Ok(()),
            _ => Err(setting.fault("is auth, get, post or local")),
        },
        "http_client_request_timeout" => setting.milliseconds().map(drop),
        "oauth2_token_expire_grace" => setting.seconds().map(drop),
        "http_client_max_parallel_connections" => setting.number().map(drop),
        _ => Ok(()),
    }
}
