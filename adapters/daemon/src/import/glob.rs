//! Patterns of paths, as `!include` takes them.

use std::fs;
use std::path::{Path, PathBuf};

/// The paths that exist and match `pattern`, in order. Braces come first, as in a shell.
pub(super) fn glob(pattern: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for pattern in braces(pattern) {
        let mut places = vec![if pattern.starts_with('/') {
            PathBuf::from("/")
        } else {
            PathBuf::new()
        }];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            places = places.iter().flat_map(|place| below(place, part)).collect();
        }
        places.retain(|place| place.exists());
        found.extend(places);
    }
    found
}

/// The entries of `place` that match `part`, sorted.
fn below(place: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?', '[', '\\']) {
        return vec![place.join(part)];
    }
    let directory = if place.as_os_str().is_empty() {
        Path::new(".")
    } else {
        place
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // What begins with a dot is matched by a dot alone.
    let is_meant = |name: &String| name.starts_with('.') == part.starts_with('.');
    let mut names: Vec<String> = names
        .filter(|name| is_meant(name) && matches(part.as_bytes(), name.as_bytes()))
        .collect();
    names.sort();
    names.iter().map(|name| place.join(name)).collect()
}

/// Whether the whole of `name` matches.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern {
        [] => name.is_empty(),
        [b'*', rest @ ..] => (0..=name.len()).any(|skipped| matches(rest, &name[skipped..])),
        [b'?', rest @ ..] => !name.is_empty() && matches(rest, &name[1..]),
        [b'[', rest @ ..] => match (class(rest), name) {
            (Some((class, rest)), [first, behind @ ..]) => {
                is_in(class, *first) && matches(rest, behind)
            }
            (Some(_), []) => false,
            (None, _) => name.first() == Some(&b'[') && matches(rest, &name[1..]),
        },
        [b'\\', escaped, rest @ ..] => name.first() == Some(escaped) && matches(rest, &name[1..]),
        [first, rest @ ..] => name.first() == Some(first) && matches(rest, &name[1..]),
    }
}

/// What is between `[` and `]`, and what follows. A bracket that comes first belongs to it.
fn class(pattern: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = usize::from(matches!(pattern.first(), Some(b'!' | b'^'))) + 1;
    let end = pattern.iter().skip(first).position(|byte| *byte == b']')? + first;
    Some((&pattern[..end], &pattern[end + 1..]))
}

fn is_in(class: &[u8], byte: u8) -> bool {
    let (is_negated, mut rest) = match class {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut is_found = false;
    loop {
        rest = match rest {
            [] => return is_found != is_negated,
            [from, b'-', to, rest @ ..] => {
                is_found |= (*from..=*to).contains(&byte);
                rest
            }
            [one, rest @ ..] => {
                is_found |= *one == byte;
                rest
            }
        };
    }
}

/// Each of the patterns that `{a,b}` stands for.
fn braces(pattern: &str) -> Vec<String> {
    let Some((open, close)) = outermost(pattern) else {
        return vec![pattern.to_owned()];
    };
    let (before, behind) = (&pattern[..open], &pattern[close + 1..]);
    let choices = choices(&pattern[open + 1..close]);
    let texts = choices
        .iter()
        .map(|choice| format!("{before}{choice}{behind}"));
    texts.flat_map(|text| braces(&text)).collect()
}

/// Where the first pair of braces is.
fn outermost(pattern: &str) -> Option<(usize, usize)> {
    let open = pattern
        .find('{')
        .filter(|at| !pattern[*at..].starts_with("{}"))?;
    let mut depth = 0_usize;
    for (at, byte) in pattern.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some((open, at)),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn choices(inside: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut choices) = (0_usize, 0, Vec::new());
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                choices.push(&inside[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    choices.push(&inside[begin..]);
    choices
}
