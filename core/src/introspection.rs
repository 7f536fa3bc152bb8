//! What is asked of a provider about a token, and what comes back, in the terms of HTTP's meaning.
//!
//! The exchange says what to ask ([`Request`]); an adapter asks it by whatever client it has and hands
//! back an [`Answer`] or a [`FetchFailure`]. No grammar of HTTP, no socket, no retry is known here.

/// One request to a provider.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Request<'r> {
    /// The method.
    pub method: Method,
    /// The absolute URL; it may hold the token where the provider leaves no choice, so it is not printed.
    pub url: &'r str,
    /// The value of `Authorization`, where one is due.
    pub authorization: Option<&'r str>,
    /// A body of type `application/x-www-form-urlencoded`; empty for GET.
    pub form: &'r str,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is the method's name")]
pub enum Method {
    Get,
    Post,
}

impl core::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// What a provider answered.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The media type of the body, without parameters.
    pub content_type: &'a str,
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
}
