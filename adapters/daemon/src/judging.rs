//! What logins and lookups are judged by, and who has to wait.

pub(crate) mod generation;
pub(crate) mod guesses;
pub(crate) mod users;
