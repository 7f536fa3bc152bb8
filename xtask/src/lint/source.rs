//! Core's sources as a list of mentions: every path, foreign crate and lint waiver that is compiled
//! outside of tests, with the place where it stands.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, ItemUse, Meta, Stmt, Token, TraitItem, UseTree};

/// Text by path below the source folder, such as `jose/jwk.rs`.
pub(super) type Files = BTreeMap<String, String>;

/// What the crate is made of.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// Every module, as its path from the root; the root itself is empty.
    pub(super) modules: Vec<Vec<String>>,
    /// What they mention, in the order of reading.
    pub(super) mentions: Vec<Mention>,
    /// The attributes of the root, such as `no_std` or `forbid(unsafe_code)`.
    pub(super) root_attributes: Vec<String>,
}

/// Something the code outside of tests names.
#[derive(Debug)]
pub(super) struct Mention {
    /// Path below the source folder, and line.
    pub(super) place: String,
    /// The module that mentions it.
    pub(super) module: Vec<String>,
    /// What it is.
    pub(super) what: What,
}

/// A kind of mention.
#[derive(Debug)]
pub(super) enum What {
    /// A path as written, such as `crate::jose::Jwk` or `super::Error`.
    Path(Vec<String>),
    /// `extern crate NAME`.
    ExternCrate(String),
    /// A lint that `allow` or `expect` turns off.
    Waiver(String),
}

/// Reads the crate whose `lib.rs` is in `folder`.
///
/// # Errors
/// When a file cannot be read or parsed.
pub(super) fn read(folder: &Path) -> Result<Sources, Box<dyn Error>> {
    let mut files = Files::new();
    collect(folder, "", &mut files)?;
    parse(&files)
}

fn collect(folder: &Path, prefix: &str, files: &mut Files) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .ok_or("a file's name is not UTF-8")?;
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(name, fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// Follows the `mod` declarations from `lib.rs`, as the compiler does.
///
/// # Errors
/// When a file is missing or does not parse.
pub(super) fn parse(files: &Files) -> Result<Sources, Box<dyn Error>> {
    let mut sources = Sources::default();
    let mut waiting = vec![Vec::new()];
    while let Some(module) = waiting.pop() {
        let (file, text) = find(files, &module)?;
        let syntax = syn::parse_file(text).map_err(|e| format!("{file}: {e}"))?;
        if module.is_empty() {
            sources.root_attributes = syntax.attrs.iter().map(shown).collect();
        }
        let mut reader = Reader {
            file,
            module: module.clone(),
            sources: &mut sources,
            declared: Vec::new(),
        };
        reader.visit_file(&syntax);
        waiting.extend(reader.declared);
        sources.modules.push(module);
    }
    Ok(sources)
}

fn find<'f>(files: &'f Files, module: &[String]) -> Result<(&'f str, &'f str), String> {
    let path = module.join("/");
    let candidates = match module {
        [] => vec!["lib.rs".to_owned()],
        _ => vec![format!("{path}.rs"), format!("{path}/mod.rs")],
    };
    candidates
        .iter()
        .find_map(|name| files.get_key_value(name))
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .ok_or_else(|| format!("core/src has none of: {}", candidates.join(", ")))
}

struct Reader<'a> {
    file: &'a str,
    module: Vec<String>,
    sources: &'a mut Sources,
    declared: Vec<Vec<String>>,
}

impl Reader<'_> {
    fn mention(&mut self, at: Span, what: What) {
        let line = at.start().line;
        self.sources.mentions.push(Mention {
            place: format!("core/src/{}:{line}", self.file),
            module: self.module.clone(),
            what,
        });
    }

    fn use_tree(&mut self, tree: &UseTree, mut path: Vec<String>) {
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.use_tree(&step.tree, path);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, path.clone());
                }
            }
            UseTree::Name(name) => {
                path.push(name.ident.to_string());
                self.mention(name.ident.span(), What::Path(path));
            }
            UseTree::Rename(rename) => {
                path.push(rename.ident.to_string());
                self.mention(rename.ident.span(), What::Path(path));
            }
            UseTree::Glob(glob) => {
                path.push("*".to_owned());
                self.mention(glob.star_token.span, What::Path(path));
            }
        }
    }

    /// A macro's tokens have no grammar: whatever looks like a path is taken for one.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<Ident> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end_of_path(&mut path);
                    }
                    path.push(ident);
                    colons = 0;
                }
                other => {
                    self.end_of_path(&mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.end_of_path(&mut path);
    }

    fn end_of_path(&mut self, path: &mut Vec<Ident>) {
        if let [first, _, ..] = path.as_slice() {
            let segments = path.iter().map(Ident::to_string).collect();
            self.mention(first.span(), What::Path(segments));
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attributes: &[Attribute] = match item {
            TraitItem::Const(item) => &item.attrs,
            TraitItem::Fn(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes: &[Attribute] = match statement {
            Stmt::Local(local) => &local.attrs,
            Stmt::Macro(call) => &call.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        if item.content.is_some() {
            self.sources.modules.push(self.module.clone());
            visit::visit_item_mod(self, item);
        } else {
            item.attrs.iter().for_each(|a| self.visit_attribute(a));
            self.declared.push(self.module.clone());
        }
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        item.attrs.iter().for_each(|a| self.visit_attribute(a));
        self.use_tree(&item.tree, Vec::new());
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.mention(item.ident.span(), What::ExternCrate(item.ident.to_string()));
    }

    /// `pub(crate)` and `pub(super)` use nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if let Some(first) = path.segments.first() {
            self.mention(first.ident.span(), What::Path(segments));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let mut lints = Vec::new();
        waived(&attribute.meta, &mut lints);
        for lint in lints {
            self.mention(attribute.pound_token.span, What::Waiver(lint));
        }
    }
}

/// Collects the lints that `allow`, `expect`, or a `cfg_attr` with one of them turns off.
fn waived(meta: &Meta, lints: &mut Vec<String>) {
    let Meta::List(list) = meta else { return };
    let Ok(entries) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
        return;
    };
    if list.path.is_ident("allow") || list.path.is_ident("expect") {
        lints.extend(entries.iter().map(|entry| joined(entry.path())));
    } else if list.path.is_ident("cfg_attr") && !entries.first().is_some_and(needs_test) {
        entries
            .iter()
            .skip(1)
            .for_each(|entry| waived(entry, lints));
    }
}

/// Whether these attributes keep what they stand on out of everything but tests.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<Meta>()
                .is_ok_and(|predicate| needs_test(&predicate))
    })
}

