//! scim2-server: a provider that serves users and groups over SCIM and pushes nothing. It keeps them in memory.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::daemon::wait_until;
use crate::namespace::in_root;
use crate::roots::PYTHON_PACKAGES;

/// One that runs until it is dropped.
#[derive(Debug)]
pub struct Scim2Server {
    child: Child,
    port: u16,
    secret: String,
}

impl Scim2Server {
    /// Starts one in `root` on `port`, which takes the bearer token `secret`; `log` is where it logs to.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(root: &Path, port: u16, secret: &str, log: &Path) -> io::Result<Self> {
        let mut command: Command = in_root(root, "/usr/bin/python3");
        let child = command
            .args(["-c", "from scim2_server.testserver.cli import main; main()"])
            .args(["--port", &port.to_string(), "--bearer-token", secret])
            .env("PYTHONPATH", PYTHON_PACKAGES)
            .env("PYTHONPYCACHEPREFIX", "/tmp/pycache")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log)?)
            .spawn()?;
        let server = Self {
            child,
            port,
            secret: secret.to_owned(),
        };
        wait_until("scim2-server", || {
            server
                .ask("GET", "/ServiceProviderConfig", &Value::Null)
                .is_ok()
        })?;
        Ok(server)
    }

    /// Sends a request, a body of `null` being none; gives the body of the answer.
    ///
    /// # Errors
    /// When it fails, or is refused.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> io::Result<Value> {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{}/v2{path}", self.port))
            .header("Authorization", format!("Bearer {}", self.secret))
            .header("Content-Type", "application/scim+json")
            .body(text)
            .map_err(io::Error::other)?;
        let answer = ureq::run(request).map_err(io::Error::other);
        let text = answer?
            .body_mut()
            .read_to_string()
            .map_err(io::Error::other)?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

impl Drop for Scim2Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
