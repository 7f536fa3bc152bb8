//! What an operator is told about a configuration without fault: what it relaxes, and what of a new one needs
//! a restart.

use super::{Address, CompatName, Config, Listener};

impl Config {
    /// What of `new` a running daemon does not take over.
    pub(crate) fn parts_for_a_restart(&self, new: &Self) -> Vec<&'static str> {
        let parts = [
            ("[[listener]]", self.listeners != new.listeners),
            ("[limits]", self.limits != new.limits),
            ("[log]", self.log != new.log),
            ("[metrics]", self.metrics != new.metrics),
            ("user", self.user != new.user),
            ("[upstream]", self.upstream != new.upstream),
            ("[users]", self.users != new.users),
            ("[http]", self.http != new.http),
            ("[dict]", self.dict != new.dict),
            ("[accounts]", self.accounts != new.accounts),
        ];
        let changed = parts.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(part, _)| part).collect()
    }

    /// The words that make this configuration looser than the default, for the log.
    pub(crate) fn looser_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.compat == CompatName::Dovecot {
            words.push("compat = \"dovecot\": malformed client messages are taken".to_owned());
        }
        for listener in &self.listeners {
            if listener.allow_remote {
                let address = &listener.address;
                words.push(format!(
                    "listener {address}: allow_remote = true: tokens travel in clear"
                ));
            }
        }
        for listener in self.every_listener() {
            listener.looser_words(&mut words);
        }
        if self
            .metrics
            .as_ref()
            .is_some_and(|metrics| metrics.listener().allow_remote)
        {
            words.push(
                "[metrics]: allow_remote = true: whoever reaches it sees the figures".to_owned(),
            );
        }
        if let Some(users) = &self.users {
            users.looser_words(&mut words);
        }
        if let Some(http) = &self.http {
            http.looser_words(&mut words);
        }
        if let Some(dict) = &self.dict {
            dict.looser_words(&mut words);
        }
        if let Some(accounts) = &self.accounts {
            accounts.looser_words(&mut words);
        }
        for provider in &self.providers {
            provider.looser_words(&mut words);
        }
        words
    }
}

impl Listener {
    /// Of whichever table it is.
    fn looser_words(&self, words: &mut Vec<String>) {
        let address = &self.address;
        if self.take_over {
            words.push(format!(
                "listener {address}: take_over = true: another daemon may listen there, and lose or share its connections"
            ));
        }
        let is_systemds = matches!(self.address, Address::Systemd(_));
        if self.trust_client_address == Some(true) && (self.is_remote() || is_systemds) {
            words.push(format!(
                "listener {address}: trust_client_address = true: other hosts that connect say where logins come from, \
                 and whose guesses they are"
            ));
        }
    }
}
