//! What the files say about tokens and passwords, whichever version wrote them.

use std::path::PathBuf;

use super::value::{Setting, Version};

/// What was read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) version: Version,
    /// The file that holds the settings of the database, as Dovecot's administrator knows it.
    pub(super) path: PathBuf,
    /// The database that tokens are judged by.
    pub(super) tokens: Vec<Setting>,
    /// What the database has of its own that passwords are exchanged by, if Dovecot has one; without what it
    /// has in common with the other.
    pub(super) passwords: Option<Vec<Setting>>,
    /// Further databases, by what is to be said of them.
    pub(super) others: Vec<String>,
}

impl Found {
    /// Whether there is anything in it.
    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.passwords.as_ref().is_none_or(Vec::is_empty)
    }
}
