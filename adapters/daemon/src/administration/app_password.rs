//! `gatepost app-password`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aws_lc_rs::digest;
use gatepost_accounts::app_password::{KeptPassword, KeyId, PasswordId, Service, Verifier};
use gatepost_accounts::id::Id;
use gatepost_accounts::model::Source;
use gatepost_accounts::scim::Effect;
use gatepost_accounts::time::Timestamp;
use gatepost_core::app_password::{AppPassword, VerifierKey};
use gatepost_store::{NewPassword, PasswordError, Role};
use ipnet::IpNet;

use super::{Error, Opened, end};
use crate::accounts::now;
use crate::config::{Config, ServiceName, write_key};
use crate::log::audit;
use crate::process::account::Account;

const MILLIS_A_DAY: i64 = 86_400_000;

/// Makes application passwords, for mail clients that know nothing of OAuth, and revokes them.
#[derive(clap::Args)]
pub(crate) struct AppPasswords {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Makes a password, and prints it, once.
    Add(New),
    /// Lists an account's passwords: number, state, label, services, networks, and when each was added, expires and was used last.
    List {
        /// One of the account's addresses, or its id
        user: String,
    },
    /// Revokes a password.
    Revoke {
        /// One of the account's addresses, or its id
        user: String,
        /// The number of the password, as `list` prints it
        id: u32,
    },
    /// Makes the key that passwords are kept by, in the first file of `app_password_key`.
    MakeKey,
}

#[derive(clap::Args)]
struct New {
    /// One of the account's addresses, or its id
    user: String,
    /// What its user calls it, as in "Phone"
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,
    /// A service that it is good for; for all without this
    #[arg(long, value_enum)]
    service: Vec<ServiceName>,
    /// A network, or an address, that it is good from; from everywhere without this
    #[arg(long, value_name = "CIDR", value_parser = network)]
    network: Vec<IpNet>,
    /// After how many days it is good no more
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    expires_days: Option<u16>,
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    let network = text.parse();
    let network = network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "write an address or a network, such as 192.0.2.0/24")
}

/// Does what is asked. Exit code 1 where it is not done, 2 where the configuration has to change.
pub(crate) fn run(options: &AppPasswords) -> ExitCode {
    end(match &options.verb {
        Verb::MakeKey => make_key(&options.config),
        verb => Opened::open(&options.config, Role::Command, |_| Ok(()))
            .and_then(|opened| opened.app_passwords(verb)),
    })
}

impl Opened {
    fn app_passwords(&self, verb: &Verb) -> Result<(), Error> {
        match verb {
            Verb::Add(new) => self.add_password(new),
            Verb::List { user } => self.list_passwords(user),
            Verb::Revoke { user, id } => self.revoke_password(user, PasswordId(*id)),
            Verb::MakeKey => Ok(()),
        }
    }

    fn add_password(&self, new: &New) -> Result<(), Error> {
        let keys = self.settings.app_password_keys();
        let keys = keys.map_err(|fault| Error::Key(format!("[accounts]: {fault}")))?;
        let Some(key) = keys.first() else {
            return Err(no_key());
        };
        let (source, account) = self.find(&new.user)?;
        let mut random = [0; 14];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| Error::NoRandom)?;
        let password = AppPassword::from_random(random);
        let verifier = VerifierKey::new(key).verifier(account.as_bytes(), &password);
        let (key, now) = (key_id(key), now());
        let lives = new.expires_days.map(|days| i64::from(days) * MILLIS_A_DAY);
        let expires = lives.map(|lives| Timestamp::from_millis(now.millis() + lives));
        let (label, networks) = (new.label.clone(), new.network.clone());
        let services = new.service.iter().copied().map(Service::from).collect();
        let added = self.run(move |session| {
            let added = session.add_password(&NewPassword {
                account,
                key,
                verifier: Verifier(verifier),
                label: &label,
                services,
                networks: &networks,
                now,
                expires,
            });
            let effect = added.map_or(Effect::RollBack, |_| Effect::Commit);
            (effect, added)
        })?;
        let added = added.map_err(|error| match error {
            PasswordError::Unavailable(_) => Error::Unavailable,
            error => Error::Refused(error.to_string()),
        })?;
        audit::app_password(&source, account, (added, &new.label), "added");
        let mut shown = [0; AppPassword::SHOWN_LEN];
        println!("number    {}", added.0);
        println!("password  {}", password.show(&mut shown));
        println!(
            "It is shown this once. Capitals, and more or fewer hyphens and blanks, make no difference."
        );
        Ok(())
    }

    fn list_passwords(&self, user: &str) -> Result<(), Error> {
        let now = now();
        for password in self.passwords_of(self.find(user)?.1)? {
            print_row(&password, now);
        }
        Ok(())
    }

    fn passwords_of(&self, account: Id) -> Result<Vec<KeptPassword>, Error> {
        let passwords = self.run(move |session| (Effect::Nothing, session.passwords(account)))?;
        Ok(passwords?)
    }

    fn revoke_password(&self, user: &str, password: PasswordId) -> Result<(), Error> {
        let (source, account): (Source, Id) = self.find(user)?;
        let mut known = self.passwords_of(account)?.into_iter();
        let known = known.find(|known| known.id == password);
        let revoked = self.run(move |session| {
            let revoked = session.revoke_password(account, password, now());
            (Effect::Commit, revoked)
        })??;
        if !revoked {
            let text = format!(
                "{user} has no application password {} that is not revoked; list prints their numbers",
                password.0
            );
            return Err(Error::Refused(text));
        }
        let label = known.map_or_else(String::new, |known| known.label);
        audit::app_password(&source, account, (password, &label), "revoked");
        Ok(())
    }
}

