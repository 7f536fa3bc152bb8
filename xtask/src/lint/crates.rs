//! The arrows between crates: examples, tests -> adapters -> core.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use serde_json::Value;

use super::Complaints;

/// The adapters that an adapter may use.
const AMONG_ADAPTERS: [(&str, &[&str]); 3] = [
    ("daemon", &["tokio", "mail", "aws-lc", "accounts", "store"]),
    ("accounts", &["mail"]),
    ("store", &["accounts"]),
];

/// Where a crate stands in the house.
#[derive(Clone, Copy)]
enum Place<'a> {
    Core,
    Adapter(&'a str),
    Example,
    Tests,
    /// A package of the tests: what they put into a device, or judge core with.
    Equipment,
    Xtask,
}

impl<'a> Place<'a> {
    fn of(folder: &'a str) -> Option<Self> {
        Some(match folder.split_once('/') {
            None if folder == "core" => Self::Core,
            None if folder == "tests" => Self::Tests,
            None if folder == "xtask" => Self::Xtask,
            Some(("adapters", name)) => Self::Adapter(name),
            Some(("examples", _)) => Self::Example,
            Some(("tests", _)) => Self::Equipment,
            _ => return None,
        })
    }

    /// An adapter's own tests are tests: they may use the harness and other adapters.
    fn may_test_with(self, other: Self) -> bool {
        let tests_an_adapter = matches!(self, Self::Adapter(_));
        tests_an_adapter && matches!(other, Self::Tests | Self::Adapter(_)) || self.may_use(other)
    }

    fn may_use(self, other: Self) -> bool {
        match (self, other) {
            (Self::Adapter(from), Self::Adapter(to)) => AMONG_ADAPTERS
                .iter()
                .any(|(name, allowed)| *name == from && allowed.contains(&to)),
            (Self::Adapter(_) | Self::Equipment, Self::Core)
            // What a board and a host verify with.
            | (Self::Equipment, Self::Adapter("cortex-m" | "aws-lc"))
            | (Self::Tests, Self::Equipment)
            | (Self::Example | Self::Tests, Self::Core | Self::Adapter(_)) => true,
            _ => false,
        }
    }
}

/// Judges the dependencies of every kind that `metadata`, from `cargo metadata --no-deps`, lists for
/// the workspace at `root`.
///
/// # Errors
/// When `metadata` is not what cargo prints.
pub(super) fn complaints(metadata: &Value, root: &Path) -> Result<Complaints, Box<dyn Error>> {
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata lists no packages")?;
    let mut folders = BTreeMap::new();
    for package in packages {
        folders.insert(
            text(package, "name")?,
            folder(text(package, "manifest_path")?, root)?,
        );
    }
    let mut complaints = Complaints::new();
    for package in packages {
        let from = folders[text(package, "name")?];
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let Some(to) = folders.get(text(dependency, "name")?) else {
                continue;
            };
            let is_for_tests = dependency["kind"] == "dev";
            complaints.extend(arrow(from, to, is_for_tests));
        }
    }
    Ok(complaints)
}

fn arrow(from: &str, to: &str, is_for_tests: bool) -> Option<String> {
    let (Some(user), Some(target)) = (Place::of(from), Place::of(to)) else {
        return Some(format!(
            "{from} -> {to}: a crate stands outside core, adapters, examples, tests, xtask; \
             place it in xtask/src/lint/crates.rs"
        ));
    };
    let is_allowed = if is_for_tests {
        user.may_test_with(target)
    } else {
        user.may_use(target)
    };
    (!is_allowed).then(|| {
        format!("{from}/Cargo.toml: {from} -> {to}: arrows run examples, tests -> adapters -> core")
    })
}

fn text<'v>(value: &'v Value, key: &str) -> Result<&'v str, String> {
    value[key]
        .as_str()
        .ok_or_else(|| format!("cargo metadata: a package without {key}"))
}

fn folder<'m>(manifest: &'m str, root: &Path) -> Result<&'m str, Box<dyn Error>> {
    let folder = Path::new(manifest)
        .parent()
        .ok_or("a manifest without a folder")?;
    Ok(folder
        .strip_prefix(root)?
        .to_str()
        .ok_or("a folder's name is not UTF-8")?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(from: &str, to: &str, allowed: bool) {
        check_kind(from, to, &Value::Null, allowed);
    }

    #[track_caller]
    fn check_kind(from: &str, to: &str, kind: &Value, allowed: bool) {
        let package = |folder: &str, dependencies: Value| {
            json!({
                "name": folder.replace('/', "-"),
                "manifest_path": format!("/w/{folder}/Cargo.toml"),
                "dependencies": dependencies,
            })
        };
        let dependencies = json!([
            {"name": to.replace('/', "-"), "kind": kind},
            {"name": "serde", "kind": null},
        ]);
        let metadata = json!({"packages": [package(from, dependencies), package(to, json!([]))]});
        let complaints = complaints(&metadata, Path::new("/w")).unwrap();
        assert_eq!(complaints.is_empty(), allowed, "{complaints:?}");
    }

    #[test]
    fn core_uses_no_crate_of_the_workspace() {
        check("core", "adapters/tokio", false);
        check("core", "tests", false);
    }

    #[test]
    fn adapters_use_core() {
        check("adapters/tokio", "core", true);
        check("adapters/tokio", "tests", false);
        check("adapters/tokio", "examples/verify_token", false);
    }

    #[test]
    fn an_adapters_tests_use_the_harness_and_the_core_s_do_not() {
        let dev = json!("dev");
        check_kind("adapters/tokio", "tests", &dev, true);
        check_kind("adapters/tokio", "adapters/aws-lc", &dev, true);
        check_kind("adapters/tokio", "xtask", &dev, false);
        check_kind("core", "tests", &dev, false);
        check_kind("core", "adapters/aws-lc", &dev, false);
        check_kind("adapters/tokio", "tests", &json!("build"), false);
    }

    #[test]
    fn among_adapters_the_daemon_uses_others_and_the_store_accounts() {
        check("adapters/daemon", "adapters/aws-lc", true);
        check("adapters/daemon", "adapters/embassy", false);
        check("adapters/tokio", "adapters/mail", false);
        check("adapters/store", "adapters/accounts", true);
        check("adapters/store", "adapters/tokio", false);
        check("adapters/accounts", "adapters/store", false);
    }

    #[test]
    fn examples_and_tests_use_adapters_and_core() {
        check("examples/verify_token", "core", true);
        check("examples/verify_token", "tests", false);
        check("tests", "adapters/daemon", true);
        check("tests", "xtask", false);
    }

    #[test]
    fn tests_use_their_equipment_which_uses_core_and_what_verifies() {
        check("tests", "tests/device", true);
        check("tests/device", "core", true);
        check("tests/core", "adapters/aws-lc", true);
        check("tests/core", "adapters/tokio", false);
        check("tests/device", "adapters/embassy", false);
        check("tests/device", "tests", false);
        check("examples/appliance", "tests/device", false);
    }

    #[test]
    fn xtask_uses_no_crate_of_the_workspace() {
        check("xtask", "core", false);
    }

    #[test]
    fn a_crate_elsewhere_needs_a_place() {
        check("util", "core", false);
    }
}
