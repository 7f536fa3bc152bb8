//! `gatepost account import`: accounts from files of other programs.

mod csv;
mod passwd_file;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use gatepost_accounts::model::Source;
use gatepost_accounts::name::Address;
use serde_json::{Value, json};

use super::account::{MAIL, USER, own};
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
    /// What else it says of logins and quotas, for which an account has no word.
    left_out: Vec<String>,
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

/// An account that can be added.
struct Ready {
    /// The number of its line.
    number: usize,
    body: Value,
    address: Address,
    left_out: Vec<String>,
}

/// What became of the lines. Those that are printed are so at the end: the log's own thread writes to standard error
/// meanwhile.
#[derive(Default)]
struct Count {
    added: usize,
    there: usize,
    /// A line for each that was added without something that it says.
    partly: Vec<String>,
    /// A line for each that was refused.
    refused: Vec<String>,
}

/// Adds the accounts of a file, and prints how many; those that are refused each have a line, and those that are not
/// added as a whole.
pub(super) fn run(
    opened: &Opened,
    path: &Path,
    format: Format,
    source: &Source,
) -> Result<(), Error> {
    let mut count = Count::default();
    let read = read(opened, (path, format), source, &mut count);
    log::flush();
    for line in count.partly.iter().chain(&count.refused) {
        eprintln!("{line}");
    }
    read?;
    let (partly, refused) = (count.partly.len(), count.refused.len());
    let Count { added, there, .. } = count;
    let partly = match partly {
        0 => String::new(),
        partly => format!(", {partly} not as a whole"),
    };
    println!("{added} added, {there} there already, {refused} refused{partly}");
    if refused > 0 {
        let text = format!("{refused} lines were refused; see above");
        return Err(Error::Refused(text));
    }
    Ok(())
}

/// Refuses a file that cannot be read.
pub(super) fn check(path: &Path, format: Format) -> Result<(), Error> {
    rows(path, format).map(|_| ())
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
            let own = |text: &String| own(source, text);
            let address = own(&row.address)
                .ok_or_else(|| format!("no address in a domain of the source {:?}", source.name))?;
            if let Some(alias) = row.aliases.iter().find(|alias| own(alias).is_none()) {
                let name = &source.name;
                return Err(format!(
                    "{alias:?}: no address in a domain of the source {name:?}"
                ));
            }
            Ok(Ready {
                number,
                body: row.body(&address),
                address,
                left_out: row.left_out,
            })
        });
        match ready {
            Ok(ready) => batch.push(ready),
            Err(why) => count.refused.push(format!("line {number}: {why}")),
        }
        if batch.len() == BATCH {
            add(opened, source, &batch, count)?;
            batch.clear();
        }
    }
    add(opened, source, &batch, count)
}

/// What a file says of accounts, with the numbers of its lines. All of it is read before anybody is added.
fn rows(path: &Path, format: Format) -> Result<Vec<csv::Read>, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.into(),
        source,
    };
    let mut file = File::open(path).map_err(unreadable)?.take(MAX_FILE + 1);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if file.limit() == 0 {
        return Err(Error::TooLong(path.into()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        Error::NotUtf8 {
            path: path.into(),
            line: before.split(|c| *c == b'\n').count(),
        }
    })?;
    let columns = match format {
        Format::PasswdFile => (':', 8),
        Format::DockerMailserver => ('|', 3),
        Format::Csv => {
            let told = |why| Error::Refused(format!("{}: {why}", path.display()));
            return csv::read(text).map_err(told);
        }
    };
    // Some editors begin a file of UTF-8 with a mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    Ok(lines
        .map(|(index, line)| (index + 1, Ok(passwd_file::row(line, columns))))
        .collect())
}

fn add(opened: &Opened, source: &Source, batch: &[Ready], count: &mut Count) -> Result<(), Error> {
    let requests = batch.iter();
    let requests = requests.map(|one| Asked::new("POST", "/Users".to_owned(), one.body.clone()));
    let requests = requests.collect::<Result<Vec<_>, _>>()?;
    let told = opened.ask(source, requests)?;
    for (one, told) in batch.iter().zip(told) {
        let (number, address) = (one.number, &one.address);
        match told.status {
            201 => {
                count.added += 1;
                if !one.left_out.is_empty() {
                    let fields = one.left_out.join(", ");
                    count.partly.push(format!(
                        "line {number}: {address}: added, but not taken over: {fields}"
                    ));
                }
            }
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
