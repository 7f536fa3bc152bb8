//! `mail_demo [--once | --lacking]`: Debian's Postfix and Dovecot around Gatepost, on loopback: what `gatepost demo --mail`
//! shows.
//!
//! In a second act canaille pushes a user, who gets mail without ever having logged in.
//!
//! The servers run in namespaces of their own, but in the machine's network, so that its users reach them.
//! With `--once`, curl logs in over SMTP and IMAP, and it is printed what came of it; without, the lines to
//! try are printed and the servers stay. `--lacking` names what this machine lacks, one reason a line.

mod accounts;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{SystemTime, UNIX_EPOCH};

use gatepost_tests::daemon::{Configuration, Daemon, wait_until};
use gatepost_tests::dovecot::{Dovecot, Setup, Tokens, Version};
use gatepost_tests::login::{AUDIENCE, USER};
use gatepost_tests::mint::Issuer;
use gatepost_tests::namespace::{self, Namespace, Network, in_root};
use gatepost_tests::postfix::{self, Postfix, Smtpd};
use gatepost_tests::roots::{self, DOVECOT_2_3, MAIL, PROVISIONED, Recipe};
use gatepost_tests::stream::Address;
use gatepost_tests::stub::Stub;
use serde_json::json;

/// What this program calls itself with for the second act.
const ACCOUNTS_ACT: &str = "--accounts";

const RECIPES: [&Recipe; 2] = [&MAIL, &DOVECOT_2_3];

const GATEPOST: u16 = 14345;
const HTTP: u16 = 14080;
const IMAP: u16 = 14143;
const SUBMISSION: u16 = 14587;

/// Who has a password as well as, or instead of, tokens.
const ACCOUNTS: &[(&str, &str)] = &[(USER, "alices-password"), CAROL];
const CAROL: (&str, &str) = ("carol@example.test", "carols-password");

const MESSAGE: &str = "Subject: Hello\n\nA token sent this.\n";

