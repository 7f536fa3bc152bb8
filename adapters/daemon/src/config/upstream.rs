//! `[upstream]` and `[users]`: whom Gatepost relays to, and who exists.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use gatepost_mail::socketmap::{Delimiters, DelimitersError};
use gatepost_mail::users::{
    Common, Exist, PasswdFile, PasswdFileBuilder, Template, TemplateError, Users,
};
use nix::unistd::{Group, User};

use super::claims::DomainName;
use super::fault::Faults;
use super::item::{Item, Value};
use super::paths::socket_path;
use super::reader::keys;
use super::values::{FieldName, OneLine, words};
use super::{Address, Config, Listener};

/// Longest passwd-file, in bytes: 100,000 users with everything that one can have, and an Argon2id password.
const MAX_PASSWD_FILE: u64 = 32 << 20;

words! {
    /// What is spoken over a listener's connections.
    #[derive(Default)]
    pub(crate) enum ListenerProtocol {
        /// Dovecot's auth protocol.
        #[default]
        Auth = "auth",
        /// Dovecot's master protocol.
        Master = "master",
        /// Postfix's socketmap.
        Socketmap = "socketmap",
    }
}

keys! {
    /// The upstream Dovecot.
    #[derive(Default)]
    pub(crate) struct Upstream in "[upstream]" {
        /// Where its login processes log in.
        pub(crate) login: Option<SocketPath>,
        /// Where others do.
        pub(crate) client: Option<SocketPath>,
        /// Where its mail processes ask.
        pub(crate) master: Option<SocketPath>,
    }
}

impl Upstream {
    /// Its sockets, by their keys.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let all = [
            ("login", self.login.as_deref()),
            ("client", self.client.as_deref()),
            ("master", self.master.as_deref()),
        ];
        all.into_iter().filter_map(|(key, path)| Some((key, path?)))
    }

    fn check(&self, faults: &mut Faults) {
        self.places.forbid(
            faults,
            &["login", "client", "master"],
            self.login.is_none() && self.client.is_none() && self.master.is_none(),
            "dovecot: name its sockets: login = \"unix:/run/dovecot/login/login\" and master = \
             \"unix:/run/dovecot/auth-master\"; for Postfix and Exim client = \
             \"unix:/run/dovecot/auth-client\"",
        );
    }
}

impl Config {
    /// Whether `[upstream]` and `[users]` are enough for what its listeners are asked.
    pub(super) fn check_upstream(&self, faults: &mut Faults) {
        if let Some(dovecot) = &self.upstream {
            dovecot.check(faults);
        }
        if let Some(users) = &self.users {
            users.check(faults);
        }
        let is_known = |key: &str| self.places.is_sound(faults, &[key]);
        if is_known("upstream") && is_known("users") && is_known("accounts") {
            for listener in &self.listeners {
                self.check_asked(listener, faults);
            }
        }
    }

    /// Whether anybody can answer what this listener is asked.
    fn check_asked(&self, listener: &Listener, faults: &mut Faults) {
        let dovecot = self.upstream.as_ref();
        let has_users = self.users.is_some()
            || self.accounts.is_some()
            || dovecot.is_some_and(|dovecot| dovecot.master.is_some());
        let relays =
            dovecot.is_some_and(|dovecot| dovecot.login.is_some() || dovecot.client.is_some());
        let relays_logins =
            dovecot.is_some_and(|dovecot| dovecot.login.is_some() && dovecot.master.is_some());
        let login_directory = dovecot.and_then(|dovecot| dovecot.login.as_ref()?.parent());
        let directory = match &listener.address {
            Address::Unix(path) => path.parent(),
            Address::Tcp(_) | Address::Systemd(_) => None,
        };
        let (places, protocol) = (&listener.places, listener.protocol);
        places.forbid(
            faults,
            &["address"],
            login_directory.is_some() && directory == login_directory,
            "listener: Dovecot does not start while a foreign socket lies right in its login directory; write a \
             path below, as in \"unix:/run/dovecot/login/gatepost/auth\"",
        );
        places.forbid(
            faults,
            &["protocol"],
            protocol != ListenerProtocol::Auth && !has_users,
            "listener: nobody knows the users that are asked for here; write [upstream] with master = \
             \"unix:/run/dovecot/auth-master\", or [users], or [accounts]",
        );
        places.forbid(
            faults,
            &["protocol"],
            protocol == ListenerProtocol::Master && has_users && relays && !relays_logins,
            "listener: a mail process would ask here for logins that Dovecot has made; write login and master \
             under [upstream]",
        );
    }
}

/// `unix:/path`, of a socket of Dovecot's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SocketPath(PathBuf);

impl TryFrom<String> for SocketPath {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => socket_path(path).map(Self),
            _ => Err("write the path of a socket, as in \"unix:/run/dovecot/auth-master\""),
        }
    }
}

impl Deref for SocketPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

keys! {
    /// The users, if they are not Dovecot's to know.
    pub(crate) struct UserSettings in "[users]" {
        passwd_file: Option<PathBuf>,
        uid: Option<SystemId>,
        gid: Option<SystemId>,
        home: Option<UserTemplate>,
        fields: BTreeMap<FieldName, UserTemplate>,
        domains: Vec<DomainName>,
        allow_all_users: bool,
    }
}

/// A user or group of the system: its number or its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SystemId {
    Number(u32),
    Name(OneLine),
}

impl Value for SystemId {
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
        if item.value.is_str() {
            return OneLine::read(item, faults).map(Self::Name);
        }
        let number = item.value.as_integer();
        match number.and_then(|number| number.as_str().parse().ok()) {
            Some(number) => Some(Self::Number(number)),
            None => item.refuse(faults, "write a number, or the name of a user or group"),
        }
    }
}

