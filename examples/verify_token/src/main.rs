//! Judges one token on the core alone.

fn main() {}