fn print_row(password: &KeptPassword, now: Timestamp) {
    let joined = |parts: Vec<String>| {
        let all = parts.is_empty().then(|| "all".to_owned());
        all.unwrap_or_else(|| parts.join(","))
    };
    let services = password.services.named();
    let services = joined(services.map(|one| one.name().to_owned()).collect());
    let networks = joined(password.networks.iter().map(IpNet::to_string).collect());
    let state = match password.revoked {
        Some(_) => "revoked",
        None if password.is_good(now) => "good",
        None => "expired",
    };
    let expires = password.expires.map(|expires| expires.to_string());
    let used = password.used.map(|used| match used.from {
        Some(from) => format!("{} from {from}", used.at),
        None => used.at.to_string(),
    });
    println!(
        "{}\t{state}\t{}\t{services}\t{networks}\tadded {}\texpires {}\tused {}",
        password.id.0,
        password.label,
        password.created,
        expires.as_deref().unwrap_or("never"),
        used.as_deref().unwrap_or("never"),
    );
}

/// Names a key, and says nothing of it that helps to guess it.
fn key_id(key: &[u8; 32]) -> KeyId {
    let hash = digest::digest(&digest::SHA256, key);
    let start = hash.as_ref().first_chunk().copied();
    KeyId(u32::from_be_bytes(start.unwrap_or_default()))
}

fn no_key() -> Error {
    let text = "[accounts]: there is no app_password_key; write app_password_key = \
                \"/etc/gatepost/app-password.key\", and make it: gatepost app-password make-key";
    Error::Key(text.to_owned())
}

/// Makes the key that new passwords are kept by. Whoever becomes another user gives it to that one.
fn make_key(path: &Path) -> Result<(), Error> {
    let config = Config::read(path)?;
    let settings = config
        .accounts
        .ok_or_else(|| Error::NoAccounts(path.into()))?;
    let first = settings.app_password_key_files().next();
    let file = first.ok_or_else(no_key)?;
    let is_root = nix::unistd::Uid::effective().is_root();
    let user = config.user.as_deref().filter(|_| is_root);
    let owner = user.map(Account::find).transpose()?.flatten();
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| Error::NoRandom)?;
    let made = write(file, &write_key(&key), owner.as_ref());
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::Refused(format!(
            "{} is there already; for another key name a new file before it: app_password_key = [\"NEW\", \"{}\"]",
            file.display(),
            file.display()
        )),
        _ => Error::Unwritable {
            path: file.into(),
            source: error,
        },
    })?;
    println!(
        "{} is made. Keep a copy of it, but not beside copies of the database.",
        file.display()
    );
    Ok(())
}

fn write(file: &Path, text: &str, owner: Option<&Account>) -> io::Result<()> {
    let mut opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    if let Some(owner) = owner {
        let (user, group) = owner.numbers();
        fchown(&opened, Some(user), Some(group))?;
    }
    opened.write_all(text.as_bytes())?;
    opened.sync_all()
}
