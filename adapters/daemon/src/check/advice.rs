//! What to do about a refusal: one function, for `check` and for `doctor`.

use gatepost_core::{Claim, Rejection, Violation, jose, sasl};
use gatepost_tokio::ProviderSettings;
use serde_json::Value;

use super::claims::{Table, any_of, at, part, plain, shown};
use super::shape::Shape;

/// A refusal, and what is known of the token.
pub(super) struct Refusal<'a> {
    pub(super) rejection: Rejection,
    /// What was pasted, or sent as a token.
    pub(super) token: &'a str,
    pub(super) table: Option<&'a Table>,
    /// Whose settings stand in the table.
    pub(super) settings: Option<&'a ProviderSettings>,
    /// Who the client claims to be.
    pub(super) claimed: Option<&'a str>,
    /// Whether nobody was asked because of `--offline`.
    pub(super) is_offline: bool,
}

impl Refusal<'_> {
    /// What to do. It may quote values of the claims that rules look at, never the token.
    pub(super) fn advice(&self) -> String {
        if let Some(shape) = self.shape() {
            return shape.advice().to_owned();
        }
        match self.rejection {
            Rejection::Claims(violation) => self.about_claims(violation),
            Rejection::Token(error) => self.about_token(error),
            Rejection::UnknownKey => self.about_unknown_key(),
            Rejection::AlgorithmNotAllowed => format!(
                "the token is signed with {}, and the provider's key {} serves another algorithm: compare \
                 its alg, and algorithms in the configuration",
                self.header("alg"),
                self.header("kid"),
            ),
            Rejection::NoKeys
            | Rejection::KeysUnavailable
            | Rejection::ProviderUnavailable
            | Rejection::UnusableAnswer
                if self.is_offline =>
            {
                "nobody is asked with --offline: run it without".to_owned()
            }
            other => general(other).to_owned(),
        }
    }

    /// The shape of what was pasted, where that may be why.
    fn shape(&self) -> Option<Shape> {
        let may_be = matches!(
            self.rejection,
            Rejection::Response(_)
                | Rejection::Token(_)
                | Rejection::OpaqueToken
                | Rejection::BadSignature
                | Rejection::TokenRefused
        );
        let is_long = self.rejection == Rejection::Response(sasl::Error::TokenTooLong);
        let shape = Shape::of(self.token).filter(|_| may_be);
        // What else is too long was pasted whole.
        shape.filter(|shape| !is_long || shape.explains_length())
    }

    fn about_token(&self, error: jose::Error) -> String {
        match error {
            jose::Error::Encrypted => {
                "the token is encrypted (JWE): have the provider issue signed access tokens (JWS), or write \
                 client_id and client_secret so that it is asked about them"
                    .to_owned()
            }
            jose::Error::TokenType => self.about_kind(Claim::HeaderType),
            jose::Error::UnsupportedAlgorithm => format!(
                "have the provider sign with RS256, ES256 or EdDSA; this token names {}",
                self.header("alg")
            ),
            jose::Error::CriticalExtension | jose::Error::UnencodedPayload => {
                "have the provider leave crit and b64 out of the header".to_owned()
            }
            _ => "it is not a whole JWT: copy the access token again".to_owned(),
        }
    }

    fn about_unknown_key(&self) -> String {
        // Providers sign refresh tokens with keys of their own, for themselves.
        if let Some(kind) = self.kind() {
            return format!("the token says that it is {kind}: {PASTE_ACCESS_TOKEN}");
        }
        if let Some(words) = self.about_issuer() {
            return words;
        }
        format!(
            "no key of the provider's has kid {} and serves {}: its keys may have changed, or another \
             realm or server has issued the token; fetch the keys again, and compare issuer with iss ({})",
            self.header("kid"),
            self.header("alg"),
            self.claim("iss"),
        )
    }

    /// How `iss` differs from the configuration, where it does.
    fn about_issuer(&self) -> Option<String> {
        let settings = self.settings?;
        let wanted = settings.issuer.as_deref()?;
        let found = self.value("iss")?;
        let row = self.table?.rows.iter().find(|row| row.claim == "iss")?;
        let is_wrong = row.verdict == Some("wrong_issuer") || row.verdict.is_none();
        if found == wanted || !is_wrong || !settings.tenants.is_empty() {
            return None;
        }
        let found = shown(&found);
        let what = if found.trim_end_matches('/') == wanted.trim_end_matches('/') {
            "differ by a slash at the end"
        } else if found.eq_ignore_ascii_case(wanted) {
            "differ in case"
        } else {
            "differ"
        };
        Some(format!(
            "iss and issuer {what}: if that is your provider, write issuer = \"{found}\", byte for byte"
        ))
    }

    fn about_claims(&self, violation: Violation) -> String {
        match violation {
            Violation::Missing(claim) => self.about_missing(claim),
            Violation::Malformed => {
                "the payload has to be one JSON object that names nothing twice: ask the provider's makers"
                    .to_owned()
            }
            Violation::MalformedClaim(claim @ (Claim::Exp | Claim::Nbf | Claim::Iat)) => format!(
                "{} has to be a number of seconds since 1970: correct the provider's mapping of it",
                claim.name()
            ),
            Violation::MalformedClaim(_) => format!(
                "{} has another type than the standard gives it: correct the provider's mapping of it",
                self.blamed("a claim")
            ),
            Violation::KeyBound => {
                "the token is bound to a key (DPoP or mutual TLS), which a mail client cannot prove: have \
                 the provider issue plain bearer tokens to this client"
                    .to_owned()
            }
            Violation::NotAccessToken(claim) => self.about_kind(claim),
            Violation::Expired { .. } => "get a new token".to_owned(),
            Violation::NotYetValid { .. } | Violation::IssuedInFuture => {
                let milliseconds = |name: &&&str| {
                    let date = self.claims().and_then(|claims| at(&claims, name)?.as_f64());
                    date.is_some_and(|date| date > 1e11)
                };
                match ["iat", "nbf"].iter().find(milliseconds) {
                    Some(name) => format!("{name} is in milliseconds: the standard wants seconds"),
                    None => "set the clock of this host, or the provider's".to_owned(),
                }
            }
            Violation::ConflictingDates => {
                "exp lies before iat or nbf: set the provider's clock, or its tokens' life".to_owned()
            }
            Violation::WrongIssuer => self.about_issuer().unwrap_or_else(|| {
                "the token is of another provider or tenant: compare issuer and tenants with its iss and tid"
                    .to_owned()
            }),
            Violation::WrongAudience => format!(
                "{}let the provider put the mail server's audience into its tokens, and write it as audience",
                self.quoted("the token is for", "and audience is")
            ),
            Violation::WrongAuthorizedParty => format!(
                "{}if that client may open mailboxes, add it to authorized_parties",
                self.quoted("the token was issued to", "and authorized_parties names")
            ),
            other => self.about_user_claims(other),
        }
    }

    /// What is asked of the user.
    fn about_user_claims(&self, violation: Violation) -> String {
        let settings = self.settings;
        match violation {
            Violation::EmailNotVerified => {
                "have the user confirm the address at the provider, or name another claim in username_claims; \
                 unverified_email = true takes it, but where users may write any address into their account, \
                 they then open other people's mailboxes"
                    .to_owned()
            }
            Violation::InsufficientScope => {
                let scopes = settings.map(|settings| settings.scopes.join(" ")).unwrap_or_default();
                format!(
                    "have the client ask for every scope ({scopes}), and the provider grant them to it"
                )
            }
            Violation::UnmetRequirement { place } => {
                let required = settings.and_then(|settings| settings.required.get(place));
                let (claim, wants) = required.map_or_else(
                    || ("a claim", "what require says".to_owned()),
                    |(claim, wants)| (&**claim, any_of(wants)),
                );
                format!(
                    "{claim} has to hold \"{wants}\": give the user that group or role, and have the \
                     provider put it into its tokens"
                )
            }
            Violation::WrongDomain => {
                let domains = settings.map(|settings| any_of(&settings.domains)).unwrap_or_default();
                let (user, domains) = match self.refused() {
                    Some((_, says, wants)) => (says, wants),
                    None => (None, &*domains),
                };
                let user = user.unwrap_or("the user");
                format!(
                    "{user} is not of {domains}: if the provider speaks for that domain, add it to domains"
                )
            }
            Violation::Inactive => format!(
                "{} says that the account is not active: enable it at the provider",
                self.blamed("active_attribute")
            ),
            Violation::UnusableUserName => format!(
                "{} holds no name that a mailbox can have: name another claim in username_claims",
                self.blamed("the claim")
            ),
            Violation::WrongUser => self.about_user(),
            _ => general(self.rejection).to_owned(),
        }
    }

    fn about_missing(&self, claim: Claim) -> String {
        let settings = self.settings;
        match claim {
            Claim::Exp => "the token has no exp: have the provider issue access tokens of limited life".to_owned(),
            Claim::Azp => "the token has no azp, client_id, cid or appid, of which authorized_parties wants one: \
                           have the provider write azp, or leave authorized_parties out and rely on audience"
                .to_owned(),
            Claim::Aud => {
                let wanted = settings.and_then(|settings| settings.audience.as_ref());
                let wanted = wanted.map_or_else(String::new, |wanted| format!(" (\"{}\")", any_of(wanted)));
                format!(
                    "the token has no aud: let the provider put the mail server's audience{wanted} into its tokens"
                )
            }
            Claim::User => {
                let names = settings.map(|settings| settings.username_claims.join(", "));
                let mut others = vec!["email", "preferred_username", "upn", "username", "sub"];
                others.retain(|name| self.value(name).is_some());
                let others = if others.is_empty() {
                    String::new()
                } else {
                    format!("; it has {}", others.join(", "))
                };
                format!(
                    "the token has none of {}: name the claim that holds the user's mail address in \
                     username_claims{others}",
                    names.unwrap_or_else(|| "username_claims".to_owned())
                )
            }
            other => format!("the token has no {}: have the provider write it", other.name()),
        }
    }

    fn about_kind(&self, claim: Claim) -> String {
        let value = match claim {
            Claim::HeaderType => {
                part(self.token, 0).and_then(|header| Some(plain(header.get("typ")?)))
            }
            _ => self.value(claim.name()),
        };
        let value = value.unwrap_or_default().to_ascii_lowercase();
        let member = claim.name();
        let is_id = matches!(claim, Claim::Nonce | Claim::AtHash) || value.starts_with("id");
        if value.contains("refresh") || value.contains("offline") {
            format!("{member} says that it is a refresh token: {PASTE_ACCESS_TOKEN}")
        } else if is_id {
            format!(
                "{member} says that it is an ID token: send the access token; id_tokens = true takes it where \
                 clients send nothing else"
            )
        } else {
            format!("{member} says that it is no access token: send the access token")
        }
    }

    /// The kind of a token that no key here verifies, as its claims have it.
    fn kind(&self) -> Option<&'static str> {
        let mut values = ["typ", "token_use", "token_type"].into_iter();
        values.find_map(
            |name| match self.value(name)?.to_ascii_lowercase().as_str() {
                "refresh" | "offline" | "refresh_token" => Some("a refresh token"),
                "id" | "id_token" => Some("an ID token"),
                _ => None,
            },
        )
    }

    fn about_user(&self) -> String {
        let row = self.refused();
        let user = row.and_then(|(_, says, _)| says).unwrap_or("another user");
        let claimed = self.claimed.unwrap_or_default();
        if user.eq_ignore_ascii_case(claimed) {
            return format!(
                "{user} and {claimed} differ in case only: write user_case = \"lower\" if that is one mailbox"
            );
        }
        let local = |name: &str| {
            name.split('@')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        if local(user) == local(claimed) && user.contains('@') != claimed.contains('@') {
            return format!(
                "the token names {user}, the client {claimed}: log in with that very name, or take it from \
                 another claim in username_claims"
            );
        }
        format!("the token is {user}'s: log in as that user; delegates opens shared mailboxes")
    }

    /// The claim, what it says, and what is wanted.
    fn refused(&self) -> Option<(&str, Option<&str>, &str)> {
        let row = self.table?.refused(self.rejection)?;
        Some((&row.claim, row.says.as_deref(), &row.wants))
    }

    fn blamed<'s>(&'s self, otherwise: &'s str) -> &'s str {
        self.refused().map_or(otherwise, |(claim, ..)| claim)
    }

    /// Both values, where they are known.
    fn quoted(&self, says: &str, wants: &str) -> String {
        match self.refused() {
            Some((_, Some(said), wanted)) => format!("{says} \"{said}\", {wants} \"{wanted}\": "),
            _ => String::new(),
        }
    }

    fn claims(&self) -> Option<Value> {
        part(self.token, 1)
    }

    fn value(&self, name: &str) -> Option<String> {
        Some(plain(at(&self.claims()?, name)?))
    }

    fn claim(&self, name: &str) -> String {
        self.value(name)
            .map_or_else(|| "none".to_owned(), |value| shown(&value))
    }

    fn header(&self, name: &str) -> String {
        let header = part(self.token, 0);
        let value = header.as_ref().and_then(|header| at(header, name));
        value.map_or_else(
            || "none".to_owned(),
            |value| format!("\"{}\"", shown(&plain(value))),
        )
    }
}

