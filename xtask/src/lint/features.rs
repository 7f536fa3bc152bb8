//! No dependency of core is built with an allocator or the standard library.

use super::Complaints;

/// Names under which crates offer `alloc` and `std`.
const FORBIDDEN: [&str; 4] = ["alloc", "std", "use_alloc", "use_std"];

/// Judges `tree`, one `name version|feature,feature` a line.
pub(super) fn complaints(tree: &str) -> Complaints {
    let mut complaints: Complaints = tree.lines().filter_map(complaint).collect();
    complaints.dedup();
    if tree.trim().is_empty() {
        complaints.push("cargo tree shows no dependency of core, not even core".to_owned());
    }
    complaints
}

fn complaint(line: &str) -> Option<String> {
    // A package that was shown before ends in " (*)".
    let (package, features) = line.trim_end_matches(" (*)").split_once('|')?;
    let feature = features
        .split(',')
        .find(|feature| FORBIDDEN.contains(feature))?;
    Some(format!(
        "core's dependency {package} is built with `{feature}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_without_a_heap_pass() {
        let tree = "gatepost-core v0.1.0 (/w/core)|\nsha2 v0.11.1|\nsubtle v2.6.1|const-generics,i128 (*)\n";
        assert_eq!(complaints(tree), Complaints::new());
    }

    #[test]
    fn a_dependency_with_alloc_or_std_is_named() {
        let tree = "der v0.8.3|alloc,oid\nserde v1.0.0|default,std (*)\nhex v0.4.0|use_std\n";
        let complaints = complaints(tree);
        assert_eq!(complaints.len(), 3, "{complaints:?}");
        assert_eq!(
            complaints[0],
            "core's dependency der v0.8.3 is built with `alloc`"
        );
    }

    #[test]
    fn silence_is_not_a_pass() {
        assert_eq!(complaints("").len(), 1);
    }
}
