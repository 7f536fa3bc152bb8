//! Values that are put together from other values, from the environment, and from files.

use std::env;

use super::error::{ImportError, Place};
use super::lexer::{Dialect, Raw};
use super::source::{Source, read};

/// The text that `raw` stands for. `known` finds what a variable says; `None` where it is not known.
pub(super) fn expand(
    source: &Source,
    dialect: Dialect,
    place: &Place,
    raw: Raw,
    known: impl Fn(&str) -> Option<String>,
) -> Result<String, ImportError> {
    match raw {
        Raw::Text(text) => Ok(text),
        Raw::File(path) => {
            let resolved = source.resolve(&path);
            read(&resolved).map_err(|fault| {
                ImportError::at(place, format!("{}: {fault}", resolved.display()))
            })
        }
        Raw::Variables(text) if dialect == Dialect::Ext => Ok(with_environment(&text)),
        Raw::Variables(text) => words(&text, |word| match dialect {
            Dialect::V2_4 => match word.strip_prefix("$SET:") {
                Some(name) => Some((name, known(name))),
                None => None,
            },
            _ => word.strip_prefix('$').map(|name| (name, known(name))),
        })
        .map_err(|name| {
            let fault = format!(
                "${name} is not set in what was read, and its default is not known here; write its value"
            );
            ImportError::at(place, fault)
        }),
    }
}

/// Variables are whole words; several spaces between words become one.
fn words<'t>(
    text: &'t str,
    known: impl Fn(&'t str) -> Option<(&'t str, Option<String>)>,
) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    loop {
        let (word, behind) = match rest.split_once(' ') {
            Some((word, behind)) => (word, Some(behind)),
            None => (rest, None),
        };
        if let Some(name) = word.strip_prefix("$ENV:") {
            expanded += &environment(name);
        } else if let Some((name, value)) = known(word) {
            expanded += &value.ok_or_else(|| name.to_owned())?;
        } else {
            expanded += word;
        }
        let Some(behind) = behind else {
            return Ok(expanded);
        };
        expanded.push(' ');
        rest = behind.trim_start_matches([' ', '\t']);
    }
}

/// 2.3's `.conf.ext` knows `$ENV:NAME` alone, which begins a word and ends at a space.
fn with_environment(text: &str) -> String {
    let (mut expanded, mut copied) = (String::new(), 0);
    for (at, _) in text.match_indices('$') {
        let begins_word = text[..at].ends_with([' ', '\t']) || at == 0;
        let name = text[at..].strip_prefix("$ENV:");
        if let Some(name) = name.filter(|_| begins_word && at >= copied) {
            let end = name.find(' ').unwrap_or(name.len());
            expanded += &text[copied..at];
            expanded += &environment(&name[..end]);
            copied = text.len() - name.len() + end;
        }
    }
    expanded + &text[copied..]
}

fn environment(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
