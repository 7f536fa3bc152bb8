//! Core's manifest: no features, and every lint on that finds a panic.

use super::Complaints;
use super::purity::PANIC_LINTS;

/// Judges the text of `core/Cargo.toml`.
pub(super) fn complaints(manifest: &str) -> Complaints {
    let mut complaints = Complaints::new();
    if manifest
        .lines()
        .any(|line| line.trim_start().starts_with("[features"))
    {
        complaints.push("core/Cargo.toml: core has no features".to_owned());
    }
    if manifest
        .lines()
        .any(|line| line.contains("optional = true"))
    {
        complaints.push("core/Cargo.toml: an optional dependency is a feature".to_owned());
    }
    for lint in PANIC_LINTS {
        if !is_on(manifest, lint) {
            complaints.push(format!(
                "core/Cargo.toml: [lints.clippy] lacks {lint} = \"warn\""
            ));
        }
    }
    complaints
}

fn is_on(manifest: &str, lint: &str) -> bool {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints.clippy]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .any(|(name, level)| name.trim() == lint && STRICT.contains(&level.trim()))
}

/// `warn` is as good as the others, because the clippy check denies warnings.
const STRICT: [&str; 3] = ["\"warn\"", "\"deny\"", "\"forbid\""];

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> String {
        let lints = PANIC_LINTS
            .map(|lint| format!("{lint} = \"warn\"\n"))
            .concat();
        format!("[dependencies]\nsha2.workspace = true\n\n[lints.clippy]\n{lints}")
    }

    #[test]
    fn lints_on_and_no_features_pass() {
        assert_eq!(complaints(&good()), Complaints::new());
    }

    #[test]
    fn a_feature_is_found() {
        assert_eq!(complaints(&(good() + "[features]\nstd = []\n")).len(), 1);
        assert_eq!(
            complaints(&(good() + "[dependencies.x]\noptional = true\n")).len(),
            1
        );
    }

    #[test]
    fn a_lint_that_is_missing_or_off_is_found() {
        let off = good().replace("unwrap_used = \"warn\"", "unwrap_used = \"allow\"");
        assert_eq!(complaints(&off).len(), 1);
        assert_eq!(
            complaints(&good().replace("indexing_slicing", "other")).len(),
            1
        );
        assert_eq!(
            complaints(&good().replace("clippy", "rust")).len(),
            PANIC_LINTS.len()
        );
    }
}
