//! Which kind of token it is (RFC 8725 section 3.11): decided in one place, for claims and for answers.
//!
//! Providers' tokens give themselves away by members that no standard lists. A member that tells of another
//! kind refuses, whatever the others say: Hydra and Dex answer `"token_type":"Bearer"` about refresh tokens
//! too, whose `token_use` tells the truth.

use super::{
    Claim, Policy, Violation,
    rules::{Registered, RuleOutcome},
    source::Source,
};
use crate::{claims::TokenType, wire::json::Value};

/// What a token is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Access,
    /// An ID token; the member that tells.
    Id(Claim),
    /// Something that gives no access: a refresh token, a logout token; the member that tells.
    Other(Claim),
    /// It is of use only together with a key.
    KeyBound,
}

/// What the value of a member says.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Word {
    Access,
    Id,
    Other,
    KeyBound,
    /// It says nothing.
    Neutral,
    /// A word of which nothing is known.
    Unknown,
}

impl Kind {
    pub(super) fn of_members(registered: &Registered<'_>, source: Source) -> Self {
        let header = match source {
            Source::Claims(typ) => typ,
            Source::Answer { .. } => TokenType::Unspecified,
        };
        let declared = Self::declared_by(registered, header);
        declared.unwrap_or_else(|| Self::told_by_hashes(registered, source))
    }

    /// What a member or the header's `typ` says outright.
    pub(super) fn declared_by(registered: &Registered<'_>, header: TokenType) -> Option<Self> {
        // RFC 8417 section 4: a security event is never an access token, whatever else it says.
        if registered.events.is_some() {
            return Some(Self::Other(Claim::Events));
        }
        if matches!(header, TokenType::IntrospectionAnswer | TokenType::Other) {
            return Some(Self::Other(Claim::HeaderType));
        }
        let words = words(registered);
        let find = |wanted| words.iter().find(|(word, _)| *word == wanted);
        if find(Word::KeyBound).is_some() {
            return Some(Self::KeyBound);
        }
        if let Some((_, member)) = find(Word::Other) {
            return Some(Self::Other(*member));
        }
        if let Some((_, member)) = find(Word::Id) {
            return Some(Self::Id(*member));
        }
        let is_access = header == TokenType::AccessToken || find(Word::Access).is_some();
        is_access.then_some(Self::Access)
    }

    /// OIDC Core section 3.1.3.6: hashes are for ID tokens; a nonce is, where it is not repeated elsewhere.
    fn told_by_hashes(registered: &Registered<'_>, source: Source) -> Self {
        let hashes = [registered.at_hash, registered.c_hash, registered.s_hash];
        if hashes.iter().any(Option::is_some) {
            return Self::Id(Claim::AtHash);
        }
        let is_id = match source {
            // authentik repeats the nonce of a code exchange in the access token, and in nothing but that
            // token it writes `uid` and `azp`. It writes no `jti`; Kanidm's ID tokens have one.
            Source::Claims(_) => {
                let is_uid = matches!(registered.uid, Some(Value::String(_)));
                let is_authentik = is_uid && registered.azp.is_some() && registered.jti.is_none();
                registered.nonce.is_some() && !is_authentik
            }
            // authentik and Kanidm repeat it in answers about access tokens.
            Source::Answer { .. } => false,
        };
        if is_id {
            Self::Id(Claim::Nonce)
        } else {
            Self::Access
        }
    }

    pub(super) fn check(self, policy: &Policy<'_>) -> Result<RuleOutcome, Violation> {
        match self {
            Self::Access => Ok(RuleOutcome::Met),
            Self::Id(_) if policy.id_tokens => Ok(RuleOutcome::Met),
            Self::Id(member) | Self::Other(member) => Err(Violation::NotAccessToken(member)),
            Self::KeyBound => Err(Violation::KeyBound),
        }
    }
}

/// What each member says that names a kind. Of the first three an unknown word is refused: Keycloak's `typ`
/// holds the names of actions, for instance. The others' names are common ones.
fn words(registered: &Registered<'_>) -> [(Word, Claim); 6] {
    let strict = |value, member| match word(value) {
        Word::Unknown => (Word::Other, member),
        word => (word, member),
    };
    // `token_type` says how a token is presented (RFC 6749 section 7.1), before it says what it is.
    let token_type = match registered.token_type {
        Some(Value::String(text))
            if text
                .chars()
                .map(|c| c.to_ascii_lowercase())
                .eq("bearer".chars()) =>
        {
            None
        }
        other => other,
    };
    [
        strict(registered.typ, Claim::Typ),
        strict(registered.token_use, Claim::TokenUse),
        strict(token_type, Claim::TokenType),
        // Casdoor, in two spellings; Pocket ID.
        (word(registered.token_type_camel), Claim::TokenType),
        (word(registered.token_type_pascal), Claim::TokenType),
        (word(registered.type_), Claim::TokenType),
    ]
}

/// Compared without case (RFC 6749 section 5.1).
fn word(value: Option<Value<'_>>) -> Word {
    let Some(value) = value else {
        return Word::Neutral;
    };
    let Ok(text) = value.string() else {
        return Word::Unknown;
    };
    let Some(mut text) = text.to_string::<64>() else {
        return Word::Unknown;
    };
    text.make_ascii_lowercase();
    match text.strip_prefix("application/").unwrap_or(&text) {
        // Hydra leaves `token_use` empty.
        "" | "jwt" => Word::Neutral,
        "bearer"
        | "at+jwt"
        | "access"
        | "access_token"
        | "access-token"
        | "accesstoken"
        | "oauth-access-token"
        | "urn:ietf:params:oauth:token-type:access_token" => Word::Access,
        "id" | "id_token" | "id-token" | "urn:ietf:params:oauth:token-type:id_token" => Word::Id,
        "dpop" | "pop" => Word::KeyBound,
        "refresh"
        | "refresh_token"
        | "refresh-token"
        | "offline"
        | "logout"
        | "logout+jwt"
        | "urn:ietf:params:oauth:token-type:refresh_token" => Word::Other,
        _ => Word::Unknown,
    }
}

impl Policy<'_> {
    /// RFC 9068 section 2.1, where the policy insists on it.
    pub(super) fn check_header(&self, header: TokenType) -> Result<(), Violation> {
        if self.require_type && header != TokenType::AccessToken {
            return Err(Violation::NotAccessToken(Claim::HeaderType));
        }
        Ok(())
    }
}
