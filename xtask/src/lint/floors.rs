//! The arrows between core's modules: each floor uses only those below it.

use std::collections::BTreeSet;

use super::Complaints;
use super::source::{Mention, Sources, What};

/// The floors of core, the highest first. Modules of one floor do not use each other.
const FLOORS: [&[&str]; 10] = [
    &["lib"],
    &["verified"],
    &["key_set"],
    &["exchange"],
    &["rejection"],
    &["jose", "dovecot", "provider", "policy"],
    &["introspection"],
    &["sasl", "claims"],
    &["app_password"],
    &["crypto", "wire", "time"],
];

/// Judges every path that one module of core names in another.
pub(super) fn complaints(sources: &Sources) -> Complaints {
    let modules: BTreeSet<&str> = sources
        .modules
        .iter()
        .filter_map(|module| module.first())
        .map(String::as_str)
        .collect();
    let unplaced = modules.iter().filter(|module| floor(module).is_none()).map(|module| {
        format!("core's module `{module}` has no floor; add it to FLOORS in xtask/src/lint/floors.rs")
    });
    unplaced
        .chain(
            sources
                .mentions
                .iter()
                .filter_map(|mention| arrow(mention, &modules)),
        )
        .collect()
}

fn arrow(mention: &Mention, modules: &BTreeSet<&str>) -> Option<String> {
    let What::Path(path) = &mention.what else {
        return None;
    };
    let from = mention.module.first()?;
    let target = resolve(&mention.module, path)?;
    // What is no module is an item of lib.rs, or re-exported there: an arrow to the top.
    let to = target
        .first()
        .map(String::as_str)
        .filter(|first| modules.contains(first));
    let to = to.unwrap_or("lib");
    if from == to || floor(from)? < floor(to)? {
        return None;
    }
    let place = &mention.place;
    let path = path.join("::");
    Some(format!(
        "{place}: {from} -> {to} (`{path}`): a module uses only floors below its own"
    ))
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// `path`, written in `module`, from the crate's root; nothing for names from elsewhere.
fn resolve(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let (mut absolute, mut rest) = match path.split_first()? {
        (first, rest) if first == "crate" => (Vec::new(), rest),
        (first, rest) if first == "self" => (module.to_vec(), rest),
        (first, _) if first == "super" => (module.to_vec(), path),
        _ => return None,
    };
    while let Some((first, others)) = rest.split_first() {
        if first != "super" {
            break;
        }
        absolute.pop();
        rest = others;
    }
    absolute.extend_from_slice(rest);
    Some(absolute)
}

#[cfg(test)]
mod tests {
    use super::super::source::crate_of;
    use super::*;

    const LIB: &str = "mod exchange {} mod rejection {} mod policy {} mod claims {} \
        mod sasl {} mod wire {} mod time {} pub mod jose; pub use time::UnixTime;";

    /// `expected` is the arrow that is refused.
    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let complaints = complaints(&crate_of(LIB, "jose.rs", text));
        match expected {
            Some(arrow) => assert!(
                matches!(complaints.as_slice(), [one] if one.contains(&format!(": {arrow} ("))),
                "{complaints:?}"
            ),
            None => assert_eq!(complaints, Complaints::new()),
        }
    }

    #[test]
    fn lower_floors_may_be_used() {
        check(
            "use crate::{sasl, claims::Claims, wire::json, time::UnixTime};",
            None,
        );
        check("mod jwk { use super::A; use super::super::wire; }", None);
        check("use self::jwk::Jwk; mod jwk { pub struct Jwk; }", None);
        check("pub(crate) fn f() { core::mem::swap(a, b) }", None);
    }

    #[test]
    fn higher_floors_may_not() {
        check("use crate::exchange::Exchange;", Some("jose -> exchange"));
        check(
            "fn f() { crate::rejection::f() }",
            Some("jose -> rejection"),
        );
        check(
            "mod jwk { use super::super::rejection; }",
            Some("jose -> rejection"),
        );
        check(
            "fn f() { matches!(a, crate::rejection::A) }",
            Some("jose -> rejection"),
        );
    }

    #[test]
    fn modules_of_one_floor_may_not_use_each_other() {
        check("use super::policy::Policy;", Some("jose -> policy"));
    }

    #[test]
    fn the_root_is_the_top() {
        check("use crate::UnixTime;", Some("jose -> lib"));
        check("use super::*;", Some("jose -> lib"));
        check("use crate as gatepost;", Some("jose -> lib"));
    }

    #[test]
    fn tests_may_use_anything() {
        check(
            "#[cfg(test)] mod tests { use crate::exchange::Exchange; }",
            None,
        );
    }

    #[test]
    fn a_module_without_a_floor_is_named() {
        let complaints = complaints(&crate_of("mod util;", "util.rs", ""));
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains("`util` has no floor; add it to FLOORS"));
    }
}
