//! `gatepost account import`: accounts from files of other programs.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use gatepost_accounts::model::Source;
use gatepost_accounts::name::Address;
use serde_json::json;

use super::account::USER;
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
    for (number, name) in names(path, format)? {
        let address = Address::parse(&name).ok();
        let address = address.filter(|address| source.domains.contains(address.domain()));
        let Some(address) = address else {
            count.refused.push(format!(
                "line {number}: no address in a domain of the source {:?}",
                source.name
            ));
            continue;
        };
        batch.push((number, address));
        if batch.len() == BATCH {
            add(opened, source, &batch, count)?;
            batch.clear();
        }
    }
    add(opened, source, &batch, count)
}

/// The names in a file, with the numbers of their lines. Passwords are read over.
fn names(path: &Path, format: Format) -> Result<Vec<(usize, String)>, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let end = match format {
        Format::PasswdFile => ':',
        Format::DockerMailserver => '|',
    };
    let mut names = Vec::new();
    let mut reader = BufReader::new(file.take(MAX_FILE + 1));
    for (index, line) in reader.by_ref().split(b'\n').enumerate() {
        let line = line.map_err(unreadable)?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split(end).next().unwrap_or_default();
        names.push((index + 1, name.trim().to_owned()));
    }
    if reader.get_ref().limit() == 0 {
        return Err(Error::TooLong(path.into()));
    }
    Ok(names)
}

fn add(
    opened: &Opened,
    source: &Source,
    batch: &[(usize, Address)],
    count: &mut Count,
) -> Result<(), Error> {
    let requests = batch.iter().map(|(_, address)| {
        let body = json!({"schemas": [USER], "userName": address.as_str()});
        Asked::new("POST", "/Users".to_owned(), body)
    });
    let requests = requests.collect::<Result<Vec<_>, _>>()?;
    let told = opened.ask(source, requests)?;
    for ((number, address), told) in batch.iter().zip(told) {
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
