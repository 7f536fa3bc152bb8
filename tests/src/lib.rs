//! What the end-to-end tests share.

pub mod corpora;
pub mod fuzz;
pub mod judge;
pub mod mint;
