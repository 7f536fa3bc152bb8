//! `gatepost account import`: accounts from files of other programs.

mod csv;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use gatepost_accounts::model::Source;
use gatepost_accounts::name::Address;
use serde_json::{Value, json};

use super::account::{MAIL, USER};
use super::{Asked, Error, Opened};
use crate::log;

/// Longest file, in bytes.
const MAX_FILE: u64 = 32 << 20;

/// Accounts that are added in one transaction.
const BATCH: usize = 200;

/// What a file is written as.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Format {
    /// Dovecot's passwd-file: `user@example.com:..`
    PasswdFile,
    /// docker-mailserver's postfix-accounts.cf: `user@example.com|..`
    DockerMailserver,
    /// A table whose first line names its columns: address, `display_name`, `external_id`, aliases, quota, active
    Csv,
}

/// What a file says of an account.
#[derive(Debug, Default, Eq, PartialEq)]
struct Row {
    address: String,
    display_name: Option<String>,
    external_id: Option<String>,
    aliases: Vec<String>,
    quota: Option<u64>,
    is_disabled: bool,
}

impl Row {
    /// The account as a source would push it.
    fn body(&self, address: &Address) -> Value {
        let aliases = self.aliases.iter().map(|alias| json!({"value": alias}));
        let mut body = json!({
            "schemas": [USER],
            "userName": address.as_str(),
            "displayName": self.display_name,
            "externalId": self.external_id,
            "emails": aliases.collect::<Vec<_>>(),
            "active": !self.is_disabled,
        });
        if let Some(quota) = self.quota {
            body["schemas"] = json!([USER, MAIL]);
            body[MAIL] = json!({"quota": quota});
        }
        body
    }
}

/// What became of the lines.
#[derive(Default)]
struct Count {
    added: usize,
    there: usize,
    /// A line for each that was refused, printed at the end: the log's own thread writes to standard error meanwhile.
    refused: Vec<String>,
}

/// Adds the accounts of a file, and prints how many; those that are refused each have a line.
pub(super) fn run(
    opened: &Opened,
    path: &Path,
    format: Format,
    source: &Source,
) -> Result<(), Error> {
    let mut count = Count::default();
    let read = read(opened, (path, format), source, &mut count);
    log::flush();
    for line in &count.refused {
        eprintln!("{line}");
    }
    read?;
    let refused = count.refused.len();
    let Count { added, there, .. } = count;
    println!("{added} added, {there} there already, {refused} refused");
    if refused > 0 {
        let text = format!("{refused} lines were refused; see above");
        return Err(Error::Refused(text));
    }
    Ok(())
}

fn read(
    opened: &Opened,
    (path, format): (&Path, Format),
    source: &Source,
    count: &mut Count,
) -> Result<(), Error> {
    let mut batch = Vec::new();
    for (number, row) in rows(path, format)? {
        let ready = row.and_then(|row| {
            let address = Address::parse(&row.address).ok();
            let address = address.filter(|address| source.domains.contains(address.domain()));
            let address = address
                .ok_or_else(|| format!("no address in a domain of the source {:?}", source.name))?;
            Ok((row.body(&address), address))
        });
        match ready {
            Ok((body, address)) => batch.push((number, body, address)),
            Err(why) => count.refused.push(format!("line {number}: {why}")),
        }
        if batch.len() == BATCH {
            add(opened, source, &batch, count)?;
            batch.clear();
        }
    }
    add(opened, source, &batch, count)
}

/// What a file says of accounts, with the numbers of its lines. Passwords are read over.
fn rows(path: &Path, format: Format) -> Result<Vec<csv::Read>, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut reader = BufReader::new(file.take(MAX_FILE + 1));
    let end = match format {
        Format::PasswdFile => ':',
        Format::DockerMailserver => '|',
        Format::Csv => {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).map_err(unreadable)?;
            if reader.get_ref().limit() == 0 {
                return Err(Error::TooLong(path.into()));
            }
            let rows = csv::read(&String::from_utf8_lossy(&text));
            let told = |why| Error::Refused(format!("{}: {why}", path.display()));
            return rows.map_err(told);
        }
    };
    let mut rows = Vec::new();
    for (index, line) in reader.by_ref().split(b'\n').enumerate() {
        let line = line.map_err(unreadable)?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split(end).next().unwrap_or_default();
        let row = Row {
            address: name.trim().to_owned(),
            ..Row::default()
        };
        rows.push((index + 1, Ok(row)));
    }
    if reader.get_ref().limit() == 0 {
        return Err(Error::TooLong(path.into()));
    }
    Ok(rows)
}

fn add(
    opened: &Opened,
    source: &Source,
    batch: &[(usize, Value, Address)],
    count: &mut Count,
) -> Result<(), Error> {
    let requests = batch.iter();
    let requests =
        requests.map(|(_, body, _)| Asked::new("POST", "/Users".to_owned(), body.clone()));
    let requests = requests.collect::<Result<Vec<_>, _>>()?;
    let told = opened.ask(source, requests)?;
    for ((number, _, address), told) in batch.iter().zip(told) {
        match told.status {
            201 => count.added += 1,
            // Its own already, or another's: the audit tells which.
            409 if opened.is_own(source, address)? => count.there += 1,
            _ => {
                let line = format!("line {number}: {address}: {}", told.detail());
                count.refused.push(line);
            }
        }
    }
    Ok(())
}

impl Opened {
    /// Whether an address is that of an account of this source.
    fn is_own(&self, source: &Source, address: &Address) -> Result<bool, Error> {
        let (id, address) = (source.id, address.to_string());
        let owner = self.run(move |session| {
            let owner = session.owner(&address);
            (gatepost_accounts::scim::Effect::Nothing, owner)
        })??;
        Ok(owner.is_some_and(|owner| owner.source == id))
    }
}
