//! The parts of the core's benchmark.

pub(crate) mod counting;
pub(crate) mod instructions;
#[path = "../../instructions/src/judged_by.rs"]
mod judged_by;
pub(crate) mod subject;
pub(crate) mod table;
pub(crate) mod token;
