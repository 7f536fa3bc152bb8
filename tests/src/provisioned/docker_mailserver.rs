//! docker-mailserver's Postfix and Dovecot, with what its page says to write.

use std::io;

use super::{HTTP, MAPS, Provisioned, setup};
use crate::dovecot::{Dovecot, Setup, Tokens, Version};

/// What an administrator is told to write for its Dovecot.
const DOCKER_DOVECOT: &str = include_str!("../../../examples/docker-mailserver/dovecot.cf");

/// The same for one of the older series.
const DOCKER_DOVECOT_2_3: &str = "\
userdb {
  driver = static
  args = uid=docker gid=docker home=/var/mail/%d/%n/home/ allow_all_users=yes
}
";

/// What an administrator is told to write for its Postfix.
const DOCKER_POSTFIX: &str = include_str!("../../../examples/docker-mailserver/postfix-main.cf");

impl Provisioned {
    /// A Dovecot as docker-mailserver has it, with what its page says to write.
    ///
    /// # Errors
    /// When it does not start: tells what it wrote.
    pub fn docker_dovecot(&self, version: Version) -> io::Result<Dovecot> {
        let name = "dms";
        let (port, settings) = match version {
            Version::V2_3 => (14900, DOCKER_DOVECOT_2_3),
            Version::V2_4 => (15000, DOCKER_DOVECOT),
        };
        let setup = Setup {
            name,
            port,
            tokens: Tokens::docker_mailserver(HTTP),
            users: &[("postmaster@d23.test", "of-a-file")],
            ..setup(version)
        };
        let mut dovecot = Dovecot::start(&self.namespace.root(version.recipe()), setup)?;
        // The mail's owner has another name in the roots, and each Dovecot a directory of its own.
        let settings = settings.replace("docker", "mail");
        dovecot.add(&settings.replace("/var/mail", &format!("/var/mail/{name}")))?;
        Ok(dovecot)
    }

    /// What docker-mailserver's Postfix hears of `key` where it asks Gatepost for `setting`.
    ///
    /// # Errors
    /// When its page says nothing of that, or the map cannot be asked.
    pub fn docker_postfix(&self, setting: &str, key: &str) -> io::Result<String> {
        let mut lines = DOCKER_POSTFIX.lines();
        let value = lines.find_map(|line| line.strip_prefix(setting)?.strip_prefix(" = "));
        let map = value.and_then(|value| value.rsplit(", ").next());
        let map = map.ok_or_else(|| io::Error::other("its page says nothing of that"))?;
        let map = map.replace("gatepost:9083", &format!("127.0.0.1:{MAPS}"));
        self.postfix.ask(&map, key)
    }
}
