//! canaille as a provider that pushes users and groups over SCIM, driven by its own command line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::namespace::in_root;
use crate::roots::PYTHON_PACKAGES;

/// Where its files lie, seen from inside of its root.
const DIRECTORY: &str = "/tmp/canaille";

/// A hundred years in seconds.
const LIFETIME: &str = "3153600000";

/// Without a broker it pushes at once, before its command ends. `DIRECTORY` stands for where its files are.
const SETTINGS: &str = "\
SECRET_KEY = \"of no account\"
SERVER_NAME = \"idp.example.test\"
[CANAILLE]
DATABASE = \"sql\"
[CANAILLE_SQL]
DATABASE_URI = \"sqlite:///DIRECTORY/canaille.sqlite\"
[CANAILLE_SCIM]
ENABLE_CLIENT = true
[CANAILLE_OIDC]
TRUSTED_DOMAINS = [\"127.0.0.1\"]
";

/// A canaille with a database of its own. It runs while a command does.
#[derive(Debug)]
pub struct Canaille {
    root: PathBuf,
}

/// What came of a command.
#[derive(Debug)]
pub struct Done {
    /// What it printed.
    pub printed: Value,
    /// What it said of its own accord: a push that failed is one of its warnings, and no failure.
    pub said: String,
}

impl Canaille {
    /// Sets one up in `root`, which pushes to the endpoint `url` with the bearer token `secret`.
    ///
    /// # Errors
    /// When it cannot be set up: tells what it wrote.
    pub fn set_up(root: &Path, url: &str, secret: &str) -> io::Result<Self> {
        let canaille = Self {
            root: root.to_owned(),
        };
        let directory = root.join(DIRECTORY.trim_start_matches('/'));
        fs::create_dir_all(&directory)?;
        let settings = SETTINGS.replace("DIRECTORY", DIRECTORY);
        fs::write(directory.join("canaille.toml"), settings)?;
        canaille.run(&["install"])?;
        let client = [
            "client",
            "--client-id",
            "gatepost",
            "--client-name",
            "Gatepost",
        ];
        canaille.run(&[&["create"], &client[..], &["--client-uri", url]].concat())?;
        // It would draw a token of its own: sources of Gatepost's are given theirs.
        let token = ["token", "--token-id", "scim", "--client", "gatepost"];
        let since = ["--issue-date", "2026-01-01T00:00:00+00:00"];
        let lives = ["--audience", "gatepost", "--lifetime", LIFETIME];
        let secret = ["--access-token", secret];
        canaille.run(&[&["create"], &token[..], &since, &lives, &secret].concat())?;
        Ok(canaille)
    }

    /// Runs a command, such as `create user`.
    ///
    /// # Errors
    /// When it fails: tells what it wrote.
    pub fn run(&self, arguments: &[&str]) -> io::Result<Done> {
        let mut command = in_root(&self.root, "/usr/bin/python3");
        let output = command
            .args(["-c", "from canaille.commands import cli; cli()"])
            .args(arguments)
            .env("PYTHONPATH", PYTHON_PACKAGES)
            .env("PYTHONPYCACHEPREFIX", format!("{DIRECTORY}/pycache"))
            .env("CANAILLE_CONFIG", format!("{DIRECTORY}/canaille.toml"))
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(io::Error::other(format!("canaille {arguments:?}: {said}")));
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        let json = printed
            .lines()
            .rev()
            .find(|line| line.starts_with(['{', '[']));
        let printed = json.map_or(Ok(Value::Null), serde_json::from_str)?;
        Ok(Done { printed, said })
    }
}
