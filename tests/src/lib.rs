//! What the end-to-end tests share.

pub mod mint;
pub mod process;
pub mod roots;
