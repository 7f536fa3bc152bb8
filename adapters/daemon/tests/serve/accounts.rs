//! Accounts of the real command: pushed over HTTP, and what mail servers hear of them at once.

mod app_passwords;
pub(crate) mod commands;
mod doctor;
mod domains;
mod files;
mod imports;
mod invariants;
mod killed;
mod logins;
mod maps;
mod pulled;
mod pushed;
mod secured;
mod store;
mod users;

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_accounts::model::SourceId;
use gatepost_accounts::scim::Effect;
use gatepost_accounts::time::Timestamp;
use gatepost_store::{BearerSecret, NewSecret, Role, SecretId, Session, Settings, Sqlite, run};
use gatepost_tests::mint::Issuer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serving::{Client, Serving, now};
use crate::sockets::{auth, handshake};

/// A daemon with accounts of two sources that push them, `idp` and `other`, and of an administrator's.
struct Daemon {
    root: TempDir,
    serving: Serving,
    issuer: Issuer,
    watched: String,
    scim: String,
    /// Where Dovecot asks, if it does.
    http: String,
}

/// Its tables; `%` is its directory, and `LINES` what a test adds to `[accounts]`, or, behind `[idp]`, to that source.
const TABLES: &str = "log = { format = \"json\", level = \"debug\" }\n\
    [metrics]\nlisten = \"tcp:127.0.0.1:0\"\n\
    [[listener]]\naddress = \"unix:%/auth\"\n\
    [[listener]]\naddress = \"unix:%/master\"\nprotocol = \"master\"\n\
    [[listener]]\naddress = \"unix:%/map\"\nprotocol = \"socketmap\"\n\
    [[provider]]\nname = \"example\"\nissuer = \"https://id.example.com\"\naudience = \"mail\"\n\
    keys = [\"%/jwks.json\"]\nusername_claims = [\"email\"]\n\
    [accounts]\ndatabase = \"%/accounts.sqlite\"\nuid = 5000\ngid = 5001\n\
    home = \"/var/vmail/%{id}\"\nlisten = \"tcp:127.0.0.1:0\"\nLINES\n\
    [[accounts.source]]\nname = \"idp\"\ndomains = [\"example.com\", \"example.net\"]\n\
    public_url = \"https://mail.example.com/scim/idp/v2\"\nIDP\n\
    [[accounts.source]]\nname = \"other\"\ndomains = [\"example.com\"]\nprovider = \"example\"\n\
    public_url = \"https://mail.example.com/scim/other/v2\"\n\
    [[accounts.source]]\nname = \"local\"\ndomains = [\"example.com\"]\nprovider = \"example\"\n";

/// Writes a configuration into `root`, with the keys of an issuer.
fn configure(root: &TempDir, lines: &str) -> (PathBuf, Issuer) {
    let path = root.path().display().to_string();
    let issuer = Issuer::new();
    let keys = issuer.jwk_set().to_string();
    fs::write(root.path().join("jwks.json"), keys).unwrap();
    let (lines, of_idp) = lines.split_once("[idp]\n").unwrap_or((lines, ""));
    let text = TABLES.replace("%/", &format!("{path}/"));
    let configuration = root.path().join("gatepost.toml");
    let text = text.replace("LINES", lines).replace("IDP", of_idp);
    fs::write(&configuration, text).unwrap();
    (configuration, issuer)
}

