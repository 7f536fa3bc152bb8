//! The files that a Dovecot of the tests is configured by, in the words of its version.
//!
//! Tests cannot wait for what slows a guesser down, so that the delays after a failed login are off.

use std::fmt::Write as _;

use super::{MAIL, Setup, Tokens, Version};

/// How far the other ports are from IMAP's.
pub(super) const POP3: u16 = 1;
pub(super) const SUBMISSION: u16 = 2;
pub(super) const SIEVE: u16 = 3;

/// Where login processes ask, with [`Tokens::Elsewhere`].
pub(super) const LOGIN_SOCKET: &str = "login/gatepost/auth";

/// What both versions read alike. `NAME` stands for the setup's.
const COMMON: &str = "\
base_dir = /run/NAME
state_dir = /run/NAME-state
log_path = /var/log/NAME.log
listen = 127.0.0.1
ssl = no
auth_verbose = yes
auth_failure_delay = 0
mail_uid = mail
mail_gid = mail
first_valid_uid = 8
first_valid_gid = 8
mail_max_userip_connections = 1000
submission_relay_host = 127.0.0.1
service auth {
  unix_listener auth-client {
    mode = 0666
  }
  unix_listener auth-master {
    mode = 0600
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
";

const V2_3: &str = "\
protocols = imap pop3 submission lmtp sieve
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
userdb {
  driver = passwd-file
  args = /run/NAME.users
}
passdb {
  driver = passwd-file
  mechanisms = plain login
  args = /run/NAME.users
}
";

/// Its passdb serves tokens alone, as docker-mailserver has it.
const V2_3_OAUTH2: &str = "\
auth_mechanisms = plain login oauthbearer xoauth2
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /run/NAME.oauth2
}
";

/// One of several databases.
const V2_3_DATABASE: &str = "\
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /run/NAME.oauth2-INDEX
}
";

const V2_4: &str = "\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols {
  imap = yes
  pop3 = yes
  submission = yes
  lmtp = yes
  sieve = yes
}
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ~/Maildir
userdb passwd-file {
  passwd_file_path = /run/NAME.users
}
passdb passwd-file {
  passwd_file_path = /run/NAME.users
}
";

/// What an administrator is told to write.
const RELAY: &str = include_str!("../../../examples/dovecot/relay.conf");

/// One process logs all clients of IMAP in, over one connection to whoever judges them: what Dovecot's
/// documentation calls high-performance mode.
const ONE_PROCESS: &str = "\
service imap-login {
  service_count = 0
  process_min_avail = 1
  process_limit = 1
}
";

/// The mechanisms that need passwords.
const PASSWORDS: &str = "auth_mechanisms = plain login\n";

/// The servers that log clients in, each with what its port is above IMAP's.
const SERVERS: [(&str, &str, u16); 4] = [
    ("imap", "imap", 0),
    ("pop3", "pop3", POP3),
    ("submission", "submission", SUBMISSION),
    ("managesieve", "sieve", SIEVE),
];

/// The listeners that the packages would open besides.
const CLOSED: [(&str, &str); 4] = [
    ("imap", "imaps"),
    ("pop3", "pop3s"),
    ("submission", "submissions"),
    ("managesieve", "sieve_deprecated"),
];

/// Every file below `/run`, by its name.
pub(super) fn files(setup: &Setup) -> Vec<(String, String)> {
    let file = |suffix, content| (format!("{}.{suffix}", setup.name), content);
    let mut files = vec![file("conf", main(setup)), file("users", users(setup))];
    if let (Version::V2_3, Tokens::OAuth2(settings)) = (setup.version, &setup.tokens) {
        files.push(file("oauth2", settings.clone()));
    }
    if let Tokens::Databases(databases) = &setup.tokens {
        for (index, settings) in databases.iter().enumerate() {
            files.push((format!("{}.oauth2-{index}", setup.name), settings.clone()));
        }
    }
    files
}

fn main(setup: &Setup) -> String {
    let Setup { version, relay, .. } = setup;
    let (first, tokens) = match (version, &setup.tokens) {
        (Version::V2_3, Tokens::OAuth2(_)) => (V2_3, V2_3_OAUTH2.to_owned()),
        (Version::V2_4, Tokens::OAuth2(settings)) => (
            V2_4,
            format!(
                "auth_mechanisms = plain login oauthbearer xoauth2\noauth2 {{\n{settings}\n}}\n"
            ),
        ),
        (_, Tokens::Databases(databases)) => {
            let database = |index: usize| V2_3_DATABASE.replace("INDEX", &index.to_string());
            let databases: String = (0..databases.len()).map(database).collect();
            let mechanisms = "auth_mechanisms = plain login oauthbearer xoauth2\n";
            (V2_3, format!("{mechanisms}{databases}"))
        }
        (Version::V2_3, Tokens::Elsewhere) => (V2_3, elsewhere() + ONE_PROCESS),
        (Version::V2_4, Tokens::Elsewhere) => (V2_4, elsewhere()),
    };
    // 2.4 wants its version first.
    let text = [first, COMMON, &tokens].concat() + &listeners(setup);
    let text = text.replace("NAME", setup.name);
    format!("{text}submission_relay_port = {relay}\n")
}

/// The settings that turn every question to the sockets of another. Lookups of users go there as well.
fn elsewhere() -> String {
    // The roots have the package, so that its service is to be switched on.
    let sieve = |line: &str| {
        let is_its = line.contains("managesieve-login") || line == "#}";
        let line = line.strip_prefix('#').filter(|_| is_its).unwrap_or(line);
        format!("{line}\n")
    };
    let relay: String = RELAY.lines().map(sieve).collect();
    format!("{PASSWORDS}{relay}auth_socket_path = /run/NAME/auth-master\n")
}

fn listeners(setup: &Setup) -> String {
    let mut text = String::new();
    for (server, listener, above) in SERVERS {
        let port = setup.port + above;
        // Writing to a String cannot fail.
        let _written = write!(
            text,
            "service {server}-login {{\n  inet_listener {listener} {{\n    port = {port}\n  }}\n}}\n"
        );
    }
    for (server, listener) in CLOSED {
        let _written = write!(
            text,
            "service {server}-login {{\n  inet_listener {listener} {{\n    port = 0\n  }}\n}}\n"
        );
    }
    text
}

fn users(setup: &Setup) -> String {
    let line = |(user, password): &(&str, &str)| {
        let home = home(user);
        format!(
            "{user}:{{PLAIN}}{password}:{MAIL}:{MAIL}::/var/mail/{}/{home}\n",
            setup.name
        )
    };
    setup.users.iter().map(line).collect()
}

/// Where a user's home is, below the directory of all mail.
pub(super) fn home(user: &str) -> String {
    user.replace('@', "/")
}
