//! `gatepost account`.

use std::path::PathBuf;
use std::process::ExitCode;

use gatepost_accounts::id::Id;
use gatepost_accounts::model::{Kind, Resource, Source, SourceId};
use gatepost_accounts::name::{Address, fold};
use gatepost_accounts::scim::Effect;
use gatepost_accounts::scim::limits::MAX_PAGE;
use gatepost_accounts::store::{Key, Record, Unavailable};
use gatepost_store::{Role, Session};
use serde_json::{Value, json};

use super::import::Format;
use super::{Asked, Error, Opened, configured, end, import};
use crate::config::AccountSettings;

pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const MAIL: &str = "urn:gatepost:params:scim:schemas:extension:mail:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Looks at accounts, and changes them.
#[derive(clap::Args)]
pub(crate) struct Account {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Lists accounts: id, source, whether it may log in, mailbox, name.
    List {
        /// Those of this source alone
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
    },
    /// Prints an account as SCIM shows it.
    Show {
        /// One of its addresses, or its id
        account: String,
    },
    /// Adds an account, and prints its id.
    Add(Add),
    /// Lets an account log in no more; its mail is kept.
    Disable {
        /// One of its addresses, or its id
        account: String,
    },
    /// Lets it log in again.
    Enable {
        /// One of its addresses, or its id
        account: String,
    },
    /// Deletes an account; what is stored of its mail stays.
    Delete {
        /// One of its addresses, or its id
        account: String,
    },
    /// Adds the accounts of a file; those that are there already stay as they are.
    Import {
        /// The file
        file: PathBuf,
        /// What it is written as
        #[arg(long, value_enum)]
        format: Format,
        /// The source that they are to belong to
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
    },
}

#[derive(clap::Args)]
struct Add {
    /// The address of its mailbox
    address: String,
    /// The source that it is to belong to; there is nothing to choose where there is one
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// What people call it
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// What its provider calls it: the `sub` of its tokens
    #[arg(long, value_name = "TEXT")]
    external_id: Option<String>,
    /// Another address whose mail it gets
    #[arg(long, value_name = "ADDRESS")]
    alias: Vec<String>,
    /// How many bytes its mailbox may hold; 0 is no limit, whatever Dovecot has by default
    #[arg(long, value_name = "BYTES")]
    quota: Option<u64>,
}

/// Does what is asked. Exit code 1 where it is not done, 2 where the configuration has to change.
pub(crate) fn run(options: &Account) -> ExitCode {
    let (path, verb) = (&options.config, &options.verb);
    let opened = Opened::open(path, verb.role(), |settings| verb.check(settings));
    end(opened.and_then(|opened| opened.told(opened.account(verb))))
}

impl Verb {
    fn role(&self) -> Role {
        match self {
            Self::Add(_) | Self::Import { .. } => Role::FirstCommand,
            _ => Role::Command,
        }
    }

    /// Refuses what cannot be done, whatever the database says.
    fn check(&self, settings: &AccountSettings) -> Result<(), Error> {
        match self {
            Self::Add(add) => {
                let source = configured(settings, add.source.as_deref())?;
                check_addresses(add, &source.with_number(SourceId(0)))
            }
            Self::Import {
                file,
                format,
                source,
            } => {
                configured(settings, source.as_deref())?;
                import::check(file, *format)
            }
            _ => Ok(()),
        }
    }
}

/// Refuses addresses that the source cannot give.
fn check_addresses(add: &Add, source: &Source) -> Result<(), Error> {
    Address::parse(&add.address)
        .map_err(|error| Error::Refused(format!("{:?}: {error}", add.address)))?;
    let all = [&add.address].into_iter().chain(&add.alias);
    for address in all {
        if own(source, address).is_none() {
            let text = format!(
                "{address}: the source {:?} gives no addresses in that domain; add it to its domains",
                source.name
            );
            return Err(Error::Refused(text));
        }
    }
    Ok(())
}

impl Opened {
    fn account(&self, verb: &Verb) -> Result<(), Error> {
        match verb {
            Verb::List { source } => self.list(source.as_deref()),
            Verb::Show { account } => self.show(account),
            Verb::Add(add) => self.add(add),
            Verb::Disable { account } => self.set_active(account, false),
            Verb::Enable { account } => self.set_active(account, true),
            Verb::Delete { account } => self.change(account, "DELETE", Value::Null),
            Verb::Import {
                file,
                format,
                source,
            } => {
                let source = self.source(source.as_deref())?;
                import::run(self, file, *format, &source)
            }
        }
    }