const PASTE_ACCESS_TOKEN: &str = "send the access token, the value of access_token";

/// What to do where the token tells no more.
fn general(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::OpaqueToken => {
            "write client_id and client_secret, so that the provider can be asked, or userinfo = true"
        }
        Rejection::Response(sasl::Error::TokenTooLong) => {
            "have the provider leave groups and roles out of its tokens: 8,192 bytes are taken"
        }
        Rejection::Response(sasl::Error::BadToken | sasl::Error::MissingToken) => {
            "give one access token, and nothing else"
        }
        Rejection::Response(_) | Rejection::ResponseTooLong => {
            "give what the client sends after AUTH or AUTHENTICATE; compat = \"dovecot\" takes looser forms"
        }
        Rejection::AmbiguousKey => "let each of the provider's keys have a kid of its own",
        Rejection::BadSignature => {
            "the token was altered, or another server has signed it: copy it again, and compare where the keys \
             come from with where the token does"
        }
        Rejection::TokenRefused => {
            "get a new token: the provider says that it has expired, was revoked, or is not its own"
        }
        Rejection::ClientRefused => {
            "correct client_id and client_secret, or register the client for the grant type and scope"
        }
        Rejection::NoKeys
        | Rejection::KeysUnavailable
        | Rejection::ProviderUnavailable
        | Rejection::UnusableAnswer => {
            "see what gatepost doctor says of the provider: its keys, its network, its answers"
        }
        Rejection::ClockNotSet => "set the clock",
        Rejection::PasswordNotTaken => "write grant_url, or log in with a token",
        _ => "README.md says what the code means",
    }
}
