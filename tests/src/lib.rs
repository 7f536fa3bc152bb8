//! What the end-to-end tests share.

pub mod fuzz;
pub mod mint;
