//! Users that Gatepost knows by itself: from a template, or from a file as Dovecot's passwd-file.
//!
//! Names are compared in lower case, as Dovecot does by default (`auth_username_format = %Lu`). A user has a name
//! that a login can have, and no other: it can be a path, a log line and an address at once. So nobody is a
//! catch-all (`@example.com`).

use std::collections::BTreeMap;
use std::str::FromStr;

use gatepost_core::Identity;

/// Text with variables: `%u` or `%{user}`, `%n` or `%{username}` (before the @), `%d` or `%{domain}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    User,
    Local,
    Domain,
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
    ];
    let mut known = known.into_iter();
    known.find_map(|(name, part)| Some((part, text.strip_prefix(name)?)))
}

impl Template {
    fn fill(&self, user: &str) -> String {
        let (local, domain) = user.rsplit_once('@').unwrap_or((user, ""));
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::User => user.to_owned(),
            Part::Local => local.to_owned(),
            Part::Domain => domain.to_owned(),
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
            Exist::Listed(file) => Some(file.entries.get(&name)?),
        };
        let fields = self.common.fields(&name, entry);
        Some(User { name, fields })
    }

    /// The names that match `mask`, in which `*` is any text and `?` any character; `None` where nobody can
    /// list them.
    pub fn matching(&self, mask: &str) -> Option<impl Iterator<Item = &str>> {
        let Exist::Listed(file) = &self.exist else {
            return None;
        };
        let mask = mask.to_ascii_lowercase();
        let names = file.entries.keys().map(String::as_str);
        Some(names.filter(move |name| matches(&mask, name)))
    }
}

impl Common {
    /// What a user has, as its entry or else everybody.
    fn fields(&self, name: &str, entry: Option<&Entry>) -> Vec<(String, String)> {
        let own = |key: &str| entry?.fields.get(key).cloned();
        let ids = [("uid", self.uid), ("gid", self.gid)];
        let ids = ids.map(|(key, id)| (key, id.map(|id| id.to_string())));
        let home = ("home", self.home.as_ref().map(|home| home.fill(name)));
        let first = ids.into_iter().chain([home]);
        let first = first.filter_map(|(key, common)| Some((key.to_owned(), own(key).or(common)?)));
        let further = self.fields.iter().map(|(key, value)| {
            let value = own(key).unwrap_or_else(|| value.fill(name));
            (key.clone(), value)
        });
        let mut fields: Vec<_> = first.chain(further).collect();
        let rest = entry.map(|entry| entry.fields.iter()).into_iter().flatten();
        for (key, value) in rest {
            if !fields.iter().any(|(known, _)| known == key) {
                fields.push((key.clone(), value.clone()));
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

/// Users of a passwd-file. Its passwords are not kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PasswdFile {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Entry {
    fields: BTreeMap<String, String>,
}

/// Lines of a file that were left out: which, counted from 1, and why.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// No user can have the name.
    #[error(
        "line {0}: no user can be called so; write one word or one address of 256 bytes at most, without spaces, \
         quotes, slashes or control characters, and no catch-all"
    )]
    Name(usize),
    /// A field has no name, or control characters.
    #[error("line {0}: home and the fields behind userdb_ have a name, and no control characters")]
    Field(usize),
    /// `uid` or `gid` is no number, or 0.
    #[error("line {0}: uid and gid have to be numbers above 0, or empty")]
    Id(usize),
}

impl PasswdFile {
    /// Reads `user:password:uid:gid:gecos:home:shell:extra`, as Dovecot does: of `extra`, words with
    /// `userdb_` are fields. What cannot be used is left out, and told.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<LineError>) {
        let (mut file, mut errors) = (Self::default(), Vec::new());
        let lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        for (number, line) in lines.filter(|(_, line)| !is_comment(line)) {
            match entry(number, line) {
                Ok((name, entry)) => drop(file.entries.insert(name, entry)),
                Err(error) => errors.push(error),
            }
        }
        (file, errors)
    }

    /// How many users it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

fn entry(number: usize, line: &str) -> Result<(String, Entry), LineError> {
    let mut columns = line.splitn(8, ':');
    let mut column = || columns.next().unwrap_or_default();
    let (name, _password, uid, gid) = (column(), column(), column(), column());
    let (_gecos, home, _shell, extra) = (column(), column(), column(), column());
    let name = name.to_ascii_lowercase();
    if !Identity::is_user_name(&name) {
        return Err(LineError::Name(number));
    }
    let columns = [("uid", uid), ("gid", gid), ("home", home)];
    let columns = columns.into_iter().filter(|(_, value)| !value.is_empty());
    let extra = extra
        .split(' ')
        .filter_map(|word| word.strip_prefix("userdb_"));
    let extra = extra.map(|word| word.split_once('=').unwrap_or((word, "yes")));
    // The first to say it counts.
    let mut fields = BTreeMap::new();
    for (key, value) in columns.chain(extra) {
        fields
            .entry(key.to_owned())
            .or_insert_with(|| value.to_owned());
    }
    let is_good = |(key, value): (&String, &String)| {
        !key.is_empty() && !has_controls(key) && !has_controls(value)
    };
    if !fields.iter().all(is_good) {
        return Err(LineError::Field(number));
    }
    let mut ids = ["uid", "gid"].into_iter().filter_map(|key| fields.get(key));
    if !ids.all(|id| id.parse::<u32>().is_ok_and(|id| id != 0)) {
        return Err(LineError::Id(number));
    }
    Ok((name, Entry { fields }))
}

#[cfg(test)]
mod tests;
