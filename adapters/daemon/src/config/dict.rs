//! `[dict]`

use super::fault::Faults;
use super::reader::keys;
use super::values::{Bounded, OneLine};
use super::{Address, Listener, Mode};

keys! {
    /// Where Dovecot's local validation finds keys.
    pub(crate) struct Dict in "[dict]" {
        address: Address; required,
        mode: Option<Mode>,
        owner: Option<OneLine>,
        group: Option<OneLine>,
        /// As a listener's.
        take_over: bool,
        /// Whose keys; there is nothing to choose where there is one provider.
        pub(super) provider: Option<OneLine>,
        pub(crate) secrets: bool,
        /// Connections at once; one more is closed.
        pub(crate) connections: Bounded<1, 65_536> = Bounded::new(32),
    }
}

impl Dict {
    pub(crate) fn listener(&self) -> Listener {
        Listener {
            mode: self.mode,
            owner: self.owner.clone(),
            group: self.group.clone(),
            take_over: self.take_over,
            places: self.places.clone(),
            ..Listener::at(self.address.clone())
        }
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        let is_tcp = matches!(self.address, Address::Tcp(_));
        self.places.forbid(
            faults,
            &["address"],
            is_tcp,
            "dict: write \"unix:/path\": Dovecot asks over a unix socket",
        );
        if !is_tcp {
            self.listener().check(faults);
        }
    }

    pub(super) fn looser_words(&self, words: &mut Vec<String>) {
        words.push(
            "[dict]: Dovecot judges tokens by these keys alone, so it also accepts revoked tokens and tokens issued \
             for other applications"
                .to_owned(),
        );
        if self.secrets {
            words.push(
                "[dict]: secrets = true: any process that can connect to the socket can forge HS256, HS384 and HS512 \
                 tokens"
                    .to_owned(),
            );
        }
    }
}
