//! Test vectors that stay outside the repository: where they are, and what runs when they are not there.

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// Names the folder of the corpora; by default `../shared/corpora` beside the checkout.
pub const VARIABLE: &str = "GATEPOST_CORPORA";

/// The folder of the corpus `name`, where it is there.
#[must_use]
pub fn folder(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let root = std::env::var_os(VARIABLE).map_or_else(beside, PathBuf::from);
    Some(root.join(name)).filter(|folder| folder.is_dir())
}

/// Reads a file of JSON.
///
/// # Panics
/// Where it cannot be read, or is no JSON.
#[must_use]
pub fn read_json(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The `.json` files of the corpus `name`, by name; none where the corpus is not there.
///
/// # Panics
/// Where its folder cannot be read.
#[must_use]
pub fn json_files(name: &str) -> Vec<PathBuf> {
    let Some(folder) = folder(name) else {
        return vec![];
    };
    let entries = folder.read_dir().expect("a corpus is a folder");
    let paths = entries.map(|entry| entry.expect("an entry of a corpus").path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

/// A trial that passes where `run` returns.
pub fn trial(name: impl Into<String>, run: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        run();
        Ok::<(), Failed>(())
    })
}

/// Runs `trials`, of which those of an absent corpus (`left_out`) are ignored and told by name.
pub fn run(trials: Vec<Trial>, left_out: &[String]) -> ! {
    let arguments = Arguments::from_args();
    if !arguments.list {
        for name in left_out {
            eprintln!("left out: {name}; {VARIABLE} may say where the corpora are");
        }
    }
    let absent = |name: &String| {
        Trial::test(name, || Err("the corpus is not there".into())).with_ignored_flag(true)
    };
    let all = trials
        .into_iter()
        .chain(left_out.iter().map(absent))
        .collect();
    libtest_mimic::run(&arguments, all).exit()
}
