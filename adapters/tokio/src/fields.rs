//! Further fields of the answer to a mail server: what it does with a user once the token is good.

use std::fmt::Write as _;
use std::str::FromStr;

use gatepost_core::sasl::{BearerToken, Mechanism};

/// Text with variables, of which `%{token}` is the only secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    User,
    Local,
    Domain,
    Mechanism,
    Token,
}

/// What is no template.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "write text with %{{user}}, %{{username}} (before the @), %{{domain}}, %{{mechanism}} or %{{token}}; %% is a \
     percent sign"
)]
pub struct TemplateError;

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            parts.push(Part::Text(before.to_owned()));
            if let Some(behind) = behind.strip_prefix('%') {
                parts.push(Part::Text("%".to_owned()));
                rest = behind;
                continue;
            }
            let name = behind
                .strip_prefix('{')
                .and_then(|name| name.split_once('}'));
            let (name, behind) = name.ok_or(TemplateError)?;
            parts.push(match name {
                "user" => Part::User,
                "username" => Part::Local,
                "domain" => Part::Domain,
                "mechanism" => Part::Mechanism,
                "token" => Part::Token,
                _ => return Err(TemplateError),
            });
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }
}

impl Template {
    /// Whether the token is part of it.
    #[must_use]
    pub fn tells_token(&self) -> bool {
        self.0.contains(&Part::Token)
    }

    fn fill(
        &self,
        user: &str,
        mechanism: Option<Mechanism>,
        token: Option<BearerToken<'_>>,
    ) -> String {
        let (local_part, domain) = user.rsplit_once('@').unwrap_or((user, ""));
        let mut text = String::new();
        for part in &self.0 {
            // A string always has room.
            let _ = text.write_str(match part {
                Part::Text(text) => text,
                Part::User => user,
                Part::Local => local_part,
                Part::Domain => domain,
                Part::Mechanism => mechanism.map_or("", Mechanism::name),
                Part::Token => token.map_or("", BearerToken::expose),
            });
        }
        text
    }
}

/// Fields of one answer. Never printed: they may hold the token.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn fill(
        templates: &[(String, Template)],
        user: &str,
        mechanism: Option<Mechanism>,
        token: Option<BearerToken<'_>>,
    ) -> Self {
        let fill = |(name, template): &(String, Template)| {
            (name.clone(), template.fill(user, mechanism, token))
        };
        Self(templates.iter().map(fill).collect())
    }

    /// Names and values as the protocol takes them: an empty value is none.
    #[must_use]
    pub fn as_pairs(&self) -> Vec<(&str, Option<&str>)> {
        self.0
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str(),
                    Some(value.as_str()).filter(|value| !value.is_empty()),
                )
            })
            .collect()
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fields(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_with_what_is_known_of_the_login() {
        let token = BearerToken::new(b"t0ken").unwrap();
        for (template, expected) in [
            ("", ""),
            ("y", "y"),
            (
                "%{user}|%{username}|%{domain}",
                "a@b@example.com|a@b|example.com",
            ),
            ("%{mechanism}:%{token}", "XOAUTH2:t0ken"),
            ("100%%", "100%"),
        ] {
            let template: Template = template.parse().unwrap();
            let filled = template.fill("a@b@example.com", Some(Mechanism::XOAuth2), Some(token));
            assert_eq!(filled, expected);
        }
        for unknown in ["%u", "%{oauth2:sub}", "%{user", "50%"] {
            assert_eq!(unknown.parse::<Template>(), Err(TemplateError), "{unknown}");
        }
    }

    #[test]
    fn fields_are_not_printed() {
        let token = BearerToken::new(b"t0ken").unwrap();
        let templates = [("pass".to_owned(), "%{token}".parse().unwrap())];
        let fields = Fields::fill(&templates, "alice", Some(Mechanism::Plain), Some(token));
        assert_eq!(fields.as_pairs(), [("pass", Some("t0ken"))]);
        assert_eq!(format!("{fields:?}"), "Fields(..)");
    }
}
