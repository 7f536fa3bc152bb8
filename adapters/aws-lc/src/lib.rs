//! Prepares keys with aws-lc-rs, for hosts.
