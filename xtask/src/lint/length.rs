//! How long files and functions may be: what is longer is not read at a glance.

use std::error::Error;
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, ItemFn, ItemMod, Signature};

use super::Complaints;

/// Most lines of a file, its tests left aside.
const FILE: usize = 400;

/// Most lines between a function's braces.
const FUNCTION: usize = 60;

/// What is built.
const FOLDERS: [&str; 5] = ["core", "adapters", "examples", "tests", "xtask"];

/// Folders and files of what is all tests.
const TESTS: [&str; 5] = ["tests", "benches", "target", "transcripts", "testing"];

/// Reads every source below `root` that is no test.
///
/// # Errors
/// When a file cannot be read or parsed.
pub(super) fn complaints(root: &Path) -> Result<Complaints, Box<dyn Error>> {
    let mut complaints = Complaints::new();
    for folder in FOLDERS {
        read(&root.join(folder), root, folder == "tests", &mut complaints)?;
    }
    Ok(complaints)
}

fn read(
    folder: &Path,
    root: &Path,
    is_top: bool,
    complaints: &mut Complaints,
) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default();
        let is_tests = TESTS.iter().any(|tests| name == *tests);
        if is_tests && !(is_top && name == "src") {
            continue;
        }
        if path.is_dir() {
            read(&path, root, false, complaints)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let shown = path.strip_prefix(root).unwrap_or(&path).display();
            judge(&shown.to_string(), &fs::read_to_string(&path)?, complaints)?;
        }
    }
    Ok(())
}

fn judge(name: &str, text: &str, complaints: &mut Complaints) -> Result<(), String> {
    let lines = without_tests(text);
    if lines > FILE {
        complaints.push(format!("{name}: {lines} lines without tests; split it"));
    }
    let syntax = syn::parse_file(text).map_err(|error| format!("{name}: {error}"))?;
    Reader { name, complaints }.visit_file(&syntax);
    Ok(())
}

/// How many lines come before the tests, which are at the end.
fn without_tests(text: &str) -> usize {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next();
    code.unwrap_or_default().lines().count()
}

/// Complains about the functions of a file.
struct Reader<'r> {
    name: &'r str,
    complaints: &'r mut Complaints,
}

impl Reader<'_> {
    /// One of instructions alone is not split: what it has in registers would have to go through memory.
    fn function(&mut self, attributes: &[Attribute], signature: &Signature, block: &Block) {
        let is_naked = |list: &syn::MetaList| list.tokens.to_string() == "naked";
        let unsafe_ = attributes
            .iter()
            .filter(|one| one.path().is_ident("unsafe"));
        if unsafe_
            .flat_map(|one| one.meta.require_list())
            .any(is_naked)
        {
            return;
        }
        let braces = block.brace_token.span;
        let (open, close) = (braces.open().start().line, braces.close().start().line);
        let lines = close.saturating_sub(open + 1);
        if lines > FUNCTION {
            let (name, function) = (self.name, &signature.ident);
            let complaint = format!("{name}: `{function}` has {lines} lines; split it");
            self.complaints.push(complaint);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !module.attrs.iter().any(is_for_tests) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.attrs, &function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.attrs, &function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let is_test = |list: &syn::MetaList| list.tokens.to_string() == "test";
    attribute.path().is_ident("cfg") && attribute.meta.require_list().is_ok_and(is_test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, number: usize) {
        let mut complaints = Complaints::new();
        judge("a.rs", text, &mut complaints).expect("it parses");
        assert_eq!(complaints.len(), number, "{complaints:?}");
    }

    #[test]
    fn a_function_has_sixty_lines_at_most_unless_it_is_a_test() {
        let of = |lines: usize| format!("fn f() {{\n{}}}\n", "g();\n".repeat(lines));
        check(&of(60), 0);
        check(&of(61), 1);
        check(&format!("impl A {{ {} }}", of(61)), 1);
        check(&format!("#[cfg(test)]\nmod tests {{\n{}}}", of(61)), 0);
    }

    #[test]
    fn a_file_has_four_hundred_lines_at_most_without_its_tests() {
        let lines = "use a;\n".repeat(400);
        check(&lines, 0);
        check(&format!("{lines}use a;\n"), 1);
        check(
            &format!("{lines}#[cfg(test)]\nmod tests {{\nuse a;\n}}\n"),
            0,
        );
    }
}