impl Daemon {
    fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), "")
    }

    /// Starts it in `root`, with `lines` under `[accounts]`.
    fn start_in(root: TempDir, lines: &str) -> Self {
        let (_, issuer) = configure(&root, lines);
        Self::serve(root, issuer)
    }

    /// Starts it with what is configured in `root`.
    fn serve(root: TempDir, issuer: Issuer) -> Self {
        let mut command = crate::serving::command("serve", &root.path().join("gatepost.toml"));
        Self::serve_by(&mut command, root, issuer)
    }

    /// Starts it as `command` does.
    fn serve_by(command: &mut std::process::Command, root: TempDir, issuer: Issuer) -> Self {
        let mut serving = Serving::spawn(command);
        let [mut watched, mut scim, mut http] = [const { String::new() }; 3];
        while watched.is_empty() || scim.is_empty() {
            let event = serving.wait_for("listening");
            let address = event["address"].as_str().unwrap();
            let address = address.trim_start_matches("tcp:");
            match event["protocol"].as_str().unwrap() {
                "metrics" => watched += address,
                "scim" => scim += address,
                "http" => http += address,
                _ => {}
            }
        }
        serving.wait_for("ready");
        Self {
            root,
            serving,
            issuer,
            watched,
            scim,
            http,
        }
    }

    /// Ends it, and starts it with another text in the place of `old` in its configuration; gives the log of the first.
    #[track_caller]
    fn restart_with(self, changes: &[(&str, &str)]) -> (Self, String) {
        let log = self.serving.stop();
        let configuration = self.root.path().join("gatepost.toml");
        let mut text = fs::read_to_string(&configuration).unwrap();
        for (old, new) in changes {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        fs::write(&configuration, text).unwrap();
        (Self::serve(self.root, self.issuer), log)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A mail process, after the greeting.
    fn master(&self) -> Client<UnixStream> {
        let mut client = self.connect("master");
        assert_eq!(client.ask("VERSION\t1\t0\n"), "VERSION\t1\t1");
        assert!(client.line().starts_with("SPID\t"));
        client
    }

    /// A good token that says this besides.
    fn token(&self, claims: &Value) -> String {
        let mut all = json!({
            "iss": "https://id.example.com", "aud": "mail", "exp": now() + 600,
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.issuer.sign("ES256", &all)
    }

    /// What Dovecot's login process hears of a login as `claimed` with a good token of these claims: the answer, and
    /// what the client was told first.
    fn log_in(&self, claimed: &str, claims: &Value) -> (String, Option<Value>) {
        let token = self.token(claims);
        let mut client = handshake(self.connect("auth"));
        let mut line = client.ask(auth(1, claimed, &token));
        let challenge = line.strip_prefix("CONT\t1\t").map(|json| {
            let json = STANDARD.decode(json).unwrap();
            serde_json::from_slice(&json).unwrap()
        });
        if challenge.is_some() {
            line = client.ask("CONT\t1\t\n");
        }
        (line, challenge)
    }

    fn connect(&self, name: &str) -> Client<UnixStream> {
        Client::unix(&self.path(name))
    }

    /// What `/ready` says: its status, and what of accounts.
    fn ready(&self) -> (u16, Value) {
        let answer = ask(&self.watched, "GET /ready HTTP/1.1\r\nHost: x\r\n", "");
        (answer.status, answer.json()["accounts"].clone())
    }

    /// A source with a new secret.
    fn source(&self, name: &str) -> Pushing<'_> {
        self.source_until(name, None)
    }

    /// A source with a new secret, which expires.
    fn source_until(&self, name: &str, expires: Option<Timestamp>) -> Pushing<'_> {
        let secret = BearerSecret::from_random(random());
        let new = (secret.hash(), expires);
        let id = self.with_store(name, move |session, source| {
            let (hash, expires) = new;
            let secret = NewSecret {
                hash,
                label: "a test's",
                now: Timestamp::from_millis(0),
                expires,
            };
            session.add_secret(source, &secret).unwrap()
        });
        Pushing {
            daemon: self,
            name: name.to_owned(),
            secret: secret.reveal().to_owned(),
            id,
        }
    }

    /// Does something in the database, beside the daemon.
    fn with_store<T: Send + 'static>(
        &self,
        source: &str,
        work: impl FnOnce(&mut dyn Session, SourceId) -> T + Send + 'static,
    ) -> T {
        let settings = Settings {
            role: Role::Command,
            ..Settings::default()
        };
        let store = Sqlite::open(&self.path("accounts.sqlite"), settings, ()).unwrap();
        let source = source.to_owned();
        let done = run(&store, move |session| {
            let source = session.source(&source).unwrap().unwrap().id;
            (Effect::Commit, work(session, source))
        });
        done.unwrap()
    }
}

/// 256 bits that are nobody else's.
fn random() -> [u8; 32] {
    let mut bits = [0; 32];
    fs::File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut bits)
        .unwrap();
    bits
}

/// A source that pushes accounts.
struct Pushing<'d> {
    daemon: &'d Daemon,
    name: String,
    secret: String,
    id: SecretId,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    #[track_caller]
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Sends one request over a connection of its own; `head` has no empty line at its end.
fn ask(address: &str, head: &str, body: &str) -> Answer {
    let mut client = Client::tcp(address);
    client.send(format!("{head}Connection: close\r\n\r\n{body}"));
    let mut answer = Vec::new();
    // The other side may have closed on a body that it did not read.
    let _ = client.0.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

impl Pushing<'_> {
    /// Sends a request whose head has these further lines.
    fn send(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let (name, secret, length) = (&self.name, &self.secret, body.len());
        let head = format!(
            "{method} /scim/{name}/v2{path} HTTP/1.1\r\nHost: evil.example\r\nContent-Length: {length}\r\n\
             Authorization: Bearer {secret}\r\n{lines}"
        );
        ask(&self.daemon.scim, &head, body)
    }

    fn push(&self, method: &str, path: &str, body: &Value) -> Answer {
        let lines = "Content-Type: application/scim+json\r\n";
        self.send(method, path, lines, &body.to_string())
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "")
    }

    /// Creates a user whose name is its address; gives its id.
    #[track_caller]
    fn create(&self, name: &str) -> String {
        let user =
            json!({"schemas": [USER], "userName": name, "externalId": format!("sub-{name}")});
        let created = self.push("POST", "/Users", &user).expect(201);
        created["id"].as_str().unwrap().to_owned()
    }
}

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
