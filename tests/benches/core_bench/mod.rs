//! The parts of the core's benchmark.

pub(crate) mod counting;
pub(crate) mod instructions;
pub(crate) mod subject;
pub(crate) mod table;
pub(crate) mod token;
