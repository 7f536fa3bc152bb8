//! What a SCIM request needs of whatever keeps accounts: one transaction of it.
//!
//! Every question here is answered by an index of a database, or by a page of limited length. A transaction sees its
//! own writes. Whoever drives this crate begins it, and commits it or rolls it back as the
//! [`Answer`](crate::scim::Answer) says.

use crate::id::Id;
use crate::model::{Kind, Resource, SourceId};

/// One resource as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// What mail servers and logins need of it.
    pub resource: Resource,
    /// Everything that SCIM shows of it and no column has: the text of a JSON object.
    pub document: String,
    /// An account's e-mail addresses in lower case, elsewhere too: what it is found by.
    pub emails: Vec<String>,
}

/// A store that cannot be asked, or cannot write, now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the store of accounts is not available")]
pub struct Unavailable;

/// What a resource is found by. Texts that are compared without case come in lower case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Key<'k> {
    /// Its id.
    Id(Id),
    /// An account's user name, a group's display name; in lower case.
    Name(&'k str),
    /// What its source calls it.
    ExternalId(&'k str),
    /// The `sub` that a login has bound to an account.
    Subject(&'k str),
    /// One of an account's e-mail addresses, in lower case.
    Email(&'k str),
    /// Something that a group contains, itself and not through another group.
    Member(Id),
}

/// Something in a group.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Member {
    /// Its id.
    pub id: Id,
    /// What it is.
    pub kind: Kind,
}

/// Who has an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    /// The account.
    pub account: Id,
    /// The source that owns the account.
    pub source: SourceId,
}

/// What a store gives what is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Written {
    /// The number of the change.
    pub version: u64,
}

/// One transaction of a store. Nothing but [`returned`](Self::returned) and [`former_owner`](Self::former_owner) sees
/// what is deleted.
pub trait Transaction {
    /// Resources of `source` found by `key`, at most `limit`, in the order of their positions.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn find(
        &mut self,
        kind: Kind,
        source: SourceId,
        key: Key<'_>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable>;

    /// The positions of what [`find`](Self::find) gives: for when there can be many, and large ones.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn positions(
        &mut self,
        kind: Kind,
        source: SourceId,
        key: Key<'_>,
        limit: usize,
    ) -> Result<Vec<u64>, Unavailable>;

    /// Resources of `source` whose position is greater than `position`, at most `limit`, in that order.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn after(
        &mut self,
        kind: Kind,
        source: SourceId,
        position: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable>;

    /// Resources of `source` behind the first `offset`, at most `limit`, in the order of their positions.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn page(
        &mut self,
        kind: Kind,
        source: SourceId,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable>;

    /// How many resources of `source` there are.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn count(&mut self, kind: Kind, source: SourceId) -> Result<u64, Unavailable>;

    /// The deleted resource that `source` called so, of several the one that was deleted last.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn returned(
        &mut self,
        kind: Kind,
        source: SourceId,
        external_id: &str,
    ) -> Result<Option<Record>, Unavailable>;

    /// Whose an address is, over all sources.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn owner(&mut self, address: &str) -> Result<Option<Owner>, Unavailable>;

    /// The first address that begins with `prefix` and `is_wanted`, over all sources, and whose it is.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn prefixed(
        &mut self,
        prefix: &str,
        is_wanted: &mut dyn FnMut(&str, Owner) -> bool,
    ) -> Result<Option<(String, Owner)>, Unavailable>;

    /// The last account that had an address and has it no more, over all sources.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn former_owner(&mut self, address: &str) -> Result<Option<Owner>, Unavailable>;

    /// Keeps a new resource, or a deleted one again, at the end of lists: its version and position are the number of
    /// this change, whatever `record` says.
    ///
    /// # Errors
    /// [`Unavailable`]: it is not kept.
    fn insert(&mut self, record: &Record) -> Result<Written, Unavailable>;

    /// Keeps a new state of a resource, at its position; its version is the number of this change. One that is deleted
    /// leaves all groups, which makes new states of them, and a group loses its members.
    ///
    /// # Errors
    /// [`Unavailable`]: it is not kept.
    fn update(&mut self, record: &Record) -> Result<Written, Unavailable>;

    /// Members of a group whose ids are greater than `after`, at most `limit`, in the order of their ids.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn members(
        &mut self,
        group: Id,
        after: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Member>, Unavailable>;

    /// The groups that a resource is in, itself: their ids and display names, at most `limit`.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn groups_of(&mut self, member: Id, limit: usize) -> Result<Vec<(Id, String)>, Unavailable>;

    /// Which of `ids`, each at most once, are no resources of `source`, of either kind.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn unknown(&mut self, source: SourceId, ids: &[Id]) -> Result<Vec<Id>, Unavailable>;

    /// Adds members to a group and takes others away; those that are there, or gone, already are passed over. Gives
    /// how many that leaves to change.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing is changed.
    fn edit_members(
        &mut self,
        group: Id,
        added: &[Id],
        removed: &[Id],
    ) -> Result<usize, Unavailable>;

    /// Makes `members`, each at most once, the members of a group. Gives how many came or went.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing is changed.
    fn replace_members(&mut self, group: Id, members: &[Id]) -> Result<usize, Unavailable>;
}
