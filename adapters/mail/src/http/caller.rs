//! Who may ask.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq as _};

/// The one client that may ask. Never printed: it holds a secret.
pub struct Caller {
    /// `id:secret`, as RFC 7617 writes it.
    plain: String,
    /// The same, each half form-encoded first, as RFC 6749 section 2.3.1 wants it.
    encoded: String,
}

impl Caller {
    /// The client `id`, who knows `secret`.
    #[must_use]
    pub fn new(id: &str, secret: &str) -> Self {
        let encode =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        Self {
            plain: join(id, secret),
            encoded: join(&encode(id), &encode(secret)),
        }
    }

    /// Whether `credentials`, the base64 of `Authorization: Basic`, are the caller's.
    pub(super) fn is_basic(&self, credentials: &[u8]) -> bool {
        let Ok(decoded) = STANDARD.decode(credentials) else {
            return false;
        };
        (self.plain_is(&decoded) | self.encoded.as_bytes().ct_eq(&decoded)).into()
    }

    /// Whether the parameters `client_id` and `client_secret` are.
    pub(super) fn is_client(&self, id: &str, secret: &str) -> bool {
        self.plain_is(join(id, secret).as_bytes()).into()
    }

    /// Takes the same time whatever differs, but for the length.
    fn plain_is(&self, presented: &[u8]) -> Choice {
        self.plain.as_bytes().ct_eq(presented)
    }
}

fn join(id: &str, secret: &str) -> String {
    [id, secret].join(":")
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Caller(..)")
    }
}
