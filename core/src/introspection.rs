//! What is asked of a provider about a token, and what comes back, in the terms of HTTP's meaning.
//!
//! The exchange says what to ask ([`Request`]); an adapter asks it by whatever client it has and hands
//! back an [`Answer`] or a [`FetchFailure`]. No grammar of HTTP, no socket, no retry is known here.

mod request;

pub use request::{Method, Request};
pub(crate) use request::{Question, Subject};

/// Where and how a provider is asked about tokens.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word of the configuration"
)]
pub struct Endpoints<'p> {
    /// URL that a token is appended to; asked first.
    pub tokeninfo: Option<&'p str>,
    /// URL of introspection, or of userinfo in [`Mode::Auth`].
    pub introspection: Option<&'p str>,
    /// How [`introspection`](Self::introspection) is asked.
    pub mode: Mode,
    /// Whether introspection is asked even where tokeninfo has said everything.
    pub force_introspection: bool,
    /// Which tokens are asked about; `None` for none.
    pub about: Option<About>,
    /// Where passwords are exchanged for tokens, if anywhere.
    pub grant: Option<Grant<'p>>,
    /// Who we are.
    pub client: Option<Client<'p>>,
    /// Whether an answer that names no audience will do: userinfo never names one.
    pub allow_missing_audience: bool,
    /// Whether 401 and 403 at introspection mean the token, not our credentials.
    pub unauthorized_is_invalid_token: bool,
    /// Whether signed answers are asked for (RFC 9701).
    pub signed_answers: bool,
}

/// How an introspection endpoint is asked: Dovecot's names.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// GET, with the token as the bearer of `Authorization`: what userinfo expects (OIDC Core section 5.3.1).
    Auth,
    /// GET, with the token appended to the URL.
    Get,
    /// POST of a form with `token` (RFC 7662 section 2.1).
    #[default]
    Post,
}

/// Where and how a token is asked for in exchange for a password (RFC 6749 section 4.3).
#[derive(Clone, Copy, Debug)]
pub struct Grant<'p> {
    /// URL of the token endpoint.
    pub url: &'p str,
    /// The scopes to ask for, separated by spaces.
    pub scope: Option<&'p str>,
}

/// Which tokens a provider is asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum About {
    /// Those that are no JWT.
    OpaqueTokens,
    /// Those, and JWTs that no key here can verify.
    UnverifiableTokens,
    /// All of them.
    EveryToken,
}

/// Who we are to a provider (RFC 6749 section 2.3.1).
#[derive(Clone, Copy)]
pub struct Client<'p> {
    /// The client identifier.
    pub id: &'p str,
    /// The client secret; never printed.
    pub secret: &'p str,
    /// Where both are sent.
    pub place: ClientPlace,
}

impl core::fmt::Debug for Client<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Where client credentials are sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientPlace {
    /// As `Authorization: Basic`.
    #[default]
    Basic,
    /// As `client_id` and `client_secret` of the form; of the URL in [`Mode::Get`].
    Parameters,
}

/// What a provider answered.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The media type of the body, without parameters; empty where none is named.
    pub content_type: &'a str,
    /// The value of `WWW-Authenticate`, which may say what is wrong with the token; empty where there is none.
    pub www_authenticate: &'a str,
    /// The body, at most [`Answer::MAX_LEN`] bytes.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// Longest body taken, in bytes: 64 KiB; real answers stay below 4.
    pub const MAX_LEN: usize = 65_536;
}

impl core::fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Why there is no answer: never the token's fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FetchFailure {
    /// No answer in time.
    Timeout,
    /// The connection was refused or broke.
    Connection,
    /// TLS failed: an unknown, expired or wrong certificate, for instance.
    Tls,
    /// The body is longer than [`Answer::MAX_LEN`].
    TooLarge,
    /// Nobody was asked: too many are being asked already, or the provider has failed too often lately.
    NotAsked,
}

impl core::fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Timeout => "The provider did not answer in time",
            Self::Connection => "The connection to the provider was refused or broke",
            Self::Tls => "TLS with the provider failed",
            Self::TooLarge => "The provider's answer is too long",
            Self::NotAsked => {
                "The provider was not asked: too many are asking, or it has failed too often lately"
            }
        })
    }
}

impl core::error::Error for FetchFailure {}
