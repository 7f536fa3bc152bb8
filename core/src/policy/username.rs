//! The user's name: a claim, or a template over several.
//!
//! A candidate is the path of a claim (`email`, `realm_access.name`), or a template such as
//! `%{preferred_username}@example.com` or `%{email | username}`, in Dovecot's way of writing.

use super::{
    Claim, Policy, Violation,
    identity::{UserName, collect},
    members::{Members, before_email},
};
use crate::wire::json::{Array, Value};

/// A user's name, and where it comes from.
#[derive(Clone)]
pub(crate) struct Named {
    pub(super) name: UserName,
    /// Which of the candidates it was.
    pub(super) rank: usize,
    /// Whether an address names the user, which may have to be verified.
    pub(super) is_by_email: bool,
}

/// A piece of a template.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Piece<'t> {
    /// Text as it is.
    Literal(&'t str),
    /// What a claim holds.
    Claim { path: &'t str, part: Part },
}

/// What of a claim's value is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Whole,
    /// What stands before the `@`.
    Local,
    /// What follows the `@`.
    Domain,
}

/// Why a candidate for the user's name cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TemplateError {
    /// `%{` without its `}`.
    Unterminated,
    /// No claim is named: in `%{}`, or anywhere.
    NoClaim,
    /// What follows `|` is neither `username` nor `domain`.
    UnknownFilter,
}

impl core::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unterminated => "a %{ lacks its closing }; write it as in %{preferred_username}",
            Self::NoClaim => "it names no claim: write one such as %{preferred_username}",
            Self::UnknownFilter => "after | write username or domain",
        })
    }
}

impl core::error::Error for TemplateError {}

/// A candidate for the user's name, checked before any token is judged by it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UsernameTemplate<'t>(&'t str);

impl<'t> UsernameTemplate<'t> {
    /// Checks `candidate`, the path of a claim or a template, as
    /// [`username_claims`](Policy::username_claims) lists them.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(candidate: &'t str) -> Result<Self, TemplateError> {
        let mut names_claim = false;
        for piece in pieces(candidate) {
            if let Piece::Claim { path, .. } = piece? {
                names_claim = true;
                if path.is_empty() {
                    return Err(TemplateError::NoClaim);
                }
            }
        }
        if names_claim {
            Ok(Self(candidate))
        } else {
            Err(TemplateError::NoClaim)
        }
    }

    /// The paths of the claims that the name is made of.
    pub fn paths(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        pieces(self.0).filter_map(|piece| match piece {
            Ok(Piece::Claim { path, .. }) => Some(path),
            _ => None,
        })
    }

    /// Whether an address is part of it: it may have to be verified, and is no name among
    /// [`tenants`](Policy::tenants).
    #[must_use]
    pub fn is_by_email(&self) -> bool {
        self.paths().any(|path| before_email(path).is_some())
    }
}

/// The pieces of a candidate; one without `%{` is the path of a claim.
fn pieces(candidate: &str) -> Pieces<'_> {
    Pieces {
        is_path: is_path(candidate),
        rest: candidate,
    }
}

/// Iterates over [`pieces`].
struct Pieces<'t> {
    is_path: bool,
    rest: &'t str,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Result<Piece<'t>, TemplateError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        if self.is_path {
            let path = core::mem::take(&mut self.rest);
            let part = Part::Whole;
            return Some(Ok(Piece::Claim { path, part }));
        }
        let Some(inside) = self.rest.strip_prefix("%{") else {
            let end = opening(self.rest).unwrap_or(self.rest.len());
            let (literal, after) = self.rest.split_at_checked(end)?;
            self.rest = after;
            return Some(Ok(Piece::Literal(literal)));
        };
        let Some((inside, after)) = inside.split_once('}') else {
            self.rest = "";
            return Some(Err(TemplateError::Unterminated));
        };
        self.rest = after;
        let (path, filter) = inside.split_once('|').unwrap_or((inside, ""));
        let part = match filter.trim_ascii() {
            "" => Part::Whole,
            "username" => Part::Local,
            "domain" => Part::Domain,
            _ => return Some(Err(TemplateError::UnknownFilter)),
        };
        let path = path.trim_ascii();
        Some(Ok(Piece::Claim { path, part }))
    }
}

fn is_path(candidate: &str) -> bool {
    opening(candidate).is_none()
}

/// Where the first claim of a template begins.
fn opening(text: &str) -> Option<usize> {
    // A search for text is 5 KiB of a device's flash.
    text.as_bytes().windows(2).position(|pair| pair == b"%{")
}

/// Room for a name that is being put together; what is longer is no name.
type Text = heapless::String<256>;

