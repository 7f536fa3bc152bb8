//! What is wrong with a configuration: in which file, on which line, and what to write instead.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{}: {source}; give the path of a TOML file that can be read", .path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: longer than a megabyte; give the path of a TOML file", .path.display())]
    TooLong { path: PathBuf },
    #[error("{}:{line}: {message}\n  | {excerpt}", .path.display())]
    Line {
        path: PathBuf,
        line: usize,
        message: String,
        excerpt: String,
    },
    #[error("{}: {message}", .path.display())]
    Whole { path: PathBuf, message: String },
}

/// What is wrong, and where in the text.
#[derive(Debug)]
pub(crate) struct Fault {
    span: Option<Range<usize>>,
    message: String,
}

impl Fault {
    pub(super) fn whole(message: &str) -> Self {
        let message = message.to_owned();
        Self {
            span: None,
            message,
        }
    }

    pub(super) fn at(span: Range<usize>, message: &str) -> Self {
        let message = message.to_owned();
        Self {
            span: Some(span),
            message,
        }
    }

    pub(crate) fn in_file(self, path: &Path, text: &str) -> ConfigError {
        let (path, message) = (path.into(), self.message);
        let Some(span) = self.span else {
            return ConfigError::Whole { path, message };
        };
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let excerpt = text.lines().nth(line - 1).unwrap_or_default();
        ConfigError::Line {
            path,
            line,
            message,
            excerpt: excerpt.trim().chars().take(120).collect(),
        }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        Self {
            span: error.span(),
            message: error.message().to_owned(),
        }
    }
}
