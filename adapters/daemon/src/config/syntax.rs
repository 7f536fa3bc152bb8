//! Text that is not TOML: what the parser stumbles over, in the words of who writes the file.

use std::borrow::Cow;
use std::ops::Range;

use toml::de::{DeTable, Error};

use super::fault::Faults;
use super::names;

/// Writes `[[provider]]` where `text` says `[provider]`, line by line, and says so: the parser would take two
/// of them for one.
pub(super) fn with_double_brackets(text: &str) -> (Cow<'_, str>, Vec<(usize, &'static str)>) {
    let mut corrected = String::with_capacity(text.len());
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let doubled = doubled(line);
        if let Some((header, _)) = doubled {
            found.push((corrected.len(), header));
        }
        let (header, rest) = doubled.unwrap_or(("", line));
        corrected.push_str(header);
        corrected.push_str(rest);
    }
    if found.is_empty() || text.contains("\"\"\"") || text.contains("'''") {
        return (text.into(), Vec::new());
    }
    (corrected.into(), found)
}

/// The header that a line should have had, and what follows it.
fn doubled(line: &str) -> Option<(&'static str, &str)> {
    let (name, rest) = line.trim_start().strip_prefix('[')?.split_once(']')?;
    let header = names::header(name.trim())?;
    (header.starts_with("[[") && !rest.starts_with(']')).then_some((header, rest))
}

/// Tells what is not TOML. Whether the rest can be read: behind a bracket that is left open it cannot.
pub(super) fn tell(errors: &[Error], text: &str, faults: &mut Faults) -> bool {
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        let (sentence, is_open) = explain(error, text, at);
        faults.unreadable(at, sentence);
        // It is written, if not well.
        faults.misplace(names::split(text[line(text, at)].trim()).0);
        if is_open {
            return false;
        }
    }
    true
}

/// Tells the lines that are no `key = value`, and blanks them: the parser would leave out the next line, too.
pub(super) fn without_loose_keys(text: &str, faults: &mut Faults) -> String {
    let mut blanked = text.to_owned();
    let (_, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        if !error.message().starts_with("key with no value") {
            continue;
        }
        let at = error.span().map_or(0, |span| span.start);
        faults.unreadable(at, explain(&error, text, at).0);
        let line = line(text, at);
        // It is written, if not well.
        faults.misplace(names::split(text[line.clone()].trim()).0);
        blanked.replace_range(line.clone(), &" ".repeat(line.len()));
    }
    blanked
}

/// What to write instead, and whether a bracket is left open.
fn explain(error: &Error, text: &str, at: usize) -> (String, bool) {
    let line = text[line(text, at)].trim();
    let found = error.span().and_then(|span| text.get(span));
    let found = found.unwrap_or_default();
    let message = error.message();
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| message.starts_with(prefix));
    if begins(&["unclosed table", "unclosed array table"]) {
        return ("the closing bracket is missing".to_owned(), true);
    }
    if begins(&["missing comma", "unclosed"]) {
        let sentence = "a comma or the closing bracket is missing: what follows cannot be read";
        return (sentence.to_owned(), true);
    }
    let (key, rest) = names::split(line);
    let sentence = if line.starts_with("//") || line.starts_with(';') {
        return ("write # before a comment".to_owned(), false);
    } else if begins(&["unexpected leading zero"]) {
        let value = text.get(at..).unwrap_or_default();
        let end = value.find(|c: char| !c.is_alphanumeric());
        leading_zero(key, value.get(..end.unwrap_or(value.len())))
    } else if begins(&["string values must be quoted"]) {
        unquoted(key, found)
    } else if begins(&["invalid boolean", "invalid float", "invalid integer"]) {
        // Text without quotes that begins like another kind of value.
        match found.to_ascii_lowercase().as_str() {
            "true" | "false" => "write true or false".to_owned(),
            _ => unquoted(key, found),
        }
    } else if begins(&["invalid basic string", "invalid literal", "invalid multi"]) {
        "the closing quote is missing".to_owned()
    } else if message.contains("escape") {
        "write \\\\ for a backslash, or text in single quotes".to_owned()
    } else if begins(&["duplicate key"]) {
        return (twice(line, found), false);
    } else if begins(&["unexpected key or value"]) {
        "write one key a line, and # before a comment".to_owned()
    } else if begins(&["key with no value", "invalid unquoted key"]) && !key.is_empty() {
        if rest.trim_start().starts_with(':') {
            format!("write {key} = \"..\", with = and not :")
        } else {
            format!("write a value: {key} = \"..\"")
        }
    } else {
        format!("this is not TOML: {message}")
    };
    let before = if key.is_empty() { "" } else { ": " };
    (format!("{key}{before}{sentence}"), false)
}

/// The line that holds this offset.
fn line(text: &str, at: usize) -> Range<usize> {
    let (before, behind) = text.split_at_checked(at).unwrap_or((text, ""));
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end = at + behind.find('\n').unwrap_or(behind.len());
    start..end
}

fn leading_zero(key: &str, value: Option<&str>) -> String {
    match value {
        Some(value) if key == "mode" => format!("write it in quotes: mode = {value:?}"),
        _ => "write the number without the zero before it".to_owned(),
    }
}

/// Text without quotes, or with those of a word processor.
fn unquoted(key: &str, found: &str) -> String {
    let lower = found.to_ascii_lowercase();
    if found.is_empty() {
        return "write a value behind the =".to_owned();
    }
    if matches!(&*lower, "yes" | "no" | "on" | "off") {
        return "write true or false".to_owned();
    }
    let curly = ['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}'];
    let what = if found.contains(curly) {
        "write straight quotes"
    } else {
        "write it in quotes"
    };
    let value = found.trim_matches(curly);
    if names::may_be_shown(key) && !value.contains(['"', '\\', '[', '{']) {
        format!("{what}: {key} = \"{value}\"")
    } else {
        what.to_owned()
    }
}

fn twice(line: &str, found: &str) -> String {
    let name = found.trim_matches(['"', '\'']);
    if line.starts_with('[') {
        format!("[{name}] is there twice; write its keys under one of them")
    } else {
        format!("{name}: it is written twice; remove one of them")
    }
}