    /// The source of that name, with its number.
    fn source(&self, name: Option<&str>) -> Result<Source, Error> {
        let configured = configured(&self.settings, name)?;
        let mut sources = self.sources()?.into_iter();
        let found = sources.find(|source| source.name == *configured.name);
        found.ok_or(Error::Unavailable)
    }

    fn list(&self, name: Option<&str>) -> Result<(), Error> {
        let sources = match name {
            Some(name) => vec![self.source(Some(name))?],
            None => self.sources()?,
        };
        for source in sources {
            let (id, mut position) = (source.id, 0);
            loop {
                let page = self.run(move |session| {
                    let page = session.after(Kind::Account, id, position, MAX_PAGE);
                    (Effect::Nothing, page)
                })??;
                for record in &page {
                    position = record.resource.life().position;
                    print_row(&source, record);
                }
                if page.len() < MAX_PAGE {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The account that has that address or id, and its source.
    pub(super) fn find(&self, wanted: &str) -> Result<(Source, Id), Error> {
        let sources = self.sources()?;
        let (all, text) = (sources.clone(), wanted.to_owned());
        let found = self.run(move |session| (Effect::Nothing, look_up(session, &all, &text)))??;
        let found = found.and_then(|(place, id)| Some((sources.get(place)?.clone(), id)));
        found.ok_or_else(|| Error::NoAccount(wanted.to_owned()))
    }

    fn show(&self, wanted: &str) -> Result<(), Error> {
        let (source, id) = self.find(wanted)?;
        let asked = Asked::new("GET", format!("/Users/{id}"), Value::Null)?;
        for told in self.ask(&source, vec![asked])? {
            println!("{:#}", told.granted()?);
        }
        Ok(())
    }

    fn add(&self, add: &Add) -> Result<(), Error> {
        let source = self.source(add.source.as_deref())?;
        let aliases = add.alias.iter().map(|alias| json!({"value": alias}));
        let mut body = json!({
            "schemas": [USER],
            "userName": fold(&add.address),
            "displayName": add.display_name,
            "externalId": add.external_id,
            "emails": aliases.collect::<Vec<_>>(),
        });
        if let Some(quota) = add.quota {
            body["schemas"] = json!([USER, MAIL]);
            body[MAIL] = json!({"quota": quota});
        }
        let asked = Asked::new("POST", "/Users".to_owned(), body)?;
        for told in self.ask(&source, vec![asked])? {
            println!("{}", told.granted()?["id"].as_str().unwrap_or_default());
        }
        Ok(())
    }

    fn set_active(&self, wanted: &str, is_active: bool) -> Result<(), Error> {
        let operation = json!({"op": "replace", "path": "active", "value": is_active});
        let body = json!({"schemas": [PATCH], "Operations": [operation]});
        self.change(wanted, "PATCH", body)
    }

    fn change(&self, wanted: &str, method: &'static str, body: Value) -> Result<(), Error> {
        let (source, id) = self.find(wanted)?;
        let asked = Asked::new(method, format!("/Users/{id}"), body)?;
        for told in self.ask(&source, vec![asked])? {
            told.granted()?;
        }
        Ok(())
    }
}

/// An address that the source may give; `None` for any other, and for what is no address.
pub(super) fn own(source: &Source, text: &str) -> Option<Address> {
    let address = Address::parse(text).ok()?;
    source.domains.contains(address.domain()).then_some(address)
}

/// The place of the source that owns the account, and its id.
fn look_up(
    session: &mut dyn Session,
    sources: &[Source],
    wanted: &str,
) -> Result<Option<(usize, Id)>, Unavailable> {
    if let Some(id) = Id::parse(wanted) {
        for (place, source) in sources.iter().enumerate() {
            if !session
                .find(Kind::Account, source.id, Key::Id(id), 1)?
                .is_empty()
            {
                return Ok(Some((place, id)));
            }
        }
    }
    let owner = session.owner(&fold(wanted))?;
    Ok(owner.and_then(|owner| {
        let place = sources.iter().position(|source| source.id == owner.source);
        Some((place?, owner.account))
    }))
}

fn print_row(source: &Source, record: &Record) {
    let Resource::Account(account) = &record.resource else {
        return;
    };
    let state = if account.active { "active" } else { "disabled" };
    let mailbox = account.mailbox.as_ref().map_or("-", Address::as_str);
    let (id, source, name) = (account.id, &source.name, &account.user_name);
    println!("{id}\t{source}\t{state}\t{mailbox}\t{name}");
}
