//! The command `gatepost serve`, as its operator sees it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::auth_client::AuthClient;
use crate::login::{AUDIENCE, ISSUER, SCOPE};
use crate::roots;
use crate::stream::{Address, PATIENCE};

/// A configuration: its file, its keys, and its logs lie in one directory.
#[derive(Clone, Debug)]
pub struct Configuration {
    directory: PathBuf,
    /// Where the daemon listens.
    pub listeners: Vec<Address>,
    /// Who verifies signatures.
    pub backend: Backend,
}

/// Who verifies signatures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Backend {
    /// aws-lc-rs, the default.
    AwsLc,
    /// The core's own code.
    RustCrypto,
}

/// A running daemon, killed when it goes out of scope.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    /// What it writes to its standard error: its log.
    pub log: PathBuf,
}

/// The command to test: `GATEPOST_BIN`, or what Cargo built beside this program.
///
/// # Errors
/// When it was not built.
pub fn program() -> io::Result<PathBuf> {
    if let Some(path) = std::env::var_os("GATEPOST_BIN") {
        let named = |error| io::Error::other(format!("GATEPOST_BIN {}: {error}", path.display()));
        return fs::canonicalize(&path).map_err(named);
    }
    let profile = roots::profile_directory()?;
    let candidates = [profile.clone(), profile.with_file_name("release")];
    let mut programs = candidates
        .iter()
        .map(|directory| directory.join("gatepost"));
    programs.find(|path| path.is_file()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "the command gatepost was not built",
        )
    })
}

impl Configuration {
    /// Writes a configuration for `listeners` and `jwk_set` into an empty `directory`.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(
        directory: PathBuf,
        listeners: Vec<Address>,
        backend: Backend,
        jwk_set: &Value,
    ) -> io::Result<Self> {
        let configuration = Self {
            directory,
            listeners,
            backend,
        };
        configuration.write_keys(jwk_set)?;
        configuration.write_file(&configuration.text())?;
        Ok(configuration)
    }

    /// Writes a configuration of one listener without rights of its own, and any text for the rest.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write_text(directory: PathBuf, listener: Address, text: &str) -> io::Result<Self> {
        let configuration = Self {
            directory,
            listeners: vec![listener],
            backend: Backend::AwsLc,
        };
        configuration.write_file(text)?;
        Ok(configuration)
    }

    /// Replaces the keys, as an operator should: by a rename.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write_keys(&self, jwk_set: &Value) -> io::Result<()> {
        replace(&self.directory.join("keys.json"), &jwk_set.to_string())
    }

    /// Replaces the configuration file.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write_file(&self, text: &str) -> io::Result<()> {
        replace(&self.file(), text)
    }

    /// The right content of the configuration file.
    #[must_use]
    pub fn text(&self) -> String {
        let backend = match self.backend {
            Backend::AwsLc => "aws-lc",
            Backend::RustCrypto => "rustcrypto",
        };
        let mut text = format!(
            "backend = \"{backend}\"\n\n[log]\nformat = \"json\"\n\n[discovery]\nscope = \"{SCOPE}\"\n"
        );
        for listener in &self.listeners {
            // Writing to a String cannot fail.
            let _written = match listener {
                Address::Tcp(address) => {
                    write!(text, "\n[[listener]]\naddress = \"tcp:{address}\"\n")
                }
                Address::Unix(path) => write!(
                    text,
                    "\n[[listener]]\naddress = \"unix:{}\"\nmode = \"0660\"\nowner = \"postfix\"\ngroup = \"postfix\"\n",
                    path.display()
                ),
            };
        }
        let keys = self.directory.join("keys.json");
        text + &format!(
            "\n[[provider]]\nname = \"test\"\nissuer = \"{ISSUER}\"\naudience = [\"{AUDIENCE}\"]\n\
             keys = [\"{}\"]\nusername_claims = [\"email\"]\nscopes = [\"{SCOPE}\"]\n",
            keys.display()
        )
    }

    fn file(&self) -> PathBuf {
        self.directory.join("gatepost.toml")
    }

    /// A file for the log of one more instance.
    fn log(&self) -> PathBuf {
        let unused = |path: &PathBuf| !path.exists();
        let paths = (1..).map(|number| self.directory.join(format!("{number}.log")));
        paths.into_iter().find(unused).unwrap_or_default()
    }
}

impl Daemon {
    /// Starts the daemon and waits until each of its listeners answers.
    ///
    /// # Errors
    /// When it ends or stays silent: tells what it wrote.
    pub fn start(configuration: &Configuration) -> io::Result<Self> {
        let log = configuration.log();
        let child = Command::new(program()?)
            .args(["serve", "--config"])
            .arg(configuration.file())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let mut daemon = Self { child, log };
        for listener in &configuration.listeners {
            daemon.wait_for(listener)?;
        }
        Ok(daemon)
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to read its configuration again.
    ///
    /// # Errors
    /// When it has ended.
    pub fn reload(&self) -> io::Result<()> {
        self.signal(Signal::HUP)
    }

    /// Asks it to finish what it has begun and end, and waits for that.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn terminate(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let mut status = None;
        wait_until("the daemon's end", || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        })?;
        status.ok_or_else(|| io::ErrorKind::TimedOut.into())
    }

    /// Ends it as the system does that runs out of memory: it is told nothing.
    ///
    /// # Errors
    /// When it has ended.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// What it has logged so far.
    #[must_use]
    pub fn logged(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The events that it has logged so far, each a JSON object.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        let logged = self.logged();
        let events = logged.lines().map(serde_json::from_str);
        events.filter_map(Result::ok).collect()
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let id = id.ok_or_else(|| io::Error::other("no process"))?;
        Ok(kill_process(id, signal)?)
    }

    fn wait_for(&mut self, listener: &Address) -> io::Result<()> {
        let own = self.id();
        let answered = wait_until("the daemon's handshake", || {
            AuthClient::open(listener).is_ok_and(|client| client.server == own)
                || !matches!(self.child.try_wait(), Ok(None))
        });
        match self.child.try_wait()? {
            None => {
                answered.map_err(|error| io::Error::other(format!("{error}\n{}", self.logged())))
            }
            Some(status) => Err(io::Error::other(format!("{status}\n{}", self.logged()))),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Polls `condition` until it holds.
///
/// # Errors
/// When it does not within [`PATIENCE`].
pub fn wait_until(event: &str, mut condition: impl FnMut() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        if Instant::now() > deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("waited for {event}"),
            ));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn replace(path: &Path, content: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, content)?;
    fs::rename(new, path)
}
