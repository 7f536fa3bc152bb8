//! The command `gatepost`.

mod accounts;
mod administration;
mod check;
mod check_config;
mod config;
mod connection;
mod demo;
mod doctor;
mod handlers;
mod import;
mod judging;
mod log;
mod metrics;
mod process;
mod serve;

use std::process::ExitCode;

use clap::Parser;

/// Judges OAuth 2.0 bearer tokens for Postfix, Exim and Dovecot.
#[derive(Parser)]
#[command(version)]
enum Verb {
    /// Answers mail servers over Dovecot's auth protocol.
    Serve(serve::Options),
    Check(check::Check),
    /// Reads a configuration without network, and prints everything that is wrong with it.
    CheckConfig(check_config::Options),
    Demo(demo::Demo),
    /// Walks through a configuration, says what is wrong, and what to do.
    Doctor(doctor::Options),
    Account(administration::AccountOptions),
    AppPassword(administration::AppPasswords),
    ScimSource(administration::ScimSource),
    /// Writes a configuration that does what Dovecot's oauth2 settings do.
    Import(import::Options),
}

fn main() -> ExitCode {
    let verb = Verb::parse();
    if !matches!(verb, Verb::Serve(_) | Verb::Demo(_)) {
        process::pipe::end_without_reader();
    }
    let code = match verb {
        Verb::Serve(options) => serve::run(&options),
        Verb::Check(check) => check::run(&check),
        Verb::CheckConfig(options) => check_config::run(&options),
        Verb::Demo(demo) => demo::run(&demo),
        Verb::Doctor(options) => doctor::run(&options),
        Verb::Account(options) => administration::run_account(&options),
        Verb::AppPassword(options) => administration::run_app_password(&options),
        Verb::ScimSource(options) => administration::run_source(&options),
        Verb::Import(options) => import::run(&options),
    };
    log::flush();
    code
}
