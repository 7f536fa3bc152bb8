//! Users that come and go while they are asked for.

use super::User;

/// Users that somebody else keeps: an account is there as soon as it is pushed.
pub trait Directory {
    /// The user of that name, in any case.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn find(&self, name: &str) -> Result<Option<User>, Unavailable>;

    /// The names that match `mask`, in which `*` is any text and `?` any character.
    fn matching(&self, mask: &str) -> Box<dyn Names>;
}

/// Names of users, some at a time.
pub trait Names {
    /// The next names; none at their end.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told who is left.
    fn next(&mut self) -> Result<Vec<String>, Unavailable>;
}

/// Who exists cannot be told now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("users cannot be looked up now")]
pub struct Unavailable;
