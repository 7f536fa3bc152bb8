//! What is known about a provider, and for how long: machines without I/O, so that a daemon and a device
//! follow the same rules.

mod breaker;
mod key_set_life;
mod metadata;

pub use breaker::{Asker, Breaker, Change, RequestOutcome};
pub use key_set_life::KeySetLife;
pub use metadata::{
    LeftOut, Metadata, MetadataError, MetadataMember, Url, UrlFault, write_oauth_url,
    write_oidc_url,
};
