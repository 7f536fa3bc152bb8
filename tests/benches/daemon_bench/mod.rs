//! The parts of the bench: tokens, the servers, and the load.

pub(crate) mod load;
pub(crate) mod servers;
pub(crate) mod tokens;
