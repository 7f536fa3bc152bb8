//! The real daemon as a child process, and its log.

use std::{
    env,
    fs::{self, File},
    io::{self, BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::client::AuthClient;

/// How long the daemon may take to start, to log a line or to stop.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Daemon {
    child: Child,
    socket: SocketAddr,
    log: BufReader<File>,
}

impl Daemon {
    /// Starts `gatepost serve` on a free port, with its log and this configuration in `folder`.
    pub(super) fn start(folder: &Path, providers: &str) -> io::Result<Self> {
        let socket = free_port()?;
        let config = folder.join("gatepost.toml");
        let log = folder.join("log");
        let text = format!("listen = \"tcp:{socket}\"\nlog.format = \"json\"\n\n{providers}");
        fs::write(&config, text)?;
        let child = Command::new(env::current_exe()?)
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let log = BufReader::new(File::open(&log)?);
        let mut daemon = Self { child, socket, log };
        daemon.wait_until_it_answers()?;
        Ok(daemon)
    }

    pub(super) fn socket(&self) -> SocketAddr {
        self.socket
    }

    pub(super) fn address(&self) -> String {
        format!("tcp:{}", self.socket)
    }

    /// The reason code of the next login in the log; `None` where it was accepted.
    pub(super) fn next_reason(&mut self) -> io::Result<Option<String>> {
        let deadline = Instant::now() + PATIENCE;
        let mut line = String::new();
        while Instant::now() < deadline {
            if self.log.read_line(&mut line)? == 0 || !line.ends_with('\n') {
                thread::sleep(Duration::from_millis(2));
                continue;
            }
            if let Some(login) = LoginLine::parse(&line) {
                return Ok(login.reason);
            }
            line.clear();
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the daemon logged no login",
        ))
    }

    /// Ends the daemon.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    fn wait_until_it_answers(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match AuthClient::connect(self.socket) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                let mut log = String::new();
                while self.log.read_line(&mut log)? > 0 {}
                return Err(io::Error::other(format!(
                    "`gatepost serve` ended, {status}:\n{log}"
                )));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A demonstration that fails leaves no daemon behind.
impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Whoever asks for port 0 gets one that nobody uses.
pub(super) fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// What the log says of one login.
struct LoginLine {
    reason: Option<String>,
}

impl LoginLine {
    /// `None` where the line is about something else.
    fn parse(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let fields = line.get("fields").unwrap_or(&line);
        fields.get("verdict")?;
        let reason = fields.get("reason").and_then(Value::as_str);
        Some(Self {
            reason: reason.map(str::to_owned),
        })
    }
}
