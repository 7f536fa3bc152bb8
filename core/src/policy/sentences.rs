//! Sentences that name the member which is at fault, and never its value.

use super::Claim;

/// Names the claims that a [`Violation`](super::Violation) may be about: a variant of `Claim` for each, its name
/// in a token, and, where that is not all, what sentences call it.
macro_rules! claims {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(as $words:literal)?,)*) => {
        /// A claim, as [`Violation`](super::Violation) names it.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "each variant is the claim's name")]
        pub enum Claim {
            $($(#[$doc])* $variant,)*
        }

        impl Claim {
            /// Its name in a token; empty for what a configuration names.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            pub(super) const fn lacking(self) -> &'static str {
                match self {
                    $(Self::$variant => $crate::policy::sentences::about!(
                        "The token lacks the claim ", $name $($words)?, ""
                    ),)*
                }
            }

            pub(super) const fn malformed(self) -> &'static str {
                match self {
                    $(Self::$variant => $crate::policy::sentences::about!(
                        "The token's claim ", $name $($words)?, " is malformed"
                    ),)*
                }
            }

            pub(super) const fn holding(self) -> &'static str {
                match self {
                    $(Self::$variant => $crate::policy::sentences::about!(
                        "The token is not an access token: it holds ", $name $($words)?, ""
                    ),)*
                }
            }

            pub(super) const fn saying(self) -> &'static str {
                match self {
                    $(Self::$variant => $crate::policy::sentences::about!(
                        "The token is not an access token, as it says in ", $name $($words)?, ""
                    ),)*
                }
            }
        }
    };
}

/// A sentence about a claim, in its words or else by its name.
macro_rules! about {
    ($before:literal, $name:literal, $after:literal) => {
        concat!($before, $name, $after)
    };
    ($before:literal, $name:literal $words:literal, $after:literal) => {
        concat!($before, $words, $after)
    };
}

pub(super) use {about, claims};

pub(super) const fn missing(claim: Claim) -> &'static str {
    match claim {
        Claim::User => "The token does not name a user",
        _ => claim.lacking(),
    }
}

pub(super) const fn not_access_token(claim: Claim) -> &'static str {
    match claim {
        // What others lack says it by being there.
        Claim::Events | Claim::Nonce | Claim::AtHash => claim.holding(),
        Claim::HeaderType => "The token is not an access token: typ in its header is not at+jwt",
        _ => claim.saying(),
    }
}
