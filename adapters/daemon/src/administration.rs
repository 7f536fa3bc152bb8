//! What an administrator does with accounts and their sources, beside a daemon that runs or not: it notices within a
//! second.

mod account;
mod app_password;
mod import;
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gatepost_accounts::id::Id;
use gatepost_accounts::model::Source;
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::{self, Context, Effect};
use gatepost_accounts::store::Unavailable;
use gatepost_mail::socketmap::Delimiters;
use gatepost_store::{
    Role, Session, Settings, SourceError, Sqlite, State, Store as _, Trouble, run,
};
use nix::unistd::Uid;

use crate::accounts::{self, now};
use crate::config::{AccountSettings, AccountSource, Config, ConfigError};
use crate::log::{self, audit};
use crate::process::account::{Account, AccountError};

pub(crate) use account::{Account as AccountOptions, run as run_account};
pub(crate) use app_password::{AppPasswords, run as run_app_password};
pub(crate) use source::{ScimSource, run as run_source};

/// The label of what an administrator does, in the audit.
const ACTOR: &str = "gatepost account";

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{}: there is no [accounts]; write it, with database = \"/var/lib/gatepost/accounts.sqlite\"", .0.display())]
    NoAccounts(PathBuf),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(
        "the database {} is not there; gatepost serve makes it where its directory is. If there was one, bring it back, and \
         start gatepost anew",
        .0.display()
    )]
    NoDatabase(PathBuf),
    #[error("the database {} {trouble}", .path.display())]
    Trouble { path: PathBuf, trouble: Trouble },
    #[error("the database cannot be read or written now; try again")]
    Unavailable,
    #[error("there is no [[accounts.source]] with name = {0:?}; name one of: {1}")]
    NoSource(String, String),
    #[error("there are several sources; say which: --source NAME, one of: {0}")]
    WhichSource(String),
    #[error("there is no account {0:?}; give its address, or its id")]
    NoAccount(String),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{}: {source}; give a file that can be read", .path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: longer than 32 MiB; split it", .0.display())]
    TooLong(PathBuf),
    #[error(
        "{}: line {line} is not UTF-8, so nothing was added; convert the file, as with iconv -f LATIN1 -t UTF-8 OLD > NEW",
        .path.display()
    )]
    NotUtf8 { path: PathBuf, line: usize },
    #[error("{}: {source}; name a file that can be written in app_password_key", .path.display())]
    Unwritable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0}")]
    Key(String),
    #[error("no random numbers")]
    NoRandom,
}

impl From<Unavailable> for Error {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl Error {
    /// 2 for what the configuration has to change, 1 for the rest.
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_)
            | Self::NoAccounts(_)
            | Self::NoDatabase(_)
            | Self::Account(_)
            | Self::Key(_) => ExitCode::from(2),
            _ => ExitCode::from(1),
        }
    }
}

/// Tells what came of it.
fn end(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::fault(&error);
            error.exit_code()
        }
    }
}

/// A database that is open, and what the configuration says of it.
struct Opened {
    settings: AccountSettings,
    delimiters: Delimiters,
    store: Sqlite,
}

impl Opened {
    /// Opens the database of the configuration at `path`, as the user that the daemon becomes, if what is wanted passes
    /// `check`: nothing is made for what cannot be done.
    fn open(
        path: &Path,
        role: Role,
        check: impl FnOnce(&AccountSettings) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let config = Config::read(path)?;
        log::start(&config.log);
        let delimiters = config.recipient_delimiter.get();
        let settings = config
            .accounts
            .ok_or_else(|| Error::NoAccounts(path.into()))?;
        if let (Some(user), true) = (&config.user, Uid::effective().is_root()) {
            // What root makes beside the database the daemon could not use.
            if let Some(account) = Account::find(user)? {
                account.become_it()?;
            }
        }
        check(&settings)?;
        let is_new = !settings.database().exists();
        let store = Sqlite::open(
            settings.database(),
            Settings {
                role,
                ..Settings::default()
            },
            (),
        );
        let path = settings.database().to_owned();
        let store = store.map_err(|trouble| match trouble {
            Trouble::Missing => Error::NoDatabase(path),
            trouble => Error::Trouble { path, trouble },
        })?;
        if is_new {
            accounts::tell_new(settings.database());
        }
        Ok(Self {
            settings,
            delimiters,
            store,
        })
    }

    /// Every source that is configured, each with its number; those that are not known are added.
    fn sources(&self) -> Result<Vec<Source>, Error> {
        let names = self.settings.sources.iter();
        let names: Vec<String> = names.map(|source| source.name.to_string()).collect();
        let settings = self.settings.sources.clone();
        let known = run(&self.store, move |session| {
            (Effect::Commit, known(session, &names, &settings))
        });
        known?
    }

