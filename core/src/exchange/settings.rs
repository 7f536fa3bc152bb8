//! What every login is judged by.

use crate::{
    introspection::{About, Endpoints},
    policy::Policy,
    sasl::{Compat, Discovery},
};

/// What holds for every login, whichever provider it turns out to belong to.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoginSettings<'r> {
    /// How much grace a client's message gets.
    pub compat: Compat,
    /// Where clients are sent for a better token.
    pub discovery: Discovery<'r>,
    /// The providers whose tokens are taken: the place in this list names each of them everywhere.
    pub providers: &'r [Provider<'r>],
}

impl<'r> LoginSettings<'r> {
    /// Those of `providers`, and the defaults otherwise.
    #[must_use]
    pub fn new(providers: &'r [Provider<'r>]) -> Self {
        Self {
            providers,
            ..Self::default()
        }
    }
}

/// A provider, what its tokens have to say, and where it can be asked about them.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'p> {
    /// Its policy.
    pub policy: &'p Policy<'p>,
    /// Where and how it is asked; `None` where it never is.
    pub endpoints: Option<Endpoints<'p>>,
}

impl<'p> Provider<'p> {
    /// One that is never asked.
    #[must_use]
    pub const fn new(policy: &'p Policy<'p>) -> Self {
        Self {
            policy,
            endpoints: None,
        }
    }
}

impl Provider<'_> {
    /// Which tokens it is asked about.
    pub(super) fn about(&self) -> Option<About> {
        self.endpoints?.about
    }
}