impl<'p> Policy<'p> {
    /// Visits the paths of all claims that names are made of.
    pub(super) fn each_claim_of_names(&self, visit: &mut dyn FnMut(&'p str)) {
        for candidate in self.username_claims {
            UsernameTemplate(candidate).paths().for_each(&mut *visit);
        }
    }

    /// Names the user by the first candidate whose claims are all there; in place, for names are large. Of several
    /// names in an array the one counts that is of `domains`.
    #[inline(never)]
    pub(super) fn name_user(
        &self,
        members: &Members<'_, '_>,
        domains: &[&str],
        user: &mut Option<Named>,
    ) -> Result<(), Violation> {
        for (rank, candidate) in self.username_claims.iter().enumerate() {
            let is_by_email = UsernameTemplate(candidate).is_by_email();
            // Entra lets a tenant's administrator write any address there.
            if is_by_email && !self.tenants.is_empty() {
                continue;
            }
            let named = user.insert(Named {
                name: UserName::default(),
                rank,
                is_by_email,
            });
            match self.name(candidate, members, domains, &mut named.name) {
                Ok(true) => return Ok(()),
                Ok(false) => *user = None,
                Err(violation) => {
                    *user = None;
                    return Err(violation);
                }
            }
        }
        Ok(())
    }

    /// Puts a name together; false where not all of its claims are there.
    fn name(
        &self,
        candidate: &str,
        members: &Members<'_, '_>,
        domains: &[&str],
        user: &mut UserName,
    ) -> Result<bool, Violation> {
        // A claim alone is what nearly every candidate is.
        if is_path(candidate)
            && let Some(Value::String(text)) = members.at(candidate)
            && let Some(name) = text.as_str()
        {
            return user.assign(name, self.user_case).map(|()| true);
        }
        self.compose(candidate, members, domains, user)
    }

    /// The name that a template makes.
    #[inline(never)] // Its room for one is off the stack of those that need none.
    fn compose(
        &self,
        candidate: &str,
        members: &Members<'_, '_>,
        domains: &[&str],
        user: &mut UserName,
    ) -> Result<bool, Violation> {
        let mut name = Text::new();
        for piece in pieces(candidate) {
            match piece.map_err(|_| Violation::UnusableUserName)? {
                Piece::Literal(literal) => push(&mut name, literal)?,
                Piece::Claim { path, part } => {
                    let Some(value) = members.at(path) else {
                        return Ok(false);
                    };
                    let Some(whole) = self.whole(value, domains)? else {
                        return Ok(false);
                    };
                    self.push_part(&mut name, &whole, part)?;
                }
            }
        }
        user.assign(&name, self.user_case).map(|()| true)
    }

    /// The text that a claim holds; `None` where it is an array of nothing.
    fn whole(&self, value: Value<'_>, domains: &[&str]) -> Result<Option<Text>, Violation> {
        match value {
            Value::String(text) => collect(&mut text.chars()).map(Some),
            Value::Array(array) => self.only_name(array, domains),
            _ => Err(Violation::MalformedClaim(Claim::User)),
        }
    }

    fn push_part(&self, name: &mut Text, whole: &str, part: Part) -> Result<(), Violation> {
        // A part of what is no name, such as `a@b@c`, could be somebody else's.
        if part != Part::Whole {
            UserName::new(whole, self.user_case)?;
        }
        let (local, domain) = whole.split_once('@').unwrap_or((whole, ""));
        let taken = match part {
            Part::Whole => whole,
            Part::Local => local,
            Part::Domain => domain,
        };
        // A part that is empty makes no name with what stands around it.
        if taken.is_empty() {
            return Err(Violation::UnusableUserName);
        }
        push(name, taken)
    }

    /// The one name of an array that can be used: not empty, well-formed, of one of `domains`; `None` where the array
    /// holds nothing.
    fn only_name(&self, array: Array<'_>, domains: &[&str]) -> Result<Option<Text>, Violation> {
        let mut is_empty = true;
        let mut found: Option<UserName> = None;
        for item in array.items() {
            let text = match item.map_err(|_| Violation::Malformed)? {
                Value::Null => continue,
                Value::String(text) => text,
                _ => return Err(Violation::MalformedClaim(Claim::User)),
            };
            is_empty = false;
            let Ok(usable) = UserName::decoded(text.as_str(), text.chars(), self.user_case) else {
                continue;
            };
            if !domains.is_empty() && !usable.is_of_any(domains) {
                continue;
            }
            if found.as_ref().is_some_and(|found| *found != usable) {
                return Err(Violation::UnusableUserName);
            }
            found = Some(usable);
        }
        match found {
            Some(found) => Ok(Some(found.into_text())),
            None if is_empty => Ok(None),
            None => Err(Violation::UnusableUserName),
        }
    }
}

fn push(name: &mut Text, more: &str) -> Result<(), Violation> {
    name.push_str(more).map_err(|_| Violation::UnusableUserName)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_a_path_or_a_template() {
        for good in [
            "email",
            "realm_access.name",
            "https://example.com/email",
            "%{preferred_username}@example.com",
            "%{email | username}@%{ hd }",
            "%{email|domain}",
            "100%{sub}%",
        ] {
            assert!(UsernameTemplate::parse(good).is_ok(), "{good}");
        }
        for (bad, error) in [
            ("", TemplateError::NoClaim),
            ("%{}@example.com", TemplateError::NoClaim),
            ("%{ | username}", TemplateError::NoClaim),
            ("%{email", TemplateError::Unterminated),
            ("%{email | upper}", TemplateError::UnknownFilter),
            ("%{email | username | domain}", TemplateError::UnknownFilter),
        ] {
            assert_eq!(UsernameTemplate::parse(bad), Err(error), "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_template_says_what_to_write() {
        for (error, written) in [
            (TemplateError::Unterminated, "%{preferred_username}"),
            (TemplateError::NoClaim, "%{preferred_username}"),
            (TemplateError::UnknownFilter, "username or domain"),
        ] {
            assert!(std::format!("{error}").contains(written), "{error:?}");
        }
    }
}
