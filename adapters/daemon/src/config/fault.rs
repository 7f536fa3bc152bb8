//! What is wrong with a configuration: in which file, on which lines, and what to write instead.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::names;

/// Longest part of a line that is shown with a fault, in characters.
const MAX_EXCERPT: usize = 120;

/// Why a configuration cannot be used.
#[derive(Debug)]
pub(crate) enum ConfigError {
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    TooLong {
        path: PathBuf,
    },
    /// What is wrong in it, each with the line as far as that may be shown.
    Faults {
        path: PathBuf,
        faults: Vec<(Fault, Option<String>)>,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, faults) = match self {
            Self::Unreadable { path, source } => {
                let path = path.display();
                return write!(
                    f,
                    "{path}: {source}; give the path of a TOML file that can be read"
                );
            }
            Self::TooLong { path } => {
                let path = path.display();
                return write!(
                    f,
                    "{path}: longer than a megabyte; give the path of a TOML file"
                );
            }
            Self::Faults { path, faults } => (path.display(), faults),
        };
        for (index, (fault, excerpt)) in faults.iter().enumerate() {
            let between = if index == 0 { "" } else { "\n" };
            match fault.line {
                Some(line) => write!(f, "{between}{path}:{line}: {}", fault.message)?,
                None => write!(f, "{between}{path}: {}", fault.message)?,
            }
            if let Some(excerpt) = excerpt {
                write!(f, "\n  | {excerpt}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// One thing that is wrong, with what to write instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    /// Counted from 1; `None` where it is the whole file's.
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

/// Everything that has been found wrong so far.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Where lines begin, from the second on.
    line_starts: Vec<usize>,
    found: Vec<Fault>,
    /// Lines that are not TOML: what else is wrong with them follows from that.
    unreadable: BTreeSet<usize>,
    /// Keys that stand in another table than their own: they are not missing there.
    misplaced: BTreeSet<String>,
}

impl Faults {
    pub(super) fn new(text: &str) -> Self {
        let newlines = text.match_indices('\n');
        Self {
            line_starts: newlines.map(|(at, _)| at + 1).collect(),
            found: Vec::new(),
            unreadable: BTreeSet::new(),
            misplaced: BTreeSet::new(),
        }
    }

    /// Something is wrong at this offset of the text.
    pub(super) fn at(&mut self, offset: usize, message: impl fmt::Display) {
        let line = self.line(offset);
        if !self.unreadable.contains(&line) {
            self.push(Some(line), &message);
        }
    }

    /// A line is not TOML. One such fault a line: the next ones follow from it.
    pub(super) fn unreadable(&mut self, offset: usize, message: impl fmt::Display) {
        let line = self.line(offset);
        if self.unreadable.insert(line) {
            self.push(Some(line), &message);
        }
    }

    /// Something is missing in the file.
    pub(super) fn whole(&mut self, message: impl fmt::Display) {
        self.push(None, &message);
    }

    pub(super) fn misplace(&mut self, key: &str) {
        self.misplaced.insert(key.to_owned());
    }

    pub(super) fn is_misplaced(&self, key: &str) -> bool {
        self.misplaced.contains(key)
    }

    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    fn push(&mut self, line: Option<usize>, message: &dyn fmt::Display) {
        let message = message.to_string();
        self.found.push(Fault { line, message });
    }

    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset) + 1
    }

    /// All of them in the order of the file, for the file at `path` that holds `text`.
    pub(crate) fn in_file(mut self, path: &Path, text: &str) -> ConfigError {
        self.found
            .sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        let lines: Vec<&str> = text.lines().collect();
        let faults = self.found.into_iter().map(|fault| {
            let line = fault.line.and_then(|line| lines.get(line - 1));
            let excerpt = line.and_then(|line| excerpt(line));
            (fault, excerpt)
        });
        ConfigError::Faults {
            path: path.into(),
            faults: faults.collect(),
        }
    }
}

/// The line as far as it can hold no secret: whole only behind the key of a single value that is none, and that is no
/// URL with room for one, before an `@` or behind a `?`.
fn excerpt(line: &str) -> Option<String> {
    let line = line.trim();
    let (key, rest) = names::split(line);
    let value = rest.trim_start_matches(|c: char| c == '=' || c.is_whitespace());
    let is_table = value.starts_with('{') || value.starts_with("[{");
    let has_room = line.contains(['@', '?']);
    let is_plain = line.starts_with('[') || names::may_be_shown(key) && !is_table;
    let shown = if is_plain && !has_room { line } else { key };
    (!shown.is_empty()).then(|| shown.chars().take(MAX_EXCERPT).collect())
}