/// What extensions of addresses begin with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RecipientDelimiter(Delimiters);

impl RecipientDelimiter {
    pub(crate) fn get(&self) -> Delimiters {
        self.0.clone()
    }
}

impl TryFrom<String> for RecipientDelimiter {
    type Error = DelimitersError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// Text with a user's name in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UserTemplate(Template);

impl TryFrom<String> for UserTemplate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let template: Template = text
            .parse()
            .map_err(|error: TemplateError| error.to_string())?;
        if template.has_id() {
            return Err(
                "only the users of [accounts] have a %{id}; write another variable".to_owned(),
            );
        }
        Ok(Self(template))
    }
}

/// Text with an account's name or id in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AccountTemplate(Template);

impl TryFrom<String> for AccountTemplate {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl AccountTemplate {
    pub(super) fn get(&self) -> Template {
        self.0.clone()
    }
}

/// Why users cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    #[error("{table}: there is no {kind} {name:?}; create it, or write a number")]
    Unknown {
        table: &'static str,
        kind: &'static str,
        name: String,
    },
    #[error("{table}: {kind} = 0 would be root; name the user that mail belongs to")]
    Root {
        table: &'static str,
        kind: &'static str,
    },
    #[error("[users]: passwd_file {}: {source}; give a file that gatepost can read", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "[users]: passwd_file {}: longer than {MAX_PASSWD_FILE} bytes; give a smaller one",
        .0.display()
    )]
    TooLong(PathBuf),
}

impl UserSettings {
    fn check(&self, faults: &mut Faults) {
        let ways = [
            self.passwd_file.is_some(),
            !self.domains.is_empty(),
            self.allow_all_users,
        ];
        self.places.forbid(
            faults,
            &["passwd_file", "domains", "allow_all_users"],
            ways.into_iter().filter(|way| *way).count() != 1,
            "users: say who exists, in one way: passwd_file = \"/etc/dovecot/users\", or domains = \
             [\"example.com\"] for everybody in these, or allow_all_users = true",
        );
        let is_own = |name: &FieldName| ["uid", "gid", "home"].contains(&&**name);
        self.places.forbid(
            faults,
            &["fields"],
            self.fields.keys().any(is_own),
            "users: uid, gid and home are keys of their own: write uid = \"vmail\", not fields = { uid = .. }",
        );
    }

    /// The file of users, if it says who exists.
    pub(crate) fn passwd_file(&self) -> Option<&Path> {
        self.passwd_file.as_deref()
    }

    /// Makes them of what the system knows now. Lines that cannot be used are logged.
    pub(crate) fn load(&self) -> Result<Users, UsersError> {
        let fields = self.fields.iter();
        let (uid, gid) = owners("[users]", self.uid.as_ref(), self.gid.as_ref())?;
        let common = Common {
            uid,
            gid,
            home: self.home.as_ref().map(|home| home.0.clone()),
            fields: fields
                .map(|(name, value)| (name.to_string(), value.0.clone()))
                .collect(),
        };
        let domains = self.domains.iter();
        let exist = match &self.passwd_file {
            Some(path) => Exist::Listed(read(path)?),
            None if self.allow_all_users => Exist::All,
            None => Exist::Domains(domains.map(|name| name.to_ascii_lowercase()).collect()),
        };
        Ok(Users { exist, common })
    }

    pub(super) fn looser_words(&self, words: &mut Vec<String>) {
        if self.allow_all_users {
            words.push("[users]: allow_all_users = true: every name exists".to_owned());
        }
    }
}

/// The numbers of the user and the group that mail belongs to, as `table` names them.
pub(super) fn owners(
    table: &'static str,
    uid: Option<&SystemId>,
    gid: Option<&SystemId>,
) -> Result<(Option<u32>, Option<u32>), UsersError> {
    let uid = system_id((table, "uid"), uid, user_id)?;
    Ok((uid, system_id((table, "gid"), gid, group_id)?))
}

fn system_id(
    (table, kind): (&'static str, &'static str),
    id: Option<&SystemId>,
    find: impl Fn(&str) -> Option<u32>,
) -> Result<Option<u32>, UsersError> {
    let id = match id {
        None => return Ok(None),
        Some(SystemId::Number(number)) => *number,
        Some(SystemId::Name(name)) => find(name).ok_or_else(|| UsersError::Unknown {
            table,
            kind,
            name: name.to_string(),
        })?,
    };
    if id == 0 {
        return Err(UsersError::Root { table, kind });
    }
    Ok(Some(id))
}

fn user_id(name: &str) -> Option<u32> {
    User::from_name(name)
        .ok()
        .flatten()
        .map(|user| user.uid.as_raw())
}

fn group_id(name: &str) -> Option<u32> {
    Group::from_name(name)
        .ok()
        .flatten()
        .map(|group| group.gid.as_raw())
}

fn read(path: &Path) -> Result<PasswdFile, UsersError> {
    let failed = |source| UsersError::Unreadable {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mut file = BufReader::new(file.take(MAX_PASSWD_FILE + 1));
    let (mut users, mut line, mut length) = (PasswdFileBuilder::default(), Vec::new(), 0);
    loop {
        line.clear();
        let read = file.read_until(b'\n', &mut line).map_err(failed)?;
        length += read as u64;
        if length > MAX_PASSWD_FILE {
            return Err(UsersError::TooLong(path.into()));
        }
        if read == 0 {
            return Ok(users.finish());
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Err(error) = users.line(&String::from_utf8_lossy(text)) {
            let path = path.display().to_string();
            tracing::warn!(path, error = error.to_string(), "user left out");
        }
    }
}
