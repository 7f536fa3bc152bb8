//! What the end-to-end tests share.

pub mod corpora;
pub mod judge;
pub mod mint;
