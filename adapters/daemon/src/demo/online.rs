//! `gatepost demo --provider`: what happens when a provider is found, rotates its keys, revokes tokens, and
//! goes away.

use std::io;

use super::client::{AuthClient, Reply};
use super::daemon::Daemon;
use super::provider::{CLIENT, Provider};
use super::{AUDIENCE, USER};

/// Runs the demonstration; says whether every verdict was the right one.
pub(super) fn demonstrate() -> io::Result<bool> {
    let folder = tempfile::tempdir()?;
    let mut provider = Provider::start()?;
    let lines = provider_lines(&provider.url());
    let daemon = Daemon::start(folder.path(), &lines)?;
    println!(
        "A throw-away provider serves {}, and this is all that `gatepost serve` knows of it:\n",
        provider.url()
    );
    for line in lines.lines() {
        println!("    {line}");
    }
    println!(
        "\n{:<38} {:<7} {:<7} {:<21} SASL reply",
        "what happens", "token", "verdict", "reason"
    );
    let mut stage = Stage {
        daemon,
        all_right: true,
    };
    let opaque = provider.opaque();
    stage.show(
        "its metadata and keys are found",
        "JWT",
        &provider.jwt(),
        None,
    )?;
    provider.rotate()?;
    stage.show("it signs with a new key", "JWT", &provider.jwt(), None)?;
    stage.show("it is asked about an opaque token", "opaque", &opaque, None)?;
    provider.revoke(&opaque);
    let refused = Some("token_refused");
    stage.show("the token is revoked", "opaque", &opaque, refused)?;
    let (jwt, opaque) = (provider.jwt(), provider.opaque());
    provider.go_away();
    stage.show("it goes away: keys are known", "JWT", &jwt, None)?;
    let away = Some("provider_unavailable");
    stage.show("but nobody can be asked", "opaque", &opaque, away)?;
    provider.come_back()?;
    stage.show("it comes back", "opaque", &opaque, None)?;
    println!(
        "\nA refused token has a SASL reply, so that the client gets a better one. A provider that is away has\n\
         none: the mail server is told `code=temp_fail`, and the client may try the same token again."
    );
    stage.daemon.stop()?;
    Ok(stage.all_right)
}

fn provider_lines(url: &str) -> String {
    let (id, secret) = CLIENT;
    format!(
        "[[provider]]\nissuer = \"{url}\"\naudience = \"{AUDIENCE}\"\nusername_claims = [\"email\"]\n\
         client_id = \"{id}\"\nclient_secret = \"{secret}\"\ncache_seconds = 0    # notice revocations at once\n"
    )
}

struct Stage {
    daemon: Daemon,
    all_right: bool,
}

impl Stage {
    /// Logs in over XOAUTH2, and prints a line of the table.
    fn show(
        &mut self,
        what: &str,
        kind: &str,
        token: &str,
        expected: Option<&str>,
    ) -> io::Result<()> {
        let message = format!("user={USER}\x01auth=Bearer {token}\x01\x01");
        let client = AuthClient::connect(self.daemon.socket())?;
        let reply = client.log_in("XOAUTH2", message.as_bytes())?;
        let reason = self.daemon.next_reason()?;
        let (verdict, shown) = match &reply {
            Reply::Ok { user } => ("accept", format!("user {user}")),
            Reply::Fail { challenge } => {
                ("reject", challenge.clone().unwrap_or_else(|| "none".into()))
            }
        };
        let is_accepted = matches!(&reply, Reply::Ok { user } if user == USER);
        let is_right = reason.as_deref() == expected && is_accepted == expected.is_none();
        self.all_right &= is_right;
        let mark = if is_right { "" } else { "  <- WRONG" };
        let reason = reason.unwrap_or_else(|| "-".into());
        println!("{what:<38} {kind:<7} {verdict:<7} {reason:<21} {shown}{mark}");
        Ok(())
    }
}
