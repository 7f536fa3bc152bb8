//! Drives Gatepost's core on tokio.
