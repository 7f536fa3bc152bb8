//! How much there is of everything on a device, and what follows from it.
//!
//! Whoever builds an image says the former; every size of memory that depends on it is computed here, and nowhere
//! else. The example's build script checks a configuration with this very file, so that it uses nothing but core.

use core::fmt;
use core::ops::RangeInclusive;

/// Bytes of one block of a login's memory: a login with an opaque token takes one, one with a JWT of 1.3 KiB two.
pub(crate) const BLOCK: usize = 704;

/// Most blocks: those of 64 connections with tokens of 8 KiB.
pub(crate) const MAX_BLOCKS: usize = 512;

/// Logins of one connection that are not over: Postfix and Exim have one at a time. Whoever sends more is not read
/// until a place is free.
pub(crate) const PENDING: usize = 2;

/// Most who judge at once.
pub(crate) const MAX_JUDGES: usize = 16;

/// What a client's response has beside its token: the names of both, and separators.
const AROUND_TOKEN: usize = 128;

/// Longest reply to a client, in bytes: core's bound.
const LONGEST_REPLY: usize = 1024;

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections of mail servers at once.
    pub connections: usize,
    /// Logins judged at once; others wait.
    pub logins: usize,
    /// Longest token, in bytes.
    pub token: usize,
    /// Most keys of all providers.
    pub keys: usize,
    /// Bytes for the numbers and identifiers of all keys.
    pub key_bytes: usize,
}

/// A limit that no device can have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutOfRange {
    /// The limit's name.
    pub name: &'static str,
    /// What it was to be.
    pub value: usize,
    /// The least and the most that it may be.
    pub range: (usize, usize),
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self.range;
        write!(
            f,
            "limits: {} = {}; write {least} to {most}",
            self.name, self.value
        )
    }
}

impl core::error::Error for OutOfRange {}

impl Limits {
    /// Checks each limit.
    ///
    /// # Errors
    /// The first that no device can have.
    pub const fn check(&self) -> Result<(), OutOfRange> {
        let all = [
            within("connections", self.connections, 1..=64),
            // One that waits for a provider, and one that does not.
            within("logins", self.logins, 2..=MAX_JUDGES),
            within("token", self.token, 512..=8192),
            within("keys", self.keys, 1..=64),
            within("key_bytes", self.key_bytes, 64..=32_768),
            within("blocks", self.blocks(), 1..=MAX_BLOCKS),
        ];
        let mut rest: &[Result<(), OutOfRange>] = &all;
        while let Some((first, others)) = rest.split_first() {
            if let Err(fault) = *first {
                return Err(fault);
            }
            rest = others;
        }
        Ok(())
    }

    /// These limits, in a constant.
    ///
    /// # Panics
    /// Where [`check`](Self::check) fails: when the image is built.
    #[must_use]
    pub const fn checked(self) -> Self {
        assert!(self.check().is_ok(), "a limit is out of its range");
        self
    }

    /// Longest response of a client, in bytes.
    #[must_use]
    pub const fn response(&self) -> usize {
        self.token.saturating_add(AROUND_TOKEN)
    }

    /// Blocks of memory for the logins that are under way: half of the connections may be in the middle of the
    /// longest response, and what shorter ones leave between them is never too small for one more.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        let run = self.response().div_ceil(BLOCK);
        let longest = self.connections.div_ceil(2).saturating_mul(run);
        longest.saturating_add(run.saturating_sub(2))
    }

    /// Logins that may be under way: as many wait to be judged without waiting for a place.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.connections.saturating_mul(PENDING)
    }

    /// Logins that may wait for providers: the others are for logins that need none.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.logins.saturating_mul(3).div_euclid(4)
    }

    /// Bytes for the payload of any token that a response holds, or a reply: with less, a login would fail by our
    /// own fault.
    #[must_use]
    pub const fn scratch(&self) -> usize {
        let payload = self.response().saturating_mul(3).div_euclid(4);
        if payload > LONGEST_REPLY {
            payload
        } else {
            LONGEST_REPLY
        }
    }
}

const fn within(
    name: &'static str,
    value: usize,
    range: RangeInclusive<usize>,
) -> Result<(), OutOfRange> {
    let range = (*range.start(), *range.end());
    if range.0 <= value && value <= range.1 {
        return Ok(());
    }
    Err(OutOfRange { name, value, range })
}