/// How curl ends when a login is denied.
const DENIED: i32 = 67;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        [] => run(false),
        ["--once"] => run(true),
        [ACCOUNTS_ACT] => show_accounts(),
        ["--lacking"] => {
            for reason in lacking() {
                println!("{reason}");
            }
            Ok(true)
        }
        _ => Err(io::Error::other("mail_demo [--once | --lacking]")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mail_demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(once: bool) -> io::Result<bool> {
    if namespace::is_inside() {
        let servers = Servers::start()?;
        return if once {
            servers.log_in()
        } else {
            servers.stay()
        };
    }
    let lacking = lacking();
    if !lacking.is_empty() {
        let lacking = lacking.join(", ");
        return Err(io::Error::other(format!(
            "needs Debian and root: {lacking}"
        )));
    }
    let directory = roots::directory()?;
    let recipes = [&RECIPES[..], &PROVISIONED].concat();
    if !roots::missing(&directory, &recipes).is_empty() {
        println!(
            "Debian's Postfix, Dovecot and curl, and canaille, are unpacked into {}",
            directory.display()
        );
        roots::prepare(&directory, &recipes)?;
    }
    let servers = || namespace::reenter(Network::TheHosts);
    let accounts = || {
        let mut act = Command::new(std::env::current_exe()?);
        act.arg(ACCOUNTS_ACT).status()
    };
    let both = if once {
        [servers()?, accounts()?]
    } else {
        // What stays for somebody to try comes last.
        [accounts()?, servers()?]
    };
    Ok(both.iter().all(ExitStatus::success))
}

/// The second act, in a network of its own.
fn show_accounts() -> io::Result<bool> {
    if namespace::is_inside() {
        return accounts::show();
    }
    Ok(namespace::reenter(Network::Own)?.success())
}

/// What this machine lacks for it, one reason a line.
fn lacking() -> Vec<String> {
    let mut reasons = roots::lacking();
    for reason in namespace::lacking() {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

/// Everything that runs, and the tokens to try. They end with it, in this order.
struct Servers {
    mail: PathBuf,
    tokens: PathBuf,
    postfix: Postfix,
    dovecot: Dovecot,
    gatepost: Daemon,
    _provider: Stub,
}

impl Servers {
    fn start() -> io::Result<Self> {
        let namespace = Namespace::set_up(&roots::directory()?, &RECIPES)?;
        namespace.share_run(&DOVECOT_2_3, &MAIL)?;
        let mail = namespace.root(&MAIL);
        let provider = Stub::provider()?;
        let tokens = roots::directory()?.with_file_name("mail-demo");
        let issuer = Issuer::new();
        provider.set_json("/jwks", &json!({"keys": [issuer.jwk("ES256")]}));
        write_tokens(&tokens, &issuer, &provider.issuer())?;
        let directory = namespace.directory("gatepost")?;
        let settings = gatepost_settings(&provider.issuer());
        let listener = Address::port(GATEPOST);
        let configuration = Configuration::write_text(directory, listener, &settings)?;
        println!(
            "A throw-away provider, and this is all that `gatepost serve` is told:\n\n{settings}"
        );
        let gatepost = Daemon::start(&configuration)?;
        postfix::make_queue(&mail)?;
        Ok(Self {
            postfix: Postfix::start(&mail, &[SERVICE], DELIVERY)?,
            dovecot: Dovecot::start(&namespace.root(&DOVECOT_2_3), dovecot_setup())?,
            mail,
            tokens,
            gatepost,
            _provider: provider,
        })
    }

    /// Prints what to try, and stays until it is ended.
    fn stay(self) -> io::Result<bool> {
        let tokens = self.tokens.display();
        println!(
            "Postfix ({SUBMISSION}) asks Gatepost over its auth protocol, Dovecot ({IMAP}) as an introspection \
             URL.\nIn another terminal; then again with {tokens}/expired:\n"
        );
        println!(
            "  curl smtp://127.0.0.1:{SUBMISSION} --mail-from {USER} --mail-rcpt {USER} -T {tokens}/message \\\n       \
             --user {USER} --oauth2-bearer \"$(cat {tokens}/good)\"\n"
        );
        println!(
            "  curl 'imap://127.0.0.1:{IMAP}/INBOX;MAILINDEX=1' \\\n       \
             --user {USER} --oauth2-bearer \"$(cat {tokens}/good)\"\n"
        );
        let (carol, password) = CAROL;
        println!(
            "  curl 'imap://127.0.0.1:{IMAP}/INBOX' --user {carol}:{password}\n\nCtrl-C ends it."
        );
        io::stdout().flush()?;
        // The first process of a namespace is interrupted by what it waits for alone; all others end with it.
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(tokio::signal::ctrl_c())?;
        Ok(true)
    }

    /// Logs in as one would by hand; whether everything came as it should.
    fn log_in(&self) -> io::Result<bool> {
        fs::write(self.mail.join("tmp/message"), MESSAGE)?;
        let (good, expired) = (self.token("good")?, self.token("expired")?);
        let (carol, password) = CAROL;
        let mut all_right = true;
        let mut show = |what: &str, command: Command, expected: i32| {
            all_right &= show(what, command, expected)?;
            Ok::<_, io::Error>(())
        };
        show("SMTP, a good token: mail is sent", self.send(&good), 0)?;
        wait_until("the message", || {
            let inbox = self.dovecot.inbox(USER).unwrap_or_default();
            inbox
                .iter()
                .any(|message| message.contains("A token sent this."))
        })?;
        show(
            "IMAP, a good token: it is read",
            self.read("XOAUTH2", &good),
            0,
        )?;
        show(
            "IMAP, the other mechanism",
            self.read("OAUTHBEARER", &good),
            0,
        )?;
        show("SMTP, an expired token", self.send(&expired), DENIED)?;
        show(
            "IMAP, an expired token",
            self.read("XOAUTH2", &expired),
            DENIED,
        )?;
        let mut command = self.curl("imap://127.0.0.1", IMAP, "/INBOX");
        command.args(["--user", &format!("{carol}:{password}")]);
        show("IMAP, a password, as before", command, 0)?;
        if !all_right {
            let logs = [
                self.gatepost.logged(),
                self.postfix.logged(),
                self.dovecot.logged(),
            ];
            println!("{}", logs.join("\n"));
        }
        Ok(all_right)
    }

    fn token(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.tokens.join(name))
    }

    fn send(&self, token: &str) -> Command {
        let mut command = self.curl("smtp://127.0.0.1", SUBMISSION, "");
        command.args([
            "--mail-from",
            USER,
            "--mail-rcpt",
            USER,
            "--upload-file",
            "/tmp/message",
        ]);
        command.args(["--user", USER, "--oauth2-bearer", token]);
        command
    }

    fn read(&self, mechanism: &str, token: &str) -> Command {
        let mut command = self.curl("imap://127.0.0.1", IMAP, "/INBOX;MAILINDEX=1");
        command.args(["--user", USER, "--oauth2-bearer", token]);
        command.args(["--login-options", &format!("AUTH={mechanism}")]);
        command
    }

    /// Debian's curl.
    fn curl(&self, server: &str, port: u16, path: &str) -> Command {
        let mut command = in_root(&self.mail, "/usr/bin/curl");
        command.args(["--silent", "--show-error", "--max-time", "30"]);
        command.arg(format!("{server}:{port}{path}"));
        command
    }
}

/// Runs curl, prints a line, and says whether it ended as it should.
fn show(what: &str, mut command: Command, expected: i32) -> io::Result<bool> {
    let output = command.output()?;
    let is_right = output.status.code() == Some(expected);
    let printed = if output.status.success() {
        output.stdout
    } else {
        output.stderr
    };
    let printed = String::from_utf8_lossy(&printed);
    let last = printed.lines().rev().find(|line| !line.trim().is_empty());
    let mark = if is_right { "" } else { "  <- WRONG" };
    println!("{what:<34} {}{mark}", last.unwrap_or("done").trim());
    Ok(is_right)
}

/// A token that is good for an hour, one that is expired, and a message.
fn write_tokens(directory: &Path, issuer: &Issuer, name: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_err(io::Error::other)?.as_secs();
    for (file, expires) in [("good", now + 3600), ("expired", now - 3600)] {
        let claims = json!({
            "iss": name, "aud": AUDIENCE, "sub": "1", "email": USER, "iat": now - 7200, "exp": expires,
        });
        fs::write(directory.join(file), issuer.sign("ES256", &claims))?;
    }
    fs::write(directory.join("message"), MESSAGE)
}

fn gatepost_settings(issuer: &str) -> String {
    format!(
        "listen = \"tcp:127.0.0.1:{GATEPOST}\"\n\n[http]\nlisten = \"tcp:127.0.0.1:{HTTP}\"\n\n\
         [[provider]]\nissuer = \"{issuer}\"\naudience = \"{AUDIENCE}\"\nusername_claims = [\"email\"]\n"
    )
}

const SERVICE: Smtpd = Smtpd::new(SUBMISSION, "inet:127.0.0.1:14345", 4);

const DELIVERY: &str = "\
line_length_limit = 12288
virtual_mailbox_domains = example.test
virtual_transport = lmtp:unix:/run/dovecot/demo/lmtp
";

fn dovecot_setup() -> Setup {
    Setup {
        version: Version::V2_3,
        name: "demo",
        port: IMAP,
        relay: SUBMISSION,
        tokens: Tokens::OAuth2(format!(
            "introspection_url = http://127.0.0.1:{HTTP}/userinfo\nintrospection_mode = auth\n\
             username_attribute = email\n"
        )),
        users: ACCOUNTS,
        core: None,
    }
}
