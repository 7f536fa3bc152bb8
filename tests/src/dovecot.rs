//! Dovecot's own auth process, which validates JWTs with keys in files.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::auth_client::AuthClient;
use crate::daemon::wait_until;
use crate::stream::Address;

/// No protocol is served: only who logs in is judged.
const CONFIGURATION: &str = "\
base_dir = /run/dovecot
state_dir = /run/dovecot-state
log_path = /tmp/dovecot.log
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = oauthbearer xoauth2
auth_failure_delay = 0
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
userdb {
  driver = static
  args = uid=8 gid=8 home=/tmp
}
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /tmp/oauth2.conf.ext
}
";

const OAUTH2: &str = "\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=/tmp/keys/
username_attribute = email
active_attribute =
active_value =
";

/// A running Dovecot, ended when it goes out of scope.
#[derive(Debug)]
pub struct Dovecot {
    master: Child,
    /// Where its auth process listens.
    pub address: Address,
}

impl Dovecot {
    /// Starts it in `root` on one core, with `keys`: the algorithm, the `kid`, and the key in PEM.
    ///
    /// # Errors
    /// When it does not start: tells what it wrote.
    pub fn start(root: &Path, core: usize, keys: &[(&str, &str, String)]) -> io::Result<Self> {
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
        fs::write(root.join("tmp/dovecot.conf"), CONFIGURATION)?;
        fs::write(root.join("tmp/oauth2.conf.ext"), OAUTH2)?;
        for (algorithm, kid, pem) in keys {
            let directory = root.join("tmp/keys/default").join(algorithm);
            fs::create_dir_all(&directory)?;
            fs::write(directory.join(kid), pem)?;
        }
        let master = Command::new("taskset")
            .args(["-c", &core.to_string(), "chroot"])
            .arg(root)
            .args(["/usr/sbin/dovecot", "-F", "-c", "/tmp/dovecot.conf"])
            .stdin(Stdio::null())
            .spawn()?;
        let address = Address::Unix(root.join("run/dovecot/auth-client"));
        let dovecot = Self { master, address };
        wait_until("Dovecot's handshake", || {
            AuthClient::open(&dovecot.address).is_ok()
        })
        .map_err(|error| {
            let log = fs::read_to_string(root.join("tmp/dovecot.log"));
            io::Error::other(format!("{error}\n{}", log.unwrap_or_default()))
        })?;
        Ok(dovecot)
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let id = i32::try_from(self.master.id()).ok();
        if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
            // Its master ends its processes; it may have ended already.
            let _ended = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _status = self.master.wait();
    }
}
