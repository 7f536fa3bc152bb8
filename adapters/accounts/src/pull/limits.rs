//! What a reading may take. Each bound keeps a provider that never ends from filling this host.

use std::time::Duration;

/// Resources that are asked for at once; fewer where the answer would be too long.
pub(super) const PAGE: usize = 100;

/// Most bytes of a page.
pub const PAGE_BYTES: usize = crate::scim::limits::MAX_BODY;

/// Most pages of a reading.
pub(super) const PAGES: usize = 10_000;

/// Most accounts and groups of a reading.
pub(super) const RESOURCES: usize = 200_000;

/// Most bytes of all that is kept of a reading, until it is written.
pub(super) const BYTES: usize = 128 << 20;

/// Pages in a row that bring nothing new.
pub(super) const IDLE_PAGES: usize = 3;

/// Resources that are written in one transaction.
pub(super) const AT_ONCE: usize = 32;

/// Resources that are looked at in one transaction.
pub(super) const SURVEYED: usize = 500;

/// How often what conflicts with others is tried again within a reading.
pub(super) const PASSES: usize = 8;

/// After how many readings in a row that only asked whether anything changed everything is read all the same.
pub(super) const UNCHANGED: u32 = 12;

/// How long a provider that failed is left alone at first; then twice as long each time, as long as usual at most.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(15);

/// How long a provider can have itself left alone.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// How long a pause may be in the midst of a reading.
pub(super) const SHORT_PAUSE: Duration = Duration::from_mins(2);

/// Pauses in a reading.
pub(super) const PAUSES: usize = 100;

/// How often everything is read in a row, where somebody is missing.
pub(super) const ROUNDS: usize = 4;
