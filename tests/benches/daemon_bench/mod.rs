//! The parts of the bench: what is measured, with what, and the table.

pub(crate) mod accounts;
pub(crate) mod beside;
pub(crate) mod floods;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod profile;
pub(crate) mod relay;
pub(crate) mod servers;
pub(crate) mod table;
pub(crate) mod tokens;
pub(crate) mod verification;
pub(crate) mod waiting;
