//! Drives Gatepost's core on tokio: keys from files, and logins judged without one delaying another.
//!
//! [`Trust::load`] reads the keys that the providers' settings name and prepares them; [`judge`] takes one
//! login through an [`Exchange`](gatepost_core::Exchange). What a login is judged by never changes under
//! it: new keys are a new `Trust`.

mod judge;
mod keys;
mod settings;
mod trust;

pub use judge::{Outcome, Verdict, judge};
pub use keys::{KeyFileError, Problem, Warning};
pub use settings::ProviderSettings;
pub use trust::{LoadError, Trust};
