//! Core's sources: no allocator, no standard library, no unsafe code, no waived panic lint.

use super::Complaints;
use super::source::{Sources, What};

/// The clippy lints that find what could panic.
pub(super) const PANIC_LINTS: [&str; 9] = [
    "arithmetic_side_effects",
    "expect_used",
    "indexing_slicing",
    "panic",
    "string_slice",
    "todo",
    "unimplemented",
    "unreachable",
    "unwrap_used",
];

/// What the root must carry.
const ROOT_ATTRIBUTES: [&str; 2] = ["no_std", "forbid(unsafe_code)"];

/// Judges what the code outside of tests mentions.
pub(super) fn complaints(sources: &Sources) -> Complaints {
    let mut complaints: Complaints = ROOT_ATTRIBUTES
        .iter()
        .filter(|attribute| !sources.root_attributes.iter().any(|a| a == *attribute))
        .map(|attribute| format!("core/src/lib.rs: lacks #![{attribute}]"))
        .collect();
    for mention in &sources.mentions {
        let fault = match &mention.what {
            What::Path(path) if is_hosted(path) => format!("`{}`", path.join("::")),
            What::ExternCrate(name) => format!("`extern crate {name}`"),
            What::Waiver(lint) if is_strict(lint) => format!("a waiver of `{lint}`"),
            _ => continue,
        };
        complaints.push(format!("{}: core holds no {fault}", mention.place));
    }
    complaints
}

/// Whether a path starts in a crate that needs an allocator or an operating system.
fn is_hosted(path: &[String]) -> bool {
    matches!(path, [first, _, ..] if first == "std" || first == "alloc")
}

fn is_strict(lint: &str) -> bool {
    let name = lint.strip_prefix("clippy::").unwrap_or(lint);
    PANIC_LINTS.contains(&name) || ["restriction", "unsafe_code"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::super::source::crate_of;
    use super::*;

    const LIB: &str = "#![no_std]\n#![forbid(unsafe_code)]\nmod wire;";

    /// `expected` is what core must not hold.
    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let complaints = complaints(&crate_of(LIB, "wire.rs", text));
        match expected {
            Some(fault) => assert!(
                matches!(complaints.as_slice(), [one] if one.ends_with(fault)),
                "{complaints:?}"
            ),
            None => assert_eq!(complaints, Complaints::new()),
        }
    }

    #[test]
    fn core_alone_passes() {
        check(
            "use core::fmt; #[expect(missing_docs)] pub enum A { B }",
            None,
        );
    }

    #[test]
    fn the_allocator_is_found() {
        check("extern crate alloc;", Some("`extern crate alloc`"));
        check("use alloc::vec::Vec;", Some("`alloc::vec::Vec`"));
        check(
            "fn f() { g!(::alloc::vec::Vec::new()) }",
            Some("`alloc::vec::Vec::new`"),
        );
    }

    #[test]
    fn the_standard_library_is_found() {
        check("extern crate std;", Some("`extern crate std`"));
        check(
            "fn f() -> std::time::Instant { loop {} }",
            Some("`std::time::Instant`"),
        );
        check(
            "fn f() -> ::std::time::Instant { loop {} }",
            Some("`std::time::Instant`"),
        );
    }

    #[test]
    fn a_waived_panic_lint_is_found() {
        check(
            "#[allow(clippy::unwrap_used)] fn f() {}",
            Some("a waiver of `clippy::unwrap_used`"),
        );
        check(
            "fn f() { #[expect(clippy::indexing_slicing, reason = \"short\")] let a = b[0]; }",
            Some("a waiver of `clippy::indexing_slicing`"),
        );
        check(
            "#![allow(clippy::panic)]",
            Some("a waiver of `clippy::panic`"),
        );
        check(
            "#[cfg_attr(unix, allow(clippy::restriction))] fn f() {}",
            Some("a waiver of `clippy::restriction`"),
        );
    }

    #[test]
    fn tests_may_unwrap() {
        check(
            "#[cfg(test)] #[allow(clippy::unwrap_used)] mod tests {}",
            None,
        );
        check("#![cfg_attr(test, allow(clippy::unwrap_used))]", None);
    }

    #[test]
    fn the_root_says_what_it_is() {
        let complaints = complaints(&crate_of("mod wire;", "wire.rs", ""));
        assert_eq!(
            complaints,
            [
                "core/src/lib.rs: lacks #![no_std]",
                "core/src/lib.rs: lacks #![forbid(unsafe_code)]"
            ]
        );
    }
}
