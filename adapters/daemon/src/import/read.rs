//! Dovecot's two ways of writing: `key = value` lines (2.3), and blocks in braces (2.4).

use super::ImportError;

/// Deepest nesting of blocks; `oauth2_local_validation { dict fs { fs posix { } } }` has four.
const MAX_DEPTH: usize = 16;

/// Whose settings they are: names and defaults differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    V2_3,
    V2_4,
}

/// One setting of the oauth2 database, by its 2.3 name or by its 2.4 name without `oauth2_`.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Setting {
    pub(super) line: usize,
    /// The block inside of `oauth2 { }` that it stands in, if any: `fields`, `scope`, `local_validation`.
    pub(super) block: Option<String>,
    pub(super) name: String,
    pub(super) value: String,
}

/// Reads either form.
pub(super) fn read(text: &str) -> Result<(Version, Vec<Setting>), ImportError> {
    let is_blocks = text.lines().any(|line| {
        let line = line.trim();
        !line.starts_with('#') && (line.ends_with('{') || line.starts_with("oauth2_"))
    });
    let (version, found) = if is_blocks {
        (Version::V2_4, read_blocks(text)?)
    } else {
        (Version::V2_3, read_lines(text)?)
    };
    if found.is_empty() {
        return Err(ImportError::Nothing);
    }
    Ok((version, found))
}

fn read_lines(text: &str) -> Result<Vec<Setting>, ImportError> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = assignment(index + 1, line)?;
        found.push(Setting {
            line: index + 1,
            block: None,
            name,
            value,
        });
    }
    Ok(found)
}

fn read_blocks(text: &str) -> Result<Vec<Setting>, ImportError> {
    let mut found = Vec::new();
    let mut blocks: Vec<String> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "}" {
            let fault = "this brace closes nothing; remove it";
            blocks.pop().ok_or_else(|| ImportError::at(number, fault))?;
            continue;
        }
        if let Some(name) = line.strip_suffix('{') {
            if blocks.len() == MAX_DEPTH {
                return Err(ImportError::at(
                    number,
                    "blocks are nested more than 16 deep",
                ));
            }
            blocks.push(bare(name.trim()).to_owned());
            continue;
        }
        found.extend(inside_oauth2(number, line, &blocks)?);
    }
    match blocks.pop() {
        Some(name) => {
            let fault = format!("the block {name:?} is never closed; add a brace");
            Err(ImportError::at(text.lines().count(), fault))
        }
        None => Ok(found),
    }
}

/// A setting that concerns us; what else stands in a `dovecot.conf` does not.
fn inside_oauth2(
    number: usize,
    line: &str,
    blocks: &[String],
) -> Result<Option<Setting>, ImportError> {
    let oauth2 = blocks.iter().position(|block| block == "oauth2");
    let inner = oauth2.map_or(blocks, |at| &blocks[at + 1..]);
    let is_named = line.starts_with("oauth2_") || blocks.first().is_some_and(|b| is_setting(b));
    if oauth2.is_none() && !is_named {
        return Ok(None);
    }
    let (name, value) = assignment(number, line)?;
    Ok(Some(Setting {
        line: number,
        block: inner.first().cloned(),
        name: bare(&name).to_owned(),
        value,
    }))
}

/// Whether `block` is one of the settings of oauth2 that are blocks themselves.
fn is_setting(block: &str) -> bool {
    matches!(
        block,
        "local_validation" | "fields" | "scope" | "issuers" | "audience"
    )
}

/// The name without the prefix that 2.4 allows everywhere.
fn bare(name: &str) -> &str {
    let name = name.strip_prefix("oauth2_").unwrap_or(name);
    name.split_whitespace().next().unwrap_or_default()
}

fn assignment(number: usize, line: &str) -> Result<(String, String), ImportError> {
    let fault = "not a setting; write name = value";
    let (name, value) = line
        .split_once('=')
        .ok_or_else(|| ImportError::at(number, fault))?;
    let value = value.trim();
    // A comment behind a value begins with a space and a hash.
    let value = value.split(" #").next().unwrap_or_default().trim();
    let quoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    Ok((name.trim().to_owned(), quoted.unwrap_or(value).to_owned()))
}
