//! `gatepost scim-source`.

use std::path::PathBuf;
use std::process::ExitCode;

use gatepost_accounts::model::SourceId;
use gatepost_accounts::scim::Effect;
use gatepost_accounts::time::Timestamp;
use gatepost_store::{BearerSecret, NewSecret, Role, SecretId, Session};

use super::{Error, Opened, configured, end};
use crate::accounts::now;
use crate::config::AccountSettings;

const MILLIS_A_DAY: i64 = 86_400_000;

/// Looks at the sources that push accounts, and gives them secrets.
#[derive(clap::Args)]
pub(crate) struct ScimSource {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Gives a source of the configuration its first secret, and prints it, once.
    Add(New),
    /// Gives it another secret, and prints it, once; the others are good until they are revoked.
    Rotate {
        #[command(flatten)]
        new: New,
        /// Revokes all others at once
        #[arg(long)]
        revoke_others: bool,
    },
    /// Revokes a secret.
    Revoke {
        /// The source
        name: String,
        /// The number of the secret, as `list` prints it
        secret: u32,
    },
    /// Lists sources, and the secrets of each: number, label, when it was added, and when it expires.
    List,
}

#[derive(clap::Args)]
struct New {
    /// The source, as [[accounts.source]] names it
    name: String,
    /// What the log calls the secret
    #[arg(long, value_name = "TEXT", default_value = "secret")]
    label: String,
    /// After how many days it is good no more
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    expires_days: Option<u16>,
}

/// Does what is asked. Exit code 1 where it is not done, 2 where the configuration has to change.
pub(crate) fn run(options: &ScimSource) -> ExitCode {
    let role = match options.verb {
        Verb::Add(_) => Role::FirstCommand,
        Verb::Rotate { .. } | Verb::Revoke { .. } | Verb::List => Role::Command,
    };
    let (path, verb) = (&options.config, &options.verb);
    let opened = Opened::open(path, role, |settings| verb.check(settings));
    end(opened.and_then(|opened| opened.told(opened.scim_source(verb))))
}

impl Verb {
    /// Refuses what cannot be done, whatever the database says.
    fn check(&self, settings: &AccountSettings) -> Result<(), Error> {
        match self {
            Self::Add(new) | Self::Rotate { new, .. } => {
                public_url(settings, &new.name).map(|_| ())
            }
            Self::Revoke { name, .. } => configured(settings, Some(name)).map(|_| ()),
            Self::List => Ok(()),
        }
    }
}

/// Where a source pushes to.
fn public_url<'s>(settings: &'s AccountSettings, name: &str) -> Result<&'s str, Error> {
    let url = configured(settings, Some(name))?.public_url();
    url.ok_or_else(|| {
        Error::Refused(format!(
            "the source {name:?} pushes nothing; write its public_url into the configuration"
        ))
    })
}

impl Opened {
    fn scim_source(&self, verb: &Verb) -> Result<(), Error> {
        match verb {
            Verb::Add(new) => self.add_secret(new, Others::MustNotBe),
            Verb::Rotate { new, revoke_others } => {
                let others = if *revoke_others {
                    Others::Revoke
                } else {
                    Others::Keep
                };
                self.add_secret(new, others)
            }
            Verb::Revoke { name, secret } => self.revoke(name, SecretId(*secret)),
            Verb::List => self.list_sources(),
        }
    }

    fn add_secret(&self, new: &New, others: Others) -> Result<(), Error> {
        let url = public_url(&self.settings, &new.name)?;
        let id = self.number_of(&new.name)?;
        let mut bits = [0; 32];
        aws_lc_rs::rand::fill(&mut bits).map_err(|_| Error::NoRandom)?;
        let secret = BearerSecret::from_random(bits);
        let (hash, label, now) = (secret.hash(), new.label.clone(), now());
        let lives = new.expires_days.map(|days| i64::from(days) * MILLIS_A_DAY);
        let expires = lives.map(|lives| Timestamp::from_millis(now.millis() + lives));
        self.run(move |session| {
            let new = NewSecret {
                hash,
                label: &label,
                now,
                expires,
            };
            match keep(session, id, (&new, others)) {
                Ok(()) => (Effect::Commit, Ok(())),
                Err(error) => (Effect::RollBack, Err(error)),
            }
        })??;
        println!("URL     {url}");
        println!("secret  {}", secret.reveal());
        println!("It is shown this once. Give it to the source as its bearer token.");
        Ok(())
    }

    fn number_of(&self, name: &str) -> Result<SourceId, Error> {
        let mut sources = self.sources()?.into_iter();
        let found = sources.find(|source| source.name == name);
        found.map(|source| source.id).ok_or(Error::Unavailable)
    }

    fn revoke(&self, name: &str, secret: SecretId) -> Result<(), Error> {
        let id = self.number_of(name)?;
        let was_there = self.run(move |session| {
            let revoked = session.revoke_secret(id, secret);
            (Effect::Commit, revoked)
        })??;
        if was_there {
            return Ok(());
        }
        let text = format!(
            "{name:?} has no secret {}; list prints their numbers",
            secret.0
        );
        Err(Error::Refused(text))
    }

    fn list_sources(&self) -> Result<(), Error> {
        for source in self.sources()? {
            let configured = configured(&self.settings, Some(&source.name))?;
            let url = configured
                .public_url()
                .unwrap_or("pushes nothing")
                .to_owned();
            println!("{}\t{url}", source.name);
            let id = source.id;
            let secrets = self.run(move |session| (Effect::Nothing, session.secrets(id)))??;
            for secret in secrets {
                let expires = secret.expires.map(|expires| expires.to_string());
                let expires = expires.as_deref().unwrap_or("never");
                println!(
                    "\t{}\t{}\tadded {}\texpires {expires}",
                    secret.id.0, secret.label, secret.created
                );
            }
        }
        Ok(())
    }
}

/// What becomes of secrets that are there already.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Others {
    MustNotBe,
    Keep,
    Revoke,
}

fn keep(
    session: &mut dyn Session,
    source: SourceId,
    (new, others): (&NewSecret<'_>, Others),
) -> Result<(), Error> {
    let known = session.secrets(source)?;
    if others == Others::MustNotBe && !known.is_empty() {
        let text = "it has a secret already; gatepost scim-source rotate gives it another";
        return Err(Error::Refused(text.to_owned()));
    }
    if others == Others::Revoke {
        for secret in known {
            session.revoke_secret(source, secret.id)?;
        }
    }
    session.add_secret(source, new)?;
    Ok(())
}
