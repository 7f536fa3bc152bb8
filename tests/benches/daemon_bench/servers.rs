//! Gatepost on one core, and its configurations.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gatepost_tests::auth_client::AuthClient;
use gatepost_tests::daemon::wait_until;
use gatepost_tests::mint::Issuer;
use gatepost_tests::roots;
use gatepost_tests::stream::Address;
use gatepost_tests::stub::Stub;

use super::tokens::ISSUER;

/// A running daemon on core 0, ended when it goes out of scope.
pub(crate) struct Gatepost {
    child: Child,
    pub(crate) address: Address,
}

impl Gatepost {
    pub(crate) fn start(directory: &Path, name: &str, providers: &str) -> io::Result<Self> {
        let directory = directory.join(name);
        fs::create_dir_all(&directory)?;
        let (config, socket) = (directory.join("gatepost.toml"), directory.join("auth"));
        let head = format!(
            "listen = \"unix:{}\"\nlog.level = \"warn\"\n",
            socket.display()
        );
        fs::write(&config, format!("{head}{providers}"))?;
        let release = roots::profile_directory()?.with_file_name("release");
        let child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(release.join("gatepost"))
            .args(["serve", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .spawn()?;
        let address = Address::Unix(socket);
        let gatepost = Self { child, address };
        wait_until("the daemon's handshake", || {
            AuthClient::open(&gatepost.address).is_ok()
        })?;
        Ok(gatepost)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Gatepost {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

pub(crate) fn static_keys(directory: &Path, issuer: &Issuer) -> io::Result<String> {
    let keys = directory.join("keys.json");
    fs::write(&keys, issuer.jwk_set().to_string())?;
    Ok(format!(
        "[[provider]]\nissuer = \"{ISSUER}\"\naudience = \"mail\"\nusername_claims = [\"email\"]\nkeys = ['{}']\n",
        keys.display()
    ))
}

pub(crate) fn introspecting(stub: &Stub, concurrency: usize) -> String {
    format!(
        "[[provider]]\nintrospection_url = \"{}\"\naudience = \"mail\"\nusername_claims = [\"email\"]\n\
         client_id = \"rs\"\nclient_secret = \"secret\"\nconcurrency = {concurrency}\n",
        stub.url("/introspect")
    )
}

pub(crate) fn discovering(stub: &Stub) -> String {
    format!(
        "[[provider]]\nissuer = \"{}\"\naudience = \"mail\"\nusername_claims = [\"email\"]\n",
        stub.issuer()
    )
}

/// What a process holds in memory.
pub(crate) fn resident_megabytes(id: u32) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kilobytes.unwrap_or(f64::NAN) / 1024.0)
}
