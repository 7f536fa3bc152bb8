//! How long a file may be: what is longer is read by nobody as a whole.

use std::fs;
use std::io;
use std::path::Path;

use super::Complaints;

/// Most lines of a file, its tests left aside.
const MOST: usize = 400;

/// What is built.
const FOLDERS: [&str; 5] = ["core", "adapters", "examples", "tests", "xtask"];

/// Folders of what is all tests.
const TESTS: [&str; 3] = ["tests", "benches", "target"];

/// Reads every source below `root` that is no test.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn complaints(root: &Path) -> io::Result<Complaints> {
    let mut complaints = Complaints::new();
    for folder in FOLDERS {
        read(&root.join(folder), root, &mut complaints)?;
    }
    Ok(complaints)
}

fn read(folder: &Path, root: &Path, complaints: &mut Complaints) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default();
        if path.is_dir() {
            if !TESTS.iter().any(|tests| name == *tests) {
                read(&path, root, complaints)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && name != "tests"
            && name != "transcripts"
        {
            let lines = without_tests(&fs::read_to_string(&path)?);
            if lines > MOST {
                let path = path.strip_prefix(root).unwrap_or(&path).display();
                complaints.push(format!("{path}: {lines} lines without tests; split it"));
            }
        }
    }
    Ok(())
}

/// How many lines come before the tests, which are at the end.
fn without_tests(text: &str) -> usize {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next();
    code.unwrap_or_default().lines().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_at_the_end_are_not_counted() {
        assert_eq!(without_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(without_tests("a\n#[cfg(test)]\nmod linear;\nb\n"), 4);
    }
}
