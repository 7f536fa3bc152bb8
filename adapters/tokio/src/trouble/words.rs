//! The words of answers that may be told: none of them is a secret.

/// Error codes that are repeated: those of RFC 6749 section 5.2, RFC 6750 section 3.1 and RFC 7009 section 2.2.1.
pub(super) const ERRORS: [&str; 11] = [
    "access_denied",
    "insufficient_scope",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_token",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_token_type",
];

/// Media types that are told: what providers, proxies and login pages answer with.
pub(super) const MEDIA_TYPES: [&str; 18] = [
    "application/hal+json",
    "application/javascript",
    "application/json",
    "application/jwk-set+json",
    "application/jwt",
    "application/octet-stream",
    "application/problem+json",
    "application/problem+xml",
    "application/token-introspection+jwt",
    "application/x-www-form-urlencoded",
    "application/xhtml+xml",
    "application/xml",
    "text/css",
    "text/html",
    "text/javascript",
    "text/json",
    "text/plain",
    "text/xml",
];

/// Members that are told: those of RFC 6749, RFC 7517, RFC 7519, RFC 7662, RFC 8414 and `OpenID` Connect Core, and what
/// large providers add.
pub(super) const MEMBERS: [&str; 48] = [
    "access_token",
    "acr",
    "active",
    "alg",
    "amr",
    "aud",
    "authorization_endpoint",
    "azp",
    "client_id",
    "cnf",
    "email",
    "email_verified",
    "error",
    "error_description",
    "error_uri",
    "exp",
    "expires_in",
    "family_name",
    "given_name",
    "grant_types_supported",
    "groups",
    "iat",
    "id_token",
    "introspection_endpoint",
    "iss",
    "issuer",
    "jti",
    "jwks_uri",
    "keys",
    "kid",
    "kty",
    "locale",
    "name",
    "nbf",
    "nonce",
    "preferred_username",
    "realm_access",
    "refresh_token",
    "roles",
    "scope",
    "sid",
    "sub",
    "token_endpoint",
    "token_type",
    "typ",
    "updated_at",
    "userinfo_endpoint",
    "username",
];

/// The word of ours that `text` is.
pub(super) fn known(words: &[&'static str], text: &str) -> Option<&'static str> {
    words.iter().copied().find(|word| *word == text)
}
