//! `[dict]`

use serde::Deserialize;

use super::values::{Bounded, OneLine};
use super::{Address, Listener, Mode};

/// Where Dovecot's local validation finds keys.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dict {
    address: Address,
    mode: Option<Mode>,
    owner: Option<OneLine>,
    group: Option<OneLine>,
    /// Whose keys; there is nothing to choose where there is one provider.
    pub(super) provider: Option<OneLine>,
    #[serde(default)]
    pub(crate) secrets: bool,
    /// Connections at once; one more is closed.
    #[serde(default = "default_connections")]
    pub(crate) connections: Bounded<1, 65_536>,
}

impl Dict {
    pub(crate) fn listener(&self) -> Listener {
        Listener {
            mode: self.mode,
            owner: self.owner.clone(),
            group: self.group.clone(),
            ..Listener::at(self.address.clone())
        }
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        if let Address::Tcp(_) = self.address {
            return Err("dict: write \"unix:/path\": Dovecot asks over a unix socket");
        }
        self.listener().check()
    }

    pub(super) fn looser_words(&self, words: &mut Vec<String>) {
        words.push(
            "[dict]: Dovecot judges tokens by these keys alone: tokens for other applications and revoked ones \
             open mailboxes too"
                .to_owned(),
        );
        if self.secrets {
            words.push(
                "[dict]: secrets = true: whoever may ask can sign tokens with HS256, HS384 and HS512"
                    .to_owned(),
            );
        }
    }
}

const fn default_connections() -> Bounded<1, 65_536> {
    Bounded::new(32)
}
