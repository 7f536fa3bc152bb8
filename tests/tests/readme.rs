//! The README says what is so.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The reason codes that a file of ours can give: its string literals in lower case without spaces.
fn codes(path: &str) -> BTreeSet<String> {
    let source = read(path);
    let literals = source.split('"').skip(1).step_by(2);
    let is_code = |text: &&str| {
        text.contains(|c: char| c.is_ascii_lowercase())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    literals.filter(is_code).map(str::to_owned).collect()
}

#[test]
fn every_reason_code_has_its_row() {
    let mut given = codes("core/src/rejection.rs");
    let logins = read("core/src/dovecot/login.rs");
    let refusals = logins
        .split_once("const fn code(self)")
        .expect("the codes of refusals")
        .1;
    let refusals = refusals
        .split_once("\n    }\n")
        .expect("the end of the function")
        .0;
    given.extend(refusals.split('"').skip(1).step_by(2).map(str::to_owned));
    given.insert("abandoned".to_owned());
    let readme = read("README.md");
    let table = readme
        .split_once("## Reason codes")
        .expect("the table of codes")
        .1;
    let table = table.split_once("\n## ").expect("another section").0;
    let rows = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let told: BTreeSet<String> = rows.map(|(code, _)| code.to_owned()).collect();
    assert_eq!(told, given);
}

#[test]
fn every_place_on_the_map_exists() {
    let readme = read("README.md");
    let links = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    for (path, _) in links.filter(|(path, _)| !path.starts_with("http")) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let (file, section) = path.split_once('#').unwrap_or((path, ""));
        assert!(root.join(file).exists(), "{path} is on the map only");
        let is_it = |line: &str| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            let anchor: String = heading.chars().filter(kept).collect();
            line.starts_with('#') && anchor.replace(' ', "-") == section
        };
        assert!(
            section.is_empty() || read(file).lines().any(is_it),
            "{path} has no such section"
        );
    }
}