    /// What came of it; of a database that is not available, why.
    fn told(&self, result: Result<(), Error>) -> Result<(), Error> {
        match (result, self.store.state()) {
            (Err(Error::Unavailable), State::Away { why, .. }) => Err(Error::Trouble {
                path: self.settings.database().to_owned(),
                trouble: why,
            }),
            (result, _) => result,
        }
    }

    /// Does something in one transaction.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Session) -> (Effect, T) + Send + 'static,
    ) -> Result<T, Error> {
        Ok(run(&self.store, work)?)
    }

    /// Has requests of SCIM answered for `source`, in one transaction.
    fn ask(&self, source: &Source, requests: Vec<Asked>) -> Result<Vec<Told>, Error> {
        let sources = self.sources()?;
        let routes = accounts::routes(&self.settings, &self.delimiters, &sources);
        let asking = source.clone();
        let answers = self.run(move |session| {
            let answers = requests
                .iter()
                .map(|asked| answer(asked, (&asking, &routes), session));
            let answers: Vec<scim::Answer> = answers.collect();
            let has = |effect| answers.iter().any(|answer| answer.effect == effect);
            let effect = match (has(Effect::RollBack), has(Effect::Commit)) {
                (true, _) => Effect::RollBack,
                (false, true) => Effect::Commit,
                (false, false) => Effect::Nothing,
            };
            (effect, (effect, answers))
        });
        let (effect, answers) = answers?;
        if effect == Effect::RollBack {
            return Err(Error::Unavailable);
        }
        let by = audit::By {
            source: &source.name,
            actor: ACTOR,
            sources: &sources,
        };
        for note in answers.iter().flat_map(|answer| &answer.notes) {
            audit::note(&by, note);
        }
        let told = answers.into_iter().map(|answer| Told {
            status: answer.response.status,
            body: serde_json::from_str(&answer.response.body.text()).unwrap_or_default(),
        });
        Ok(told.collect())
    }
}

fn names(settings: &AccountSettings) -> String {
    let names = settings.sources.iter().map(|source| &*source.name);
    names.collect::<Vec<_>>().join(", ")
}

/// What the configuration says of the source of that name; without a name of the only one.
fn configured<'s>(
    settings: &'s AccountSettings,
    name: Option<&str>,
) -> Result<&'s AccountSource, Error> {
    let mut sources = settings.sources.iter();
    match name {
        Some(name) => sources
            .find(|source| &*source.name == name)
            .ok_or_else(|| Error::NoSource(name.to_owned(), names(settings))),
        None => sources
            .next()
            .filter(|_| settings.sources.len() == 1)
            .ok_or_else(|| Error::WhichSource(names(settings))),
    }
}

/// A request of SCIM.
struct Asked {
    method: &'static str,
    path: String,
    body: serde_json::Value,
    /// For what is created.
    fresh: Id,
}

impl Asked {
    fn new(method: &'static str, path: String, body: serde_json::Value) -> Result<Self, Error> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::NoRandom)?;
        let fresh = Id::from_bytes(bytes);
        Ok(Self {
            method,
            path,
            body,
            fresh,
        })
    }
}

/// What is answered.
struct Told {
    status: u16,
    body: serde_json::Value,
}

impl Told {
    /// The answer, if the request was granted.
    fn granted(self) -> Result<serde_json::Value, Error> {
        if self.status < 300 {
            return Ok(self.body);
        }
        Err(Error::Refused(self.detail().to_owned()))
    }

    fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or("it was refused")
    }
}

/// The sources of these settings. What is written by other domains than the daemon's is derived at its next start.
fn known(
    session: &mut dyn Session,
    names: &[String],
    settings: &[AccountSource],
) -> Result<Vec<Source>, Error> {
    let numbers = accounts::know(session, names)?;
    let sources = settings.iter().zip(numbers);
    let sources = sources.map(|(source, id)| Ok(accounts::settle(session, source, id)?.0));
    let sources: Vec<Source> = sources.collect::<Result<_, Unavailable>>()?;
    accounts::forget_others(session, &sources)?;
    Ok(sources)
}

fn answer(
    asked: &Asked,
    (source, routes): (&Source, &Routes),
    session: &mut dyn Session,
) -> scim::Answer {
    let body = asked.body.to_string();
    let request = scim::Request {
        method: asked.method,
        path: &asked.path,
        content_type: Some(scim::CONTENT_TYPE),
        body: body.as_bytes(),
        ..scim::Request::default()
    };
    let context = Context {
        source,
        base_url: "",
        routes,
        now: now(),
        fresh: asked.fresh,
    };
    scim::answer(request, context, session)
}
