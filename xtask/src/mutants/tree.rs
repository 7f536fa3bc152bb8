//! The copy of the workspace that mutants are made in.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

/// Folders that are no source.
const LEFT_OUT: [&str; 2] = [".git", "target"];

/// Makes `copy` hold what `original` does, and nothing else. What is the same already stays as it is, with the time
/// by which cargo knows that it is built.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn mirror(original: &Path, copy: &Path) -> io::Result<()> {
    fs::create_dir_all(copy)?;
    let mut names = BTreeSet::new();
    for entry in original.read_dir()? {
        names.insert(entry?.file_name());
    }
    names.retain(|name| LEFT_OUT.iter().all(|left_out| name != left_out));
    remove_others(copy, &names)?;
    for name in &names {
        let (from, to) = (original.join(name), copy.join(name));
        if from.is_dir() {
            mirror(&from, &to)?;
        } else if !to.is_file() || fs::read(&from)? != fs::read(&to)? {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

fn remove_others(folder: &Path, names: &BTreeSet<OsString>) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        if names.contains(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes files named by their paths below `folder`, each with its text.
    fn write(folder: &Path, files: &[(&str, &str)]) -> io::Result<()> {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, text)?;
        }
        Ok(())
    }

    #[test]
    fn a_mirror_follows_and_leaves_alone_what_is_the_same() -> io::Result<()> {
        let folder = std::env::temp_dir().join(format!("mirror-{}", std::process::id()));
        let (original, copy) = (folder.join("original"), folder.join("copy"));
        write(&original, &[("a", "1"), ("b/c", "2"), ("target/d", "3")])?;
        write(&copy, &[("a", "1"), ("b/c", "a mutant"), ("e/f", "gone")])?;
        let written = fs::metadata(copy.join("a"))?.modified()?;
        mirror(&original, &copy)?;
        assert_eq!(fs::read_to_string(copy.join("b/c"))?, "2");
        assert!(!copy.join("target").exists() && !copy.join("e").exists());
        assert_eq!(fs::metadata(copy.join("a"))?.modified()?, written);
        fs::remove_dir_all(folder)
    }
}
