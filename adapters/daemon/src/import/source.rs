//! Files, and the files that they include, as one sequence of statements.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use gatepost_tokio::read_file;

use super::error::{ImportError, Place};
use super::glob::glob;
use super::lexer::{Dialect, Lexer, Statement};

/// Longest file that is read, in bytes: a megabyte is no configuration.
const MAX_FILE: u64 = 1 << 20;

/// Files that are included at most; Debian's Dovecot has some 30.
const MAX_FILES: usize = 1024;

/// What remains to be read.
#[derive(Debug)]
pub(super) struct Source {
    lexer: Lexer,
    /// The innermost file is last.
    files: Vec<File>,
    opened: usize,
}

#[derive(Debug)]
struct File {
    path: Rc<Path>,
    lines: std::vec::IntoIter<String>,
    line: usize,
}

impl File {
    fn new(path: &Path, text: &str) -> Self {
        // Dovecot's strings end at a zero byte.
        let whole = |line: &str| line.split('\0').next().unwrap_or_default().to_owned();
        let lines: Vec<String> = text.lines().map(whole).collect();
        Self {
            path: path.into(),
            lines: lines.into_iter(),
            line: 0,
        }
    }
}

impl Source {
    /// Begins with `text`, which is the file at `path`.
    pub(super) fn new(dialect: Dialect, path: &Path, text: &str) -> Self {
        Self {
            lexer: Lexer::new(dialect),
            files: vec![File::new(path, text)],
            opened: 1,
        }
    }

    /// The next statement, includes followed; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Place, Statement)>, ImportError> {
        while let Some(file) = self.files.last_mut() {
            let Some(line) = file.lines.next() else {
                self.files.pop();
                continue;
            };
            file.line += 1;
            let place = self.place();
            let statement = self.lexer.line(&line);
            match statement.map_err(|fault| ImportError::at(&place, fault))? {
                None => {}
                Some(Statement::Include {
                    pattern,
                    must_match,
                }) => self.include(&place, &pattern, must_match)?,
                Some(statement) => return Ok(Some((place, statement))),
            }
        }
        Ok(None)
    }

    fn place(&self) -> Place {
        let file = self.files.last();
        let included = file.filter(|_| self.files.len() > 1);
        Place {
            included: included.map(|file| Rc::clone(&file.path)),
            line: file.map_or(0, |file| file.line),
        }
    }

    /// `path` as the innermost file means it.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        let base = self.files.last().and_then(|file| file.path.parent());
        base.unwrap_or(Path::new("")).join(path)
    }

    fn include(
        &mut self,
        place: &Place,
        pattern: &str,
        must_match: bool,
    ) -> Result<(), ImportError> {
        let resolved = self.resolve(pattern);
        let mut paths = glob(&resolved.to_string_lossy());
        if paths.is_empty() && must_match {
            let fault =
                format!("no file matches {pattern}; correct the path, or write !include_try");
            return Err(ImportError::at(place, fault));
        }
        // The last one that is put here is read first: the reader of 2.3's .conf.ext reads backwards.
        if self.lexer.dialect() != Dialect::Ext {
            paths.reverse();
        }
        for path in paths {
            if self.files.iter().any(|file| *file.path == *path) {
                let fault = format!("{} includes itself", path.display());
                return Err(ImportError::at(place, fault));
            }
            self.opened += 1;
            if self.opened > MAX_FILES {
                return Err(ImportError::at(place, "more than 1,024 files are included"));
            }
            match read(&path) {
                Ok(text) => self.files.push(File::new(&path, &text)),
                Err(_) if !must_match => {}
                Err(fault) => {
                    return Err(ImportError::at(
                        place,
                        format!("{}: {fault}", path.display()),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The text of a file; bytes that are not UTF-8 become U+FFFD, for comments may hold any.
pub(super) fn read(path: &Path) -> Result<String, ImportError> {
    match read_file(path, MAX_FILE) {
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Err(ImportError::TooLong),
        read => Ok(String::from_utf8_lossy(&read?).into_owned()),
    }
}
