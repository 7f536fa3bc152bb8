//! Users that Gatepost knows by itself: from a template, or from a file as Dovecot's passwd-file.
//!
//! Names are compared in lower case, as Dovecot does by default (`auth_username_format = %Lu`). A user has a name
//! that a login can have, and no other: it can be a path, a log line and an address at once. So nobody is a
//! catch-all (`@example.com`).

mod directory;
mod passwd_file;

use std::str::FromStr;

use gatepost_core::Identity;

use crate::socketmap::Delimiters;

pub use directory::{Directory, Names, Unavailable};
use passwd_file::Entry;
pub use passwd_file::{LineError, PasswdFile, PasswdFileBuilder};

/// Text with variables: `%u` or `%{user}`, `%n` or `%{username}` (before the @), `%d` or `%{domain}`, and `%{id}`
/// where users have ids.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    User,
    Local,
    Domain,
    Id,
}

/// What is no template.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "write text with %u or %{{user}}, %n or %{{username}} (before the @), %d or %{{domain}}, and without control \
     characters; %% is a percent sign"
)]
pub struct TemplateError;

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if has_controls(text) {
            return Err(TemplateError);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            parts.push(Part::Text(before.to_owned()));
            let (part, behind) = variable(behind).ok_or(TemplateError)?;
            parts.push(part);
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }
}

/// The variable that `text` begins with, behind its percent sign, and the rest.
fn variable(text: &str) -> Option<(Part, &str)> {
    let known = [
        ("%", Part::Text("%".to_owned())),
        ("u", Part::User),
        ("{user}", Part::User),
        ("n", Part::Local),
        ("{username}", Part::Local),
        ("d", Part::Domain),
        ("{domain}", Part::Domain),
        ("{id}", Part::Id),
    ];
    let mut known = known.into_iter();
    known.find_map(|(name, part)| Some((part, text.strip_prefix(name)?)))
}

impl Template {
    /// Whether it names the user's id.
    #[must_use]
    pub fn has_id(&self) -> bool {
        self.0.contains(&Part::Id)
    }

    fn fill(&self, user: &str, id: &str) -> String {
        let (local, domain) = user.rsplit_once('@').unwrap_or((user, ""));
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::User => user.to_owned(),
            Part::Local => local.to_owned(),
            Part::Domain => domain.to_owned(),
            Part::Id => id.to_owned(),
        };
        self.0.iter().map(text).collect()
    }
}

/// What every user has, unless a file says otherwise.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Common {
    /// The user id that its mail belongs to.
    pub uid: Option<u32>,
    /// The group id.
    pub gid: Option<u32>,
    /// Its home directory.
    pub home: Option<Template>,
    /// Further fields.
    pub fields: Vec<(String, Template)>,
}

/// Who exists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Exist {
    /// Every name in these domains, which are in lower case.
    Domains(Vec<String>),
    /// Every name.
    All,
    /// Those of a file.
    Listed(PasswdFile),
}

/// The users.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Users {
    /// Who exists.
    pub exist: Exist,
    /// What they have.
    pub common: Common,
}

/// One user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// The name, in lower case.
    pub name: String,
    /// `uid`, `gid`, `home` and further fields.
    pub fields: Vec<(String, String)>,
}

impl Users {
    /// The user of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<User> {
        let name = name.to_ascii_lowercase();
        if !Identity::is_user_name(&name) {
            return None;
        }
        let entry = match &self.exist {
            Exist::All => None,
            Exist::Domains(domains) => {
                let (_, domain) = name.rsplit_once('@')?;
                domains.iter().find(|known| *known == domain)?;
                None
            }
            Exist::Listed(file) => Some(file.find(&name)?),
        };
        let fields = self.common.fields((&name, ""), entry);
        Some(User { name, fields })
    }

    /// Whose address it is: of a user who is listed by that very name, or else the one whose name it is without its
    /// extension. Where every name exists, only those without one are users.
    #[must_use]
    pub fn find_address(&self, address: &str, delimiters: &Delimiters) -> Option<User> {
        let Some(base) = delimiters.without_extension(address) else {
            return self.find(address);
        };
        let listed = matches!(self.exist, Exist::Listed(_)).then(|| self.find(address));
        listed.flatten().or_else(|| self.find(&base))
    }

    /// Whether users of that domain are known to exist; where every name exists, no domain is known.
    #[must_use]
    pub fn has_domain(&self, domain: &str) -> bool {
        let domain = domain.to_ascii_lowercase();
        match &self.exist {
            Exist::Domains(domains) => domains.contains(&domain),
            Exist::All => false,
            Exist::Listed(file) => file.has_domain(&domain),
        }
    }

    /// The names that match `mask`, in which `*` is any text and `?` any character; `None` where nobody can
    /// list them.
    #[must_use]
    pub fn matching(&self, mask: &str) -> Option<impl Iterator<Item = &str>> {
        let Exist::Listed(file) = &self.exist else {
            return None;
        };
        let mask = mask.to_ascii_lowercase();
        Some(file.names().filter(move |name| matches(&mask, name)))
    }
}

impl Common {
    /// What everybody has, of the user of that name, in lower case, and id.
    #[must_use]
    pub fn of(&self, name: &str, id: &str) -> Vec<(String, String)> {
        self.fields((name, id), None)
    }

    /// What a user has, as its entry or else everybody.
    fn fields(
        &self,
        (name, user_id): (&str, &str),
        entry: Option<Entry<'_>>,
    ) -> Vec<(String, String)> {
        let own = entry.map_or([None; 3], |entry| entry.first());
        let id = |id: Option<u32>| id.map(|id| id.to_string());
        let home = self.home.as_ref().map(|home| home.fill(name, user_id));
        let common = ["uid", "gid", "home"]
            .into_iter()
            .zip([id(self.uid), id(self.gid), home]);
        let first = common.zip(own).filter_map(|((key, common), own)| {
            Some((key.to_owned(), own.map(str::to_owned).or(common)?))
        });
        let further = self
            .fields
            .iter()
            .map(|(key, value)| (key.clone(), value.fill(name, user_id)));
        let mut fields: Vec<_> = first.chain(further).collect();
        for (key, value) in entry.iter().flat_map(Entry::further) {
            match fields.iter_mut().find(|(known, _)| known == key) {
                Some((_, common)) => value.clone_into(common),
                None => fields.push((key.to_owned(), value.to_owned())),
            }
        }
        fields
    }
}

fn has_controls(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// Whether `mask` matches the whole of `text`. Each `*` is tried at its last place only, which suffices.
fn matches(mask: &str, text: &str) -> bool {
    let (mut mask, mut text) = (mask.chars(), text.chars());
    let mut star = None;
    loop {
        let at = text.clone();
        match (mask.next(), text.next()) {
            (Some('*'), _) => {
                star = Some((mask.clone(), at.clone()));
                text = at;
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {}
            (None, None) => return true,
            _ => {
                let Some((behind, mut rest)) = star else {
                    return false;
                };
                if rest.next().is_none() {
                    return false;
                }
                star = Some((behind.clone(), rest.clone()));
                (mask, text) = (behind, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests;
