//! `[accounts]`: who is known before anybody logs in, and who provisions them.

mod passwords;
mod pull;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gatepost_accounts::login::Strangers;
use gatepost_accounts::name::Address as Mailbox;
use gatepost_mail::users::Common;

use super::claims::DomainName;
use super::fault::Faults;
use super::paths::AbsolutePath;
use super::reader::keys;
use super::upstream::{AccountTemplate, SystemId, UsersError, owners};
use super::values::{Bounded, FieldName, OneLine, words};
use super::{Address, Listener};
pub(crate) use passwords::{PasswordOrigin, Required, ServiceName, write_key};
pub(crate) use pull::PulledSource;
pub(crate) use source::AccountSource;
pub(super) use source::SourceName;

keys! {
    /// Where accounts are kept, and how mail servers are told of them.
    pub(crate) struct AccountSettings in "[accounts]" {
        database: AbsolutePath; required,
        listen: Vec<Address>,
        certificate: Option<PathBuf>,
        certificate_key: Option<PathBuf>,
        allow_remote: bool,
        trust_client_address: Option<bool>,
        /// As a listener's.
        take_over: bool,
        /// Connections of an address at once; one more is closed.
        pub(crate) connections: Bounded<1, 65_536> = Bounded::new(64),
        disabled_mail: DisabledMail,
        unknown: UnknownUser,
        login_names: LoginNames,
        uid: Option<SystemId>,
        gid: Option<SystemId>,
        home: Option<AccountTemplate>,
        fields: BTreeMap<FieldName, AccountTemplate>,
        /// The directory of docker-mailserver's configuration, whose files are written.
        docker_mailserver: Option<AbsolutePath>,
        catch_all: BTreeMap<DomainName, MailAddress>,
        /// The files of the keys that application passwords are kept by; the first is for new ones.
        app_password_key: Vec<AbsolutePath>,
        require_app_passwords: Required,
        password_origins as "passwords_from": Vec<PasswordOrigin>,
        pub(crate) sources as "source": Vec<AccountSource>,
        pub(crate) lists as "list": Vec<MailingList>,
        pub(crate) pulls as "pull": Vec<PulledSource>,
    }
}

keys! {
    /// A group that is a distribution list.
    pub(crate) struct MailingList in "[[accounts.list]]" {
        pub(crate) source: SourceName; required,
        pub(crate) group: OneLine; required,
        pub(crate) address: MailAddress; required,
        pub(crate) members_may_send: bool,
    }
}

words! {
    /// What becomes of mail for accounts that may not log in.
    #[derive(Default)]
    enum DisabledMail {
        #[default]
        Accept = "accept",
        Refuse = "refuse",
    }
}

words! {
    /// What a good token does whose user has no account.
    #[derive(Default)]
    enum UnknownUser {
        #[default]
        Refuse = "refuse",
        Allow = "allow",
        Create = "create",
    }
}

words! {
    /// Under which names of its account a client may log in, beside the token's.
    #[derive(Default)]
    enum LoginNames {
        #[default]
        Mailbox = "mailbox",
        Addresses = "addresses",
    }
}

/// A mail address.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MailAddress(Mailbox);

impl TryFrom<String> for MailAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let address = Mailbox::parse(&text);
        address
            .map(Self)
            .map_err(|error| format!("write an address, as in \"list@example.com\": {error}"))
    }
}

impl MailAddress {
    pub(crate) fn get(&self) -> &Mailbox {
        &self.0
    }
}

impl AccountSettings {
    /// The database.
    pub(crate) fn database(&self) -> &Path {
        &self.database
    }

    /// Where SCIM is spoken.
    pub(crate) fn listeners(&self) -> Vec<Listener> {
        let listeners = self.listen.iter().map(|address| Listener {
            allow_remote: self.allow_remote,
            trust_client_address: self.trust_client_address,
            take_over: self.take_over,
            places: self.places.clone(),
            ..Listener::at(address.clone())
        });
        listeners.collect()
    }

    /// The files of its certificate and the key of that, if TLS is spoken there.
    pub(crate) fn certificate(&self) -> Option<(&Path, &Path)> {
        self.certificate
            .as_deref()
            .zip(self.certificate_key.as_deref())
    }

    /// Where docker-mailserver's files are written, if they are.
    pub(crate) fn docker_mailserver(&self) -> Option<&Path> {
        self.docker_mailserver.as_deref()
    }

    /// Whether mail for accounts that may not log in is refused.
    pub(crate) fn refuses_disabled(&self) -> bool {
        self.disabled_mail == DisabledMail::Refuse
    }

    /// What a good token does whose user has no account.
    pub(crate) fn strangers(&self) -> Strangers {
        match self.unknown {
            UnknownUser::Refuse => Strangers::Refuse,
            UnknownUser::Allow => Strangers::Allow,
            UnknownUser::Create => Strangers::Create,
        }
    }

    /// Whether a client may log in under any address of its account.
    pub(crate) fn aliases_log_in(&self) -> bool {
        self.login_names == LoginNames::Addresses
    }

    /// Who gets what is for nobody, by domain.
    pub(crate) fn catch_alls(&self) -> impl Iterator<Item = (&str, &Mailbox)> {
        let all = self.catch_all.iter();
        all.map(|(domain, target)| (&**domain, target.get()))
    }

