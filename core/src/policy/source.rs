//! Where members come from, and what they are judged against.

use crate::{claims::TokenType, time::UnixTime};

/// Where members come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// A JWT whose signature has verified, or that speaks against itself; with its header's `typ`.
    Claims(TokenType),
    /// An answer of an endpoint that vouches for the token.
    Answer {
        /// Whether its `aud` is the token's, not that of the answer itself.
        has_audience: bool,
        /// Whether some answer has to name an audience: userinfo never does.
        needs_audience: bool,
    },
}

/// What rules are judged against beside the members.
#[derive(Clone, Copy)]
pub(crate) struct Context<'x> {
    pub(crate) now: UnixTime,
    pub(crate) source: Source,
    /// The one client (`azp`) that the key signs for, in Dovecot's layout of keys.
    pub(crate) key_owner: Option<&'x str>,
    /// The client as which the provider was asked: authentik names it as `client_id` whoever the token is for.
    pub(crate) asking_client: Option<&'x str>,
}
