//! `gatepost doctor`: walks through a configuration as the daemon would use it, and says in words what is
//! wrong and what to do.

mod database;
mod heard;
mod network;
mod pull;
mod scim;
mod sockets;
mod token;

use std::io::{self, IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use gatepost_store::BearerSecret;

use crate::config::Config;
use crate::process::prepare::{Kept, prepare};

/// How long providers may take to be found.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest standard input that is read: a token.
const MAX_INPUT: u64 = 16 << 10;

/// Options of `gatepost doctor`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Who presents the token that is given on standard input, if any is; a source's secret may be given there instead
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// What has been found so far.
#[derive(Default)]
pub(crate) struct Findings {
    good: usize,
    faults: usize,
}

impl Findings {
    fn good(&mut self, what: &str) {
        self.good += 1;
        println!("ok     {what}");
    }

    /// Something that keeps logins from succeeding, and what to do.
    fn bad(&mut self, what: &str, advice: &str) {
        self.faults += 1;
        println!("WRONG  {what}\n       {advice}");
    }
}

/// Something that need not be wrong.
fn note(what: &str) {
    println!("note   {what}");
}

/// Exit code 0 where all is well, 1 where something is wrong, 2 where the configuration cannot be used.
pub(crate) fn run(options: &Options) -> ExitCode {
    let config = match Config::read(&options.config) {
        Ok(config) => config,
        Err(error) => {
            println!("WRONG  {error}");
            return ExitCode::from(2);
        }
    };
    heard::say();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let examined = runtime.and_then(|runtime| runtime.block_on(examine(options, &config)));
    match examined {
        Ok(Findings { good, faults: 0 }) => {
            println!("\n{good} good, nothing is wrong.");
            ExitCode::SUCCESS
        }
        Ok(Findings { good, faults }) => {
            println!("\n{good} good, {faults} wrong.");
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("gatepost: {error}");
            ExitCode::from(2)
        }
    }
}

async fn examine(options: &Options, config: &Config) -> io::Result<Findings> {
    let mut findings = Findings::default();
    findings.good(&format!("{} can be read", options.config.display()));
    for word in config.looser_words() {
        note(&format!("looser than the default: {word}"));
    }
    for file in config.exposed_secrets(&options.config) {
        note(&format!(
            "{} holds a secret and can be read by others: let its group be gatepost's (chgrp), then chmod o= it",
            file.display()
        ));
    }
    let prepared = prepare(&options.config, config, PATIENCE).await;
    for fault in &prepared.faults {
        if !sockets::is_our_own(fault) {
            findings.bad(&fault.to_string(), "the daemon would not start");
        }
    }
    examine_kept(&prepared.kept, &mut findings);
    sockets::examine(config, &mut findings);
    sockets::examine_trust(config);
    sockets::examine_upstream(config, &mut findings);
    if prepared.users.is_some() {
        findings.good("the list of users is readable");
    }
    let given = Given::read()?;
    if let Some(accounts) = &config.accounts {
        database::examine(accounts, prepared.database.as_ref(), &mut findings);
        scim::examine(accounts, given.secret(), &mut findings).await;
        pull::examine(accounts, &mut findings).await;
    }
    if let Some(generation) = prepared.generation {
        if !prepared.has_looked {
            note("some providers could not be discovered within ten seconds");
        }
        network::examine(config, &generation, &mut findings).await;
        match &given {
            Given::Token(token) => {
                token::examine(options, token, &generation, &mut findings).await;
            }
            Given::Terminal => note("give a token on standard input to have it judged"),
            Given::Nothing | Given::Secret(_) => {}
        }
    }
    Ok(findings)
}

/// What was given on standard input.
enum Given {
    /// Nobody has been asked: it is a terminal.
    Terminal,
    Nothing,
    /// What a client presents.
    Token(String),
    /// What a source of accounts presents.
    Secret(String),
}

impl Given {
    fn read() -> io::Result<Self> {
        if io::stdin().is_terminal() {
            return Ok(Self::Terminal);
        }
        let mut text = String::new();
        io::stdin().take(MAX_INPUT).read_to_string(&mut text)?;
        Ok(match text.trim() {
            "" => Self::Nothing,
            secret if BearerSecret::has_form(secret) => Self::Secret(secret.to_owned()),
            token => Self::Token(token.to_owned()),
        })
    }

    fn secret(&self) -> Option<&str> {
        match self {
            Self::Secret(secret) => Some(secret),
            Self::Terminal | Self::Nothing | Self::Token(_) => None,
        }
    }
}

/// Where keys that were fetched survive a restart.
fn examine_kept(kept: &Kept, findings: &mut Findings) {
    match kept {
        Kept::NotNeeded => {}
        Kept::Nowhere => note(
            "no state_directory: a start while the provider is away has no keys; write one, or \
             StateDirectory= in the systemd unit",
        ),
        Kept::In(directory) => findings.good(&format!(
            "state_directory {} can be written",
            directory.display()
        )),
        Kept::Unusable(directory, error) => findings.bad(
            &format!("state_directory {}: {error}", directory.display()),
            "create it, and let it belong to gatepost's user",
        ),
    }
}
