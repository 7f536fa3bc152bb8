//! `gatepost demo`: a throw-away issuer, the real daemon on loopback, and logins through its socket.

mod client;
mod daemon;
mod issuer;
mod mail;
mod online;
mod provider;

use std::{fs, io, path::Path, process::ExitCode};

use clap::Args;
use client::{AuthClient, Reply};
use daemon::Daemon;
use issuer::Issuer;

const USER: &str = "alice@example.com";
const AUDIENCE: &str = "mail";
const ISSUER: &str = "https://id.example.com";

/// Shows what Gatepost does, on this machine, with nothing to install or to configure.
#[derive(Args)]
pub(crate) struct Demo {
    /// Keeps serving, and prints tokens to try.
    #[arg(long)]
    #[arg(conflicts_with = "provider")]
    stay: bool,
    /// Shows the online path: a throw-away provider that is found, rotated, asked, and taken away.
    #[arg(long)]
    provider: bool,
    #[command(flatten)]
    mail: mail::Options,
}

/// Runs the demonstration; succeeds only if every verdict is the right one.
pub(crate) fn run(demo: &Demo) -> ExitCode {
    let shown = if demo.provider {
        online::demonstrate()
    } else if demo.mail.mail {
        mail::demonstrate(demo.mail.once)
    } else {
        demonstrate(demo)
    };
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("gatepost: not every verdict was the right one");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("gatepost: the demonstration could not run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate(demo: &Demo) -> io::Result<bool> {
    let folder = tempfile::tempdir()?;
    let issuer = Issuer::new(ISSUER, "demo")?;
    let keys = folder.path().join("keys.json");
    fs::write(&keys, issuer.jwk_set())?;
    let mut daemon = Daemon::start(folder.path(), &provider_lines(&keys))?;
    println!(
        "A throw-away issuer signs tokens (ES256), and `gatepost serve` judges them on {}.\n",
        daemon.address()
    );
    println!(
        "{:<12} {:<17} {:<7} {:<16} SASL reply",
        "mechanism", "token", "verdict", "reason"
    );
    let mut all_right = true;
    for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
        for case in cases(&issuer) {
            all_right &= show(&mut daemon, mechanism, &case)?;
        }
    }
    print_postfix(&daemon);
    if demo.stay {
        print_tokens(&issuer, &daemon, &keys);
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(tokio::signal::ctrl_c())?;
    }
    daemon.stop()?;
    Ok(all_right)
}

fn provider_lines(keys: &Path) -> String {
    format!(
        "[[provider]]\nname = \"demo\"\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\n\
         username_claims = [\"email\"]\nkeys = ['{}']\n",
        keys.display()
    )
}

/// One login, and what has to come of it.
struct Case {
    name: &'static str,
    user: &'static str,
    token: String,
    /// The reason code; `None` for a good login.
    expected: Option<&'static str>,
}

fn cases(issuer: &Issuer) -> [Case; 6] {
    let case = |name, user, token, expected| Case {
        name,
        user,
        token,
        expected,
    };
    let good = || issuer.token(USER, AUDIENCE, 300);
    let mut altered = good().into_bytes();
    // One bit of the first character behind the header: other claims under the same signature.
    if let Some(byte) = altered
        .iter()
        .position(|byte| *byte == b'.')
        .and_then(|dot| altered.get_mut(dot + 5))
    {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    let altered = String::from_utf8_lossy(&altered).into_owned();
    [
        case("good", USER, good(), None),
        case(
            "expired",
            USER,
            issuer.token(USER, AUDIENCE, -3_600),
            Some("expired"),
        ),
        case(
            "foreign audience",
            USER,
            issuer.token(USER, "calendar", 300),
            Some("wrong_audience"),
        ),
        case("wrong user", "bob@example.com", good(), Some("wrong_user")),
        case("altered", USER, altered, Some("bad_signature")),
        case(
            "oversized",
            USER,
            format!("{}{}", good(), "A".repeat(8_192)),
            Some("token_too_long"),
        ),
    ]
}

/// Logs in, prints a line of the table, and says whether it is the right one.
fn show(daemon: &mut Daemon, mechanism: &str, case: &Case) -> io::Result<bool> {
    let message = match mechanism {
        "XOAUTH2" => format!("user={}\x01auth=Bearer {}\x01\x01", case.user, case.token),
        _ => format!("n,a={},\x01auth=Bearer {}\x01\x01", case.user, case.token),
    };
    let reply = AuthClient::connect(daemon.socket())?.log_in(mechanism, message.as_bytes())?;
    let reason = daemon.next_reason()?;
    let (verdict, shown) = match &reply {
        Reply::Ok { user } => ("accept", format!("user {user}")),
        Reply::Fail { challenge } => ("reject", challenge.clone().unwrap_or_else(|| "none".into())),
    };
    let is_right = match case.expected {
        None => matches!(&reply, Reply::Ok { user } if user == USER) && reason.is_none(),
        Some(expected) => {
            matches!(&reply, Reply::Fail { challenge: Some(_) })
                && reason.as_deref() == Some(expected)
        }
    };
    let mark = if is_right { "" } else { "  <- WRONG" };
    let reason = reason.unwrap_or_else(|| "-".into());
    println!(
        "{mechanism:<12} {:<17} {verdict:<7} {reason:<16} {shown}{mark}",
        case.name
    );
    Ok(is_right)
}

fn print_postfix(daemon: &Daemon) {
    println!(
        "\nTo put it before Postfix, write a configuration (adapters/daemon/README.md), run\n\
         `gatepost serve --config /etc/gatepost.toml`, and say in Postfix's main.cf:\n\n    \
         smtpd_sasl_auth_enable = yes\n    \
         smtpd_sasl_type = dovecot\n    \
         smtpd_sasl_path = inet:{}\n    \
         smtpd_sasl_security_options = noanonymous\n    \
         smtpd_tls_auth_only = yes\n    \
         line_length_limit = 12288",
        daemon.socket()
    );
}

fn print_tokens(issuer: &Issuer, daemon: &Daemon, keys: &Path) {
    println!(
        "\nStill serving on {}; end it with Ctrl-C. Tokens of {USER} to try:",
        daemon.address()
    );
    println!(
        "\ngood for an hour:\n{}",
        issuer.token(USER, AUDIENCE, 3_600)
    );
    println!("\nexpired:\n{}", issuer.token(USER, AUDIENCE, -3_600));
    println!(
        "\nJudge one by hand:\n    printf %s TOKEN | gatepost check --keys {} --audience {AUDIENCE} --issuer {ISSUER} \
         --username-claim email --user {USER}",
        keys.display()
    );
}
