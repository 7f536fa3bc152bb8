//! Where `unsafe` may stand in a crate that denies it: in one file, which argues for it.

use std::fs;
use std::io;
use std::path::Path;

use super::Complaints;

/// The crate that has such a file.
const CRATE: &str = "adapters/cortex-m";

/// The file, below the crate.
const FILE: &str = "src/arithmetic/umaal.rs";

/// What waives the lint, or does not need to.
const WAIVERS: [&str; 3] = ["allow(unsafe_code", "expect(unsafe_code", "unsafe_code, "];

/// Reads every source of the crate below `root`.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn complaints(root: &Path) -> io::Result<Complaints> {
    let mut sources = Vec::new();
    read(&root.join(CRATE), &root.join(CRATE), &mut sources)?;
    Ok(judge(&sources))
}

/// Judges files by their names and texts.
fn judge(sources: &[(String, String)]) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, text) in sources {
        let is_the_file = name == FILE;
        if is_the_file && !text.contains("**Why this is sound.**") {
            complaints.push(format!("{CRATE}/{FILE}: argue why it is sound"));
        }
        if !is_the_file && (waives(text) || holds_unsafe(text)) {
            complaints.push(format!("{CRATE}/{name}: unsafe code belongs to {FILE}"));
        }
    }
    let denies = |(name, text): &(String, String)| {
        name == "src/lib.rs" && text.contains("#![deny(unsafe_code)]")
    };
    if !sources.iter().any(denies) {
        complaints.push(format!("{CRATE}/src/lib.rs: lacks #![deny(unsafe_code)]"));
    }
    complaints
}

fn waives(text: &str) -> bool {
    let dense: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("( ", "(");
    WAIVERS.iter().any(|waiver| dense.contains(waiver))
}

/// Whether code holds the keyword, comments left aside.
fn holds_unsafe(text: &str) -> bool {
    text.lines()
        .filter_map(|line| line.split("//").next())
        .any(|line| {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.any(|word| word == "unsafe")
        })
}

fn read(folder: &Path, root: &Path, sources: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, root, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .display()
                .to_string();
            sources.push((name, fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, number: usize) {
        let lib = ("src/lib.rs", "#![deny(unsafe_code)]");
        let sources = [lib, (name, text)].map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(judge(&sources).len(), number, "{name}");
    }

    #[test]
    fn one_file_may_and_has_to_argue() {
        check(FILE, "//! **Why this is sound.** So.\nunsafe fn f() {}", 0);
        check(FILE, "unsafe fn f() {}", 1);
    }

    #[test]
    fn no_other_may() {
        check("src/point.rs", "fn f() {} // unsafe", 0);
        check("src/point.rs", "unsafe fn f() {}", 1);
        check("src/point.rs", "#[unsafe(naked)] fn f() {}", 1);
        check("src/point.rs", "#![allow(\n    unsafe_code,\n)]", 1);
        check("build.rs", "fn main() { unsafe { f() } }", 1);
    }

    #[test]
    fn the_root_denies_it() {
        assert_eq!(judge(&[]).len(), 1);
    }
}
