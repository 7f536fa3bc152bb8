//! What a request may hold. Each bound is far above what a client sends, and keeps the work of a request small.

/// Most bytes of a request's body: a group of 30,000 members, replaced at once with `$ref` and `type`.
pub const MAX_BODY: usize = 4 << 20;

/// Most values in a body, members of objects counted: what they take in memory is about a hundred times as much as
/// `{}`.
pub const MAX_VALUES: usize = 160_000;

/// How deep a body may be nested; the deepest that a client sends has 6 levels.
pub const MAX_DEPTH: usize = 12;

/// Most operations of a PATCH, which `bulk.maxOperations` announces, for some clients cut theirs by it.
pub const MAX_OPERATIONS: usize = 1_000;

/// Most elements of a user's multi-valued attribute.
pub const MAX_ELEMENTS: usize = 500;

/// Most bytes of a resource as it is kept, members not counted.
pub const MAX_DOCUMENT: usize = 64 << 10;

/// Most bytes of an external id; a database has an index of them.
pub const MAX_EXTERNAL_ID: usize = 512;

/// Most addresses that a user's mail is forwarded to.
pub const MAX_FORWARDING: usize = 20;

/// Most bytes of a query.
pub const MAX_QUERY: usize = 16 << 10;

/// Most bytes of a filter or a path.
pub const MAX_FILTER: usize = 4 << 10;

/// How many elements the operations of a PATCH may compare with others: about a tenth of a second.
pub const MAX_COMPARISONS: usize = 1_000_000;

/// How deep a filter may be nested.
pub const MAX_FILTER_DEPTH: usize = 16;

/// Most comparisons of a filter.
pub const MAX_FILTER_TERMS: usize = 64;

/// Most resources of a page.
pub const MAX_PAGE: usize = 1_000;

/// Resources of a page, unless the client says how many.
pub const DEFAULT_PAGE: usize = 100;

/// Most resources that are looked at for a filter that no index answers.
pub const MAX_SCAN: usize = 20_000;

/// Most bytes that are looked at for such a filter, each once for each of its comparisons: 20,000 resources of 1 KiB by
/// three. The groups of a user count, if the filter asks for them; so do [`SCAN_RECORD`] and [`SCAN_LOOK_UP`].
pub const MAX_SCAN_BYTES: usize = 64 << 20;

/// What a resource that is looked at counts as, beside its own bytes.
pub const SCAN_RECORD: usize = 256;

/// What asking the store for something of a resource that is looked at counts as: reading so many bytes takes as long.
pub const SCAN_LOOK_UP: usize = 1 << 10;

/// Most bytes of a page, the groups of its users counted, and members not; it ends before the resource that would be more.
pub const MAX_PAGE_BYTES: usize = 8 << 20;

/// Most members in all groups of one page; it ends before the group that would be more.
pub const MAX_MEMBERS_OF_PAGE: usize = 200_000;

/// Most groups of a user that are shown.
pub const MAX_GROUPS_SHOWN: usize = 1_000;

/// Most members of a group that is shown in the answer to a PATCH; that to a larger one is 204.
pub const MAX_MEMBERS_AFTER_PATCH: usize = 200;
