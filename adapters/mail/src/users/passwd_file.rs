//! Users of a passwd-file, in as little memory as their lines.

use std::collections::BTreeSet;

use gatepost_core::Identity;

use super::has_controls;

/// The least that is added to the lines when they are full, in bytes.
const STEP: usize = 64 << 10;

/// Users of a passwd-file. Its passwords are not kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PasswdFile {
    /// A record for each user: `name NUL uid NUL gid NUL home`, then `NUL key=value` for each further field, and
    /// a newline. No part holds control characters.
    records: String,
    /// Where records begin, in the order of their names.
    starts: Vec<u32>,
    /// The domains of their names, in order.
    domains: Vec<Box<str>>,
}

/// Reads a passwd-file line by line.
#[derive(Debug, Default)]
pub struct PasswdFileBuilder {
    file: PasswdFile,
    lines: usize,
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
    #[error(
        "line {0}: home and the fields behind userdb_ need a name, and are UTF-8 without control characters"
    )]
    Field(usize),
    /// `uid` or `gid` is no number, or 0.
    #[error("line {0}: uid and gid have to be numbers above 0, or empty")]
    Id(usize),
    /// The users before it take 4 GiB.
    #[error("line {0}: too many users before it")]
    TooMany(usize),
}

/// What a line says of its user.
#[derive(Clone, Copy)]
pub(super) struct Entry<'f> {
    name: &'f str,
    ids_and_home: [&'f str; 3],
    /// `key=value`, separated by NUL.
    further: &'f str,
}

impl PasswdFileBuilder {
    /// Takes the next line, without its newline: `user:password:uid:gid:gecos:home:shell:extra`, as Dovecot does.
    /// Of `extra`, words with `userdb_` are fields; what says a thing first counts, and of lines with one name the
    /// last.
    ///
    /// # Errors
    /// [`LineError`]: the line is left out.
    pub fn line(&mut self, line: &str) -> Result<(), LineError> {
        self.lines += 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        self.file.add(self.lines, line)
    }

    /// The users of all lines.
    #[must_use]
    pub fn finish(self) -> PasswdFile {
        let PasswdFile {
            mut records,
            mut starts,
            ..
        } = self.file;
        let name = |start: u32| Entry::at(&records, start).name;
        starts.sort_by(|one, other| name(*one).cmp(name(*other)));
        starts.dedup_by(|later, kept| {
            let is_same = name(*later) == name(*kept);
            if is_same {
                *kept = *later;
            }
            is_same
        });
        records.shrink_to_fit();
        starts.shrink_to_fit();
        let names = starts.iter().map(|start| Entry::at(&records, *start).name);
        let domains = names.filter_map(|name| Some(name.rsplit_once('@')?.1));
        let domains = domains.collect::<BTreeSet<_>>();
        let domains = domains.into_iter().map(Into::into).collect();
        PasswdFile {
            records,
            starts,
            domains,
        }
    }
}

impl PasswdFile {
    /// Reads a whole file, as [`PasswdFileBuilder::line`] does each of its lines. What cannot be used is left out,
    /// and told.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<LineError>) {
        let mut builder = PasswdFileBuilder::default();
        let lines = text.split('\n');
        let errors = lines.filter_map(|line| builder.line(line).err()).collect();
        (builder.finish(), errors)
    }

    /// How many users it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Their names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let starts = self.starts.iter();
        starts.map(|start| Entry::at(&self.records, *start).name)
    }

    /// Whether any of them is of that domain.
    pub(super) fn has_domain(&self, domain: &str) -> bool {
        let found = self.domains.binary_search_by(|known| (**known).cmp(domain));
        found.is_ok()
    }

    /// What its line says of the user of that name.
    pub(super) fn find(&self, name: &str) -> Option<Entry<'_>> {
        let entry = |start: &u32| Entry::at(&self.records, *start);
        let place = self
            .starts
            .binary_search_by(|start| entry(start).name.cmp(name));
        self.starts.get(place.ok()?).map(entry)
    }

    /// Adds the user of a line, without looking for another of its name.
    fn add(&mut self, number: usize, line: &str) -> Result<(), LineError> {
        let mut columns = line.splitn(8, ':');
        let mut column = || columns.next().unwrap_or_default();
        let (name, _password, uid, gid) = (column(), column(), column(), column());
        let (_gecos, home, _shell, extra) = (column(), column(), column(), column());
        if !Identity::is_user_name(name) {
            return Err(LineError::Name(number));
        }
        let start = u32::try_from(self.records.len()).map_err(|_| LineError::TooMany(number))?;
        let extra: Vec<_> = further(extra).collect();
        let is_good = |text: &str| !has_controls(text) && !text.contains('\u{fffd}');
        let mut words = extra.iter().flat_map(|(key, value)| [*key, *value]);
        if !is_good(home) || !words.all(is_good) || extra.iter().any(|(key, _)| key.is_empty()) {
            return Err(LineError::Field(number));
        }
        let said = |key: &str, column| match extra.iter().find(|(other, _)| *other == key) {
            Some((_, value)) if str::is_empty(column) => *value,
            _ => column,
        };
        let (uid, gid, home) = (said("uid", uid), said("gid", gid), said("home", home));
        let is_id = |id: &str| id.is_empty() || id.parse::<u32>().is_ok_and(|id| id != 0);
        if !is_id(uid) || !is_id(gid) {
            return Err(LineError::Id(number));
        }
        self.reserve(line.len());
        self.records.push_str(name);
        if let Some(name) = self.records.get_mut(start as usize..) {
            name.make_ascii_lowercase();
        }
        for part in [uid, gid, home] {
            self.push(&[part]);
        }
        for (at, (key, value)) in extra.iter().enumerate() {
            let is_first = extra.iter().take(at).all(|(earlier, _)| earlier != key);
            if is_first && !["uid", "gid", "home"].contains(key) {
                self.push(&[key, "=", value]);
            }
        }
        self.records.push('\n');
        self.starts.push(start);
        Ok(())
    }

    /// Makes room for a record, which is no longer than its line. Doubling would take twice the room in the end.
    fn reserve(&mut self, length: usize) {
        if self.records.capacity() - self.records.len() <= length {
            let step = STEP.max(self.records.len() / 8);
            self.records.reserve_exact(step.max(length + 1));
        }
    }

    fn push(&mut self, parts: &[&str]) {
        self.records.push('\0');
        for part in parts {
            self.records.push_str(part);
        }
    }
}

/// The fields of a line's last column.
fn further(extra: &str) -> impl Iterator<Item = (&str, &str)> {
    let words = extra.split(' ');
    let words = words.filter_map(|word| word.strip_prefix("userdb_"));
    words.map(|word| word.split_once('=').unwrap_or((word, "yes")))
}

impl<'f> Entry<'f> {
    fn at(records: &'f str, start: u32) -> Self {
        let rest = records.get(start as usize..).unwrap_or_default();
        let record = rest.split('\n').next().unwrap_or_default();
        let mut parts = record.splitn(5, '\0');
        let mut part = || parts.next().unwrap_or_default();
        Self {
            name: part(),
            ids_and_home: [part(), part(), part()],
            further: part(),
        }
    }

    /// Its `uid`, `gid`, `home`, where it says so.
    pub(super) fn first(&self) -> [Option<&'f str>; 3] {
        self.ids_and_home
            .map(|said| Some(said).filter(|said| !said.is_empty()))
    }

    /// Its other fields.
    pub(super) fn further(&self) -> impl Iterator<Item = (&'f str, &'f str)> + use<'f> {
        let fields = self.further.split('\0');
        fields.filter_map(|field| field.split_once('='))
    }
}
