//! Accounts of the real command: pushed over HTTP, and what mail servers hear of them at once.

mod store;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use gatepost_tests::mint::Issuer;
use serde_json::Value;
use tempfile::TempDir;

use crate::serving::{Client, Serving};

/// A daemon with accounts of two sources that push them, `idp` and `other`, and of an administrator's.
struct Daemon {
    root: TempDir,
    serving: Serving,
    watched: String,
}

/// Its tables; `%` is its directory, and `LINES` what a test adds to `[accounts]`.
const TABLES: &str = "log = { format = \"json\", level = \"debug\" }\n\
    [metrics]\nlisten = \"tcp:127.0.0.1:0\"\n\
    [[listener]]\naddress = \"unix:%/master\"\nprotocol = \"master\"\n\
    [[listener]]\naddress = \"unix:%/map\"\nprotocol = \"socketmap\"\n\
    [[provider]]\nname = \"example\"\nissuer = \"https://id.example.com\"\naudience = \"mail\"\n\
    keys = [\"%/jwks.json\"]\n\
    [accounts]\ndatabase = \"%/accounts.sqlite\"\nuid = 5000\ngid = 5001\n\
    home = \"/var/vmail/%{domain}/%{username}\"\nlisten = \"tcp:127.0.0.1:0\"\nLINES\n\
    [[accounts.source]]\nname = \"idp\"\ndomains = [\"example.com\", \"example.net\"]\n\
    public_url = \"https://mail.example.com/scim/idp/v2\"\n\
    [[accounts.source]]\nname = \"other\"\ndomains = [\"example.com\"]\n\
    public_url = \"https://mail.example.com/scim/other/v2\"\n\
    [[accounts.source]]\nname = \"local\"\ndomains = [\"example.com\"]\n";

/// Writes a configuration into `root`.
fn configure(root: &TempDir, lines: &str) -> PathBuf {
    let path = root.path().display().to_string();
    let keys = Issuer::new().jwk_set().to_string();
    fs::write(root.path().join("jwks.json"), keys).unwrap();
    let text = TABLES.replace("%/", &format!("{path}/"));
    let configuration = root.path().join("gatepost.toml");
    fs::write(&configuration, text.replace("LINES", lines)).unwrap();
    configuration
}

impl Daemon {
    fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), "")
    }

    /// Starts it in `root`, with `lines` under `[accounts]`.
    fn start_in(root: TempDir, lines: &str) -> Self {
        let configuration = configure(&root, lines);
        let mut serving = Serving::start(&configuration);
        let mut watched = String::new();
        while watched.is_empty() {
            let event = serving.wait_for("listening");
            let address = event["address"].as_str().unwrap();
            if event["protocol"] == "metrics" {
                watched += address.trim_start_matches("tcp:");
            }
        }
        serving.wait_for("ready");
        Self {
            root,
            serving,
            watched,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    #[expect(dead_code, reason = "nobody is answered yet")]
    fn connect(&self, name: &str) -> Client<UnixStream> {
        Client::unix(&self.path(name))
    }

    /// What `/ready` says: its status, and what of accounts.
    fn ready(&self) -> (u16, Value) {
        let mut client = Client::tcp(&self.watched);
        client.send("GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut client.0, &mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        (status, body["accounts"].clone())
    }
}
