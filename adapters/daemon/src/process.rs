//! The process itself: what it needs before it serves, whose rights and how much memory it has, and when it ends.

pub(crate) mod account;
pub(crate) mod attempts;
pub(crate) mod memory;
pub(crate) mod pipe;
pub(crate) mod prepare;
pub(crate) mod vital;
