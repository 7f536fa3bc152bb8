//! Application passwords, and which passwords are taken at all.

use std::net::IpAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_accounts::app_password::{Service, Services};
use toml::de::DeValue;

use super::AccountSettings;
use crate::config::address::IpNetwork;
use crate::config::fault::Faults;
use crate::config::item::{Item, Value};
use crate::config::reader::keys;
use crate::config::secret;
use crate::config::values::{OneLine, words};

keys! {
    /// From where, whose and for what passwords are taken.
    pub(crate) struct PasswordOrigin in "[[accounts.passwords_from]]" {
        networks: Vec<IpNetwork>,
        users: Vec<OneLine>,
        services: Vec<ServiceName>,
    }
}

words! {
    /// A protocol of mail clients.
    pub(crate) enum ServiceName {
        Imap = "imap",
        Pop3 = "pop3",
        Smtp = "smtp",
        Sieve = "sieve",
    }
}

impl clap::ValueEnum for ServiceName {
    fn value_variants<'v>() -> &'v [Self] {
        &[Self::Imap, Self::Pop3, Self::Smtp, Self::Sieve]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(Service::from(*self).name().into())
    }
}

impl From<ServiceName> for Service {
    fn from(name: ServiceName) -> Self {
        match name {
            ServiceName::Imap => Self::Imap,
            ServiceName::Pop3 => Self::Pop3,
            ServiceName::Smtp => Self::Smtp,
            ServiceName::Sieve => Self::Sieve,
        }
    }
}

fn services(names: &[ServiceName]) -> Services {
    names.iter().copied().map(Service::from).collect()
}

/// For which services a password has to be an application password.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Required {
    #[default]
    Nowhere,
    For(Services),
    Everywhere,
}

impl Value for Required {
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
        match item.value {
            DeValue::Boolean(true) => Some(Self::Everywhere),
            DeValue::Boolean(false) => Some(Self::Nowhere),
            DeValue::Array(_) | DeValue::String(_) => {
                let names = Vec::<ServiceName>::read(item, faults)?;
                Some(match &*names {
                    [] => Self::Nowhere,
                    names => Self::For(services(names)),
                })
            }
            _ => item.refuse(
                faults,
                "write true, or a list of services, as in [\"imap\", \"pop3\"]",
            ),
        }
    }
}

impl Required {
    pub(crate) fn holds(self, service: &str) -> bool {
        match self {
            Self::Nowhere => false,
            Self::For(services) => services.contain(service),
            Self::Everywhere => true,
        }
    }
}

impl PasswordOrigin {
    /// Whether a password is taken; of whom it is not known whose it is, none is where users are named.
    fn takes(&self, user: Option<&str>, service: &str, address: Option<IpAddr>) -> bool {
        let is_from = |address: IpAddr| {
            let mut networks = self.networks.iter();
            networks.any(|network| network.get().contains(&address.to_canonical()))
        };
        let is_of = |user: &str| {
            let mut users = self.users.iter();
            users.any(|one| one.eq_ignore_ascii_case(user))
        };
        (self.networks.is_empty() || address.is_some_and(is_from))
            && (self.users.is_empty() || user.is_some_and(is_of))
            && services(&self.services).contain(service)
    }
}

impl AccountSettings {
    /// The files of the keys of application passwords; the first is for new ones.
    pub(crate) fn app_password_key_files(&self) -> impl Iterator<Item = &Path> {
        self.app_password_key.iter().map(|path| &**path)
    }

    /// The keys of application passwords; the first is for new ones.
    ///
    /// # Errors
    /// What is wrong with a file, and what to do.
    pub(crate) fn app_password_keys(&self) -> Result<Vec<[u8; 32]>, String> {
        self.app_password_key_files().map(read_key).collect()
    }

    /// For which services a password has to be an application password.
    pub(crate) fn required_app_passwords(&self) -> Required {
        self.require_app_passwords
    }

    /// Whether a password is taken for what it is.
    pub(crate) fn takes_passwords(
        &self,
        user: Option<&str>,
        service: &str,
        address: Option<IpAddr>,
    ) -> bool {
        let mut origins = self.password_origins.iter();
        self.password_origins.is_empty()
            || origins.any(|origin| origin.takes(user, service, address))
    }

    /// Whether there are passwords that have to be looked at.
    pub(crate) fn judges_passwords(&self) -> bool {
        !self.app_password_key.is_empty() || !self.password_origins.is_empty()
    }

    pub(super) fn check_passwords(&self, faults: &mut Faults) {
        self.places.forbid(
            faults,
            &["require_app_passwords"],
            self.require_app_passwords != Required::Nowhere && self.app_password_key.is_empty(),
            "accounts: nobody has application passwords yet; write app_password_key = \
             \"/etc/gatepost/app-password.key\", and have gatepost app-password make-key make it",
        );
        for origin in &self.password_origins {
            origin.places.forbid(
                faults,
                &["networks", "users", "services"],
                origin.networks.is_empty() && origin.users.is_empty() && origin.services.is_empty(),
                "passwords_from: name networks, users or services; without the table all passwords are taken",
            );
        }
    }
}

fn read_key(path: &Path) -> Result<[u8; 32], String> {
    if !path.exists() {
        return Err(format!(
            "app_password_key {}: it is not there; bring it back, or else make it: gatepost app-password make-key",
            path.display()
        ));
    }
    let text = secret::read("app_password_key", path)?;
    let bytes = STANDARD.decode(text).ok();
    let key = bytes.and_then(|bytes| bytes.try_into().ok());
    key.ok_or_else(|| {
        format!(
            "app_password_key {}: it holds no key; bring it back, or else name another file, and make it: gatepost \
             app-password make-key",
            path.display()
        )
    })
}

/// What a file of a key holds.
pub(crate) fn write_key(key: &[u8; 32]) -> String {
    STANDARD.encode(key) + "\n"
}
