//! What Gatepost itself asks Dovecot over the master protocol.

use super::ANSWERS;
use crate::line::{escape, fields, id, unescape, write_line};

/// A question of our own: whether there is a user.
pub struct Lookup {
    id: u32,
    user: Vec<u8>,
    service: &'static str,
}

/// What Dovecot says to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// There is one, of this name.
    User(String),
    /// There is none.
    Nobody,
    /// It cannot be told now.
    Failed,
}

impl Lookup {
    /// What a connection begins with.
    pub const VERSION: &'static [u8] = b"VERSION\t1\t0\n";

    /// Asks for `user`, for a service such as `lmtp`; `id` is this question's alone on its connection.
    #[must_use]
    pub fn new(id: u32, user: &str, service: &'static str) -> Self {
        let user = escape(user);
        Self { id, user, service }
    }

    /// Writes the question.
    pub fn write(&self, out: &mut Vec<u8>) {
        let id = self.id.to_string();
        // Dovecot 2.3 knows the service by the first name, 2.4 by the second.
        let service = ["service=", "protocol="].map(|key| key.to_owned() + self.service);
        let [old, new] = service.each_ref().map(String::as_bytes);
        write_line(out, [b"USER", id.as_bytes(), &self.user, old, new]);
    }

    /// What a line of Dovecot's says to it, if anything.
    #[must_use]
    pub fn read(&self, line: &[u8]) -> Option<Found> {
        let mut words = fields(line);
        let word = words.next()?;
        if !ANSWERS.contains(&word) || id(words.next()) != Some(self.id) {
            return None;
        }
        Some(match word {
            b"USER" => words
                .next()
                .and_then(unescape)
                .map_or(Found::Failed, Found::User),
            b"NOTFOUND" => Found::Nobody,
            _ => Found::Failed,
        })
    }
}
