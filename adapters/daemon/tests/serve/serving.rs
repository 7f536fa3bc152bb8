//! A `gatepost serve` of a test, with its log, and those who speak to it in lines.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// How long anything may take before the test is given up.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The command, which ends with its test.
pub(crate) struct Serving {
    child: Child,
    /// Lines of the log that nobody has waited for yet.
    lines: Receiver<String>,
    read: String,
}

impl Serving {
    /// Starts it with a configuration.
    pub(crate) fn start(configuration: &Path) -> Self {
        Self::spawn(&mut command("serve", configuration))
    }

    /// Starts it as `command` does.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // A daemon whose log nobody reads stops at a full pipe.
        thread::spawn(move || {
            let mut line = String::new();
            while log.read_line(&mut line).is_ok_and(|read| read > 0)
                && sender.send(std::mem::take(&mut line)).is_ok()
            {}
        });
        let read = String::new();
        Self { child, lines, read }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads the log up to a line with `words`.
    #[track_caller]
    pub(crate) fn line(&mut self, words: &str) -> &str {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no {words:?} in {}", self.read);
            };
            let start = self.read.len();
            self.read += &line;
            if line.contains(words) {
                return &self.read[start..];
            }
        }
    }

    /// Reads the log, which is JSON, up to a line with that message.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let event: Value = serde_json::from_str(self.line(message)).unwrap();
            if event["message"] == message {
                return event;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Its exit code and its whole log, once it has ended.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let rest: String = self.lines.iter().collect();
        (status.code(), std::mem::take(&mut self.read) + &rest)
    }

    /// Stops it, and gives its whole log.
    pub(crate) fn stop(self) -> String {
        self.signal("TERM");
        let (code, log) = self.ended();
        assert_eq!(code, Some(0), "{log}");
        log
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command, with a configuration.
pub(crate) fn command(subcommand: &str, configuration: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args([subcommand, "--config"]).arg(configuration);
    command
}

/// What a daemon says that does not start.
#[track_caller]
pub(crate) fn refused(configuration: &Path) -> String {
    let (code, words) = Serving::start(configuration).ended();
    assert_eq!(code, Some(2), "{words}");
    words
}

/// One side of a connection.
pub(crate) struct Client<S>(pub(crate) BufReader<S>);

impl Client<UnixStream> {
    pub(crate) fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }
}

impl Client<TcpStream> {
    pub(crate) fn tcp(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The other side may have closed, which the answer tells.
        let _ = self.0.get_mut().write_all(bytes.as_ref());
    }

    /// One line, without its end; empty at the end of the stream.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            // A connection that was closed on what nobody read is reset.
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => line.trim_end_matches('\n').to_owned(),
        }
    }

    pub(crate) fn ask(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.send(bytes);
        self.line()
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}