/// Whether a `cfg` predicate holds in tests only.
fn needs_test(predicate: &Meta) -> bool {
    let Meta::List(list) = predicate else {
        return predicate.path().is_ident("test");
    };
    let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    list.path.is_ident("all") && inner.is_ok_and(|inner| inner.iter().any(needs_test))
}

/// `no_std`, or `forbid(unsafe_code)`.
fn shown(attribute: &Attribute) -> String {
    match &attribute.meta {
        Meta::List(list) => format!("{}({})", joined(&list.path), list.tokens),
        meta => joined(meta.path()),
    }
}

fn joined(path: &syn::Path) -> String {
    let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
    segments.join("::")
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// A crate of a `lib.rs` and one other file, for the tests of the checks.
#[cfg(test)]
pub(super) fn crate_of(lib: &str, file: &str, text: &str) -> Sources {
    let files = [("lib.rs", lib), (file, text)];
    parse(
        &files
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
    )
    .unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_paths(text: &str, expected: &[&str]) {
        let sources = crate_of("mod jose;", "jose.rs", text);
        let paths: Vec<String> = sources
            .mentions
            .iter()
            .filter_map(|mention| match &mention.what {
                What::Path(path) if path.len() > 1 => Some(path.join("::")),
                _ => None,
            })
            .collect();
        assert_eq!(paths, expected);
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        check_paths(
            "use crate::{wire::json, time::{self, UnixTime as T}};",
            &[
                "crate::wire::json",
                "crate::time::self",
                "crate::time::UnixTime",
            ],
        );
        check_paths("use super::policy::*;", &["super::policy::*"]);
        check_paths(
            "fn f(a: &crate::wire::A<super::B>) {}",
            &["crate::wire::A", "super::B"],
        );
        check_paths("impl crate::sasl::T for A {}", &["crate::sasl::T"]);
        check_paths("fn f() { crate::wire::f(); }", &["crate::wire::f"]);
    }

    #[test]
    fn macros_hide_nothing() {
        check_paths(
            "fn f() { assert!(x, a(crate::wire::X)); }",
            &["crate::wire::X"],
        );
        check_paths(
            "macro_rules! m { ($a:ty) => { $crate::wire::X::<$a> } }",
            &["crate::wire::X"],
        );
    }

    #[test]
    fn tests_are_left_out() {
        check_paths("#[cfg(test)] mod tests { use crate::policy::A; }", &[]);
        check_paths("#[cfg(test)] mod tests;", &[]);
        check_paths("#[cfg(all(test, unix))] use crate::policy::A;", &[]);
        check_paths("impl A { #[cfg(test)] fn f() { crate::policy::f() } }", &[]);
        check_paths("#[cfg(not(test))] use crate::wire::A;", &["crate::wire::A"]);
        check_paths(
            "#[cfg(any(test, unix))] use crate::wire::A;",
            &["crate::wire::A"],
        );
    }

    #[test]
    fn a_place_is_a_file_and_a_line() {
        let sources = crate_of("pub mod jose;", "jose/mod.rs", "\n\nuse crate::wire::A;");
        let places: Vec<_> = sources.mentions.iter().map(|m| m.place.as_str()).collect();
        assert_eq!(places, ["core/src/jose/mod.rs:3"]);
    }

    #[test]
    fn a_declared_module_must_have_its_file() {
        let files = Files::from([("lib.rs".to_owned(), "mod jose;".to_owned())]);
        let error = parse(&files).unwrap_err().to_string();
        assert_eq!(error, "core/src has none of: jose.rs, jose/mod.rs");
    }
}
