//! The process itself: what it needs before it serves, whose rights it has, and when it ends.

pub(crate) mod account;
pub(crate) mod prepare;
pub(crate) mod vital;
