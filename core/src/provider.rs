//! What is known about a provider, and for how long: machines without I/O, so that a daemon and a device
//! follow the same rules.

mod breaker;
mod finder;
mod head;
mod key_set_life;
mod look;
mod look_budget;
mod metadata;

pub use breaker::{Admission, Asker, Breaker, Change, RequestOutcome};
pub use finder::{Ended, Finder, Freshness, LookReason, Moment, Permit, Turn};
pub use head::{http_date, max_age, retry_after};
pub use look::{Document, Look, LookFailure, Source, Step};
pub use look_budget::LookBudget;
pub use metadata::{
    LeftOut, Metadata, MetadataError, MetadataMember, MetadataReader, Url, UrlFault,
    write_oauth_url, write_oidc_url,
};