    /// What every account has as a user of Dovecot's.
    ///
    /// # Errors
    /// [`UsersError`]: the system does not know whom the table names.
    pub(crate) fn common(&self) -> Result<Common, UsersError> {
        let (uid, gid) = owners("[accounts]", self.uid.as_ref(), self.gid.as_ref())?;
        let fields = self.fields.iter();
        Ok(Common {
            uid,
            gid,
            home: self.home.as_ref().map(AccountTemplate::get),
            fields: fields
                .map(|(name, value)| (name.to_string(), value.get()))
                .collect(),
        })
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        for listener in self.listeners() {
            if !matches!(listener.address, Address::Unix(_)) {
                listener.check(faults);
            }
        }
        let mut forbid = |keys: &[&str], is_broken, sentence| {
            self.places.forbid(faults, keys, is_broken, sentence);
        };
        let is_unix = |address: &Address| matches!(address, Address::Unix(_));
        forbid(
            &["listen"],
            self.listen.iter().any(is_unix),
            "accounts: write \"tcp:host:port\", as in \"tcp:127.0.0.1:9082\": sources speak HTTP",
        );
        forbid(
            &["source"],
            self.sources.is_empty(),
            "accounts: nobody provisions accounts; add [[accounts.source]] with name = \"..\" and domains = [\"..\"]",
        );
        let mut pushing = self.sources.iter();
        forbid(
            &["listen", "source"],
            !self.listen.is_empty() && !pushing.any(|source| source.public_url().is_some()),
            "accounts: listen is for sources that push accounts: give one of them its public_url, or remove listen",
        );
        forbid(
            &["certificate", "certificate_key"],
            self.certificate.is_some() != self.certificate_key.is_some(),
            "accounts: certificate and certificate_key belong together: a chain and its key, in PEM",
        );
        forbid(
            &["certificate"],
            self.certificate.is_some() && self.listen.is_empty(),
            "accounts: certificate is for what listens; write listen = \"tcp:host:port\", or remove it",
        );
        let is_own = |name: &FieldName| ["uid", "gid", "home"].contains(&&**name);
        forbid(
            &["fields"],
            self.fields.keys().any(is_own),
            "accounts: uid, gid and home are keys of their own: write uid = \"vmail\", not fields = { uid = .. }",
        );
        self.check_sources(faults);
        self.check_lists(faults);
        self.check_pulls(faults);
        self.check_passwords(faults);
    }

    fn check_sources(&self, faults: &mut Faults) {
        let mut names = BTreeSet::new();
        for source in &self.sources {
            source.check(faults);
            source.places.forbid(
                faults,
                &["name"],
                !names.insert(&*source.name),
                "source: another one has this name; give each a name of its own",
            );
            source.places.forbid(
                faults,
                &["public_url"],
                source.public_url().is_some() && self.listen.is_empty(),
                "source: it has nowhere to push accounts to; write listen = \"tcp:127.0.0.1:9082\" under [accounts]",
            );
        }
    }

    fn check_lists(&self, faults: &mut Faults) {
        let mut addresses = BTreeSet::new();
        for list in &self.lists {
            let source = self.sources.iter().find(|one| one.name == list.source);
            list.places.forbid(
                faults,
                &["source"],
                self.places.is_sound(faults, &["source"]) && source.is_none(),
                format_args!(
                    "list: there is no [[accounts.source]] with name = \"{}\"; name one of those that there are",
                    &*list.source
                ),
            );
            list.places.forbid(
                faults,
                &["address"],
                source.is_some_and(|source| !source.gives(list.address.get())),
                format_args!(
                    "list: the source \"{}\" gives no addresses in this domain; add it to its domains",
                    &*list.source
                ),
            );
            list.places.forbid(
                faults,
                &["address"],
                !addresses.insert(list.address.get().as_str()),
                "list: another one has this address; give each list one of its own",
            );
        }
    }

    fn check_pulls(&self, faults: &mut Faults) {
        let mut pulled = BTreeSet::new();
        for pull in &self.pulls {
            pull.check(faults);
            let source = self.sources.iter().find(|one| one.name == pull.source);
            pull.places.forbid(
                faults,
                &["source"],
                self.places.is_sound(faults, &["source"]) && source.is_none(),
                format_args!(
                    "pull: there is no [[accounts.source]] with name = \"{}\"; add it, with the domains of its users",
                    &*pull.source
                ),
            );
            pull.places.forbid(
                faults,
                &["source"],
                source.is_some_and(|source| source.public_url().is_some()),
                "pull: this source pushes accounts, and would delete what is pulled; remove its public_url, or use \
                 another source",
            );
            pull.places.forbid(
                faults,
                &["source"],
                !pulled.insert(&*pull.source),
                "pull: another one has this source, and each would delete the other's accounts; give each its own",
            );
        }
    }

    pub(super) fn looser_words(&self, words: &mut Vec<String>) {
        for pull in &self.pulls {
            pull.looser_words(words);
        }
        if self.allow_remote && self.certificate().is_none() {
            words.push(
                "[accounts]: allow_remote = true: secrets of sources travel in clear".to_owned(),
            );
        }
        let unknown = match self.unknown {
            UnknownUser::Refuse => None,
            UnknownUser::Allow => Some(
                "\"allow\": good tokens log in without an account, also those of users who were deleted",
            ),
            UnknownUser::Create => {
                Some("\"create\": every good token makes an account for its user")
            }
        };
        words.extend(unknown.map(|word| format!("[accounts]: unknown = {word}")));
        if self.aliases_log_in() {
            words.push(
                "[accounts]: login_names = \"addresses\": clients log in under aliases of their accounts"
                    .to_owned(),
            );
        }
        words.extend(self.sources.iter().flat_map(AccountSource::looser_words));
    }
}
