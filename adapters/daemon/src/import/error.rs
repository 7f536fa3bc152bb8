//! Why a file cannot be taken over, and where.

use std::fmt;
use std::io;
use std::path::Path;
use std::rc::Rc;

/// What is said of a brace too many.
pub(super) const NOTHING_TO_CLOSE: &str = "this brace closes nothing; remove it";

/// Where something is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// The file, if it is not the one that was named.
    pub(super) included: Option<Rc<Path>>,
    pub(super) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.included {
            write!(f, "{}, ", path.display())?;
        }
        write!(f, "line {}", self.line)
    }
}

/// Why a file cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error(
        "{0}; name Dovecot's dovecot.conf, its dovecot-oauth2.conf.ext, or a file with an oauth2 block"
    )]
    Unreadable(#[from] io::Error),
    #[error("longer than a megabyte; name a file that holds the oauth2 settings")]
    TooLong,
    #[error("{place}: {fault}")]
    Line { place: Place, fault: String },
    #[error("no oauth2 settings in it; for Dovecot 2.3 that is dovecot-oauth2.conf.ext")]
    Nothing,
    #[error(
        "nobody to ask about tokens, and no keys; with introspection_url, tokeninfo_url or keys in files they can be \
         taken over, else write a configuration with the provider's issuer and audience"
    )]
    NobodyToAsk,
    #[error(
        "its keys come from no files, and no issuer that is a URL says where they are; write a configuration with \
         the provider's issuer and audience, or with key_set_url"
    )]
    NoKeys,
    #[error("what was read makes no configuration that loads: {0}")]
    Refused(String),
}

impl ImportError {
    pub(super) fn at(place: &Place, fault: impl Into<String>) -> Self {
        let (place, fault) = (place.clone(), fault.into());
        Self::Line { place, fault }
    }
}
