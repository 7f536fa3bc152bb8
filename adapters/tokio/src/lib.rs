//! Drives Gatepost's core on tokio: keys from files, and logins judged without one delaying another.
//!
//! [`Trust::load`] reads the keys that the providers' settings name and prepares them; [`Providers`] find
//! what lies in the network, and keep it current; [`judge`] takes one login through an
//! [`Exchange`](gatepost_core::Exchange), [`judge_token`] a token that came without one. What a login is
//! judged by never changes under it: new keys are a new `Trust`.

mod accounts;
mod answers;
mod credentials;
mod fair;
mod fetch;
mod fields;
mod file;
mod http;
mod judge;
mod keys;
mod network;
mod permit;
mod providers;
mod remembered;
mod settings;
mod source;
mod statistics;
mod trouble;
mod trust;
mod visit;

pub use accounts::{Account, Accounts, Found, FoundPassword};
pub use answers::Answered;
pub use credentials::{Credentials, GrantFault, Granted};
pub use fetch::{Document, Fetched, Fetcher};
pub use fields::{Fields, Template, TemplateError};
pub use file::{read_file, read_text};
pub use http::{Fault, HttpError, TlsFault};
pub use judge::{
    Attempt, ClientRules, Outcome, Verdict, judge, judge_client, judge_token, judge_token_with,
    judge_with,
};
pub use keys::{KeyFileError, Problem, Warning};
pub use network::Network;
pub use providers::{Place, Probe, Providers};
pub use settings::{ClientSettings, GrantSettings, HttpSettings, OnlineSettings, ProviderSettings};
pub use statistics::{
    EndpointKind, EndpointStatistics, HitsAndMisses, Latency, RequestResult, Statistics,
};
pub use trouble::{Reason, Trouble};
pub use trust::{LoadError, Trust, WantedKey};
pub use visit::{Visit, visit};
