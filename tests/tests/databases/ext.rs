//! What `gatepost import` reads of a `.conf.ext`, beside what Dovecot 2.3 asks with it.
//!
//! `doveconf` does not know these files. Many databases in a row are each asked about one token, so that a single
//! login has Dovecot show what it has read of them all.

use std::collections::BTreeMap;

use gatepost_tests::databases::Databases;
use gatepost_tests::dovecot::{Dovecot, Setup, Tokens, Version};
use gatepost_tests::login::{Mechanism, USER};
use gatepost_tests::stub::Stub;
use libtest_mimic::Failed;

use crate::doveconf::{Settings, import, place, seed};
use crate::grammar::{self, Random};
use crate::{Case, login};

/// Databases of the one Dovecot.
const DATABASES: usize = 120;

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new(
        "import::Ext::what_is_read_is_what_dovecot_asks_with",
        compare,
    )]
}

fn compare(lab: &Databases) -> Result<(), Failed> {
    let stub = Stub::start()?;
    let root = lab.root(Version::V2_3);
    let directory = root.join("run/import");
    let mut databases = Vec::new();
    for seed in seed() * 1_000_000.. {
        let url = stub.url(&format!("/{}?a=b", databases.len()));
        let text = grammar::ext(&mut Random::new(seed), &url);
        place(&directory, &vec![("main".to_owned(), text.clone())])?;
        // Dovecot would not start with what is refused here; that it starts shows that it takes the others.
        if let Some(ours) = import(&directory.join("main"))? {
            databases.push((text, ours));
        }
        if databases.len() == DATABASES {
            break;
        }
    }
    let texts = databases.iter().map(|(text, _)| text.clone()).collect();
    let setup = Setup {
        version: Version::V2_3,
        name: "x23",
        port: 14700,
        relay: 14310,
        tokens: Tokens::Databases(texts),
        users: &[(USER, "")],
        core: None,
    };
    let dovecot = Dovecot::start(&root, setup).map_err(|error| refused(&error, &databases))?;
    login(&dovecot, Mechanism::Xoauth2, b"t")?;
    for (index, (text, ours)) in databases.iter().enumerate() {
        let ours = |name: &str| {
            let value = ours.get(&(String::new(), name.to_owned()));
            value.cloned().unwrap_or_default()
        };
        let seen = stub.seen(&format!("/{index}"));
        let [seen] = &*seen else {
            let logged = dovecot.logged();
            let logged: Vec<&str> = logged.lines().rev().take(5).collect();
            return Err(format!("{} questions from\n{text}\n{logged:?}", seen.len()).into());
        };
        let form = form(&seen.body);
        let asked = stub.url(&seen.target);
        let theirs = |name: &str| form.get(name).cloned().unwrap_or_default();
        let pairs = [
            (ours("introspection_url"), asked),
            (ours("client_id"), theirs("client_id")),
            (ours("client_secret"), theirs("client_secret")),
        ];
        if let Some((ours, theirs)) = pairs.iter().find(|(ours, theirs)| ours != theirs) {
            return Err(format!("{ours:?} here, {theirs:?} to Dovecot\n{text}").into());
        }
    }
    Ok(())
}

/// Why Dovecot does not start, with the file that it names.
fn refused(error: &std::io::Error, databases: &[(String, Settings)]) -> String {
    let error = error.to_string();
    let fatal = error.lines().find(|line| line.contains("Fatal"));
    let fatal = fatal.unwrap_or(&error);
    let index = fatal.split("x23.oauth2-").nth(1).and_then(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    let text = index
        .and_then(|index| databases.get(index))
        .map(|(text, _)| text.as_str());
    format!("{fatal}\n{}", text.unwrap_or_default())
}

/// A form's members.
fn form(body: &str) -> BTreeMap<String, String> {
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits: String = match byte {
            b'%' => rest.by_ref().take(2).map(char::from).collect(),
            _ => String::new(),
        };
        bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(byte));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
