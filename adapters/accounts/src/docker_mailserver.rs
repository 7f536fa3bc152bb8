//! The files from which docker-mailserver knows its accounts, where it is not to ask Gatepost itself:
//! `postfix-accounts.cf`, `postfix-virtual.cf` and `dovecot-quotas.cf`.
//!
//! What Gatepost writes stands between two comments; what an administrator has written around them stays as it is, and
//! an account of his is his. The files are read by scripts that run as root (docker-mailserver's
//! `target/scripts/helpers/accounts.sh`), so that only addresses of letters, digits and `.` `_` `-` `+` `=` are written:
//! the others are counted, and left out. The scripts take the first line that an address, as a pattern of `grep`, is
//! found in, which is also the end of a longer one: shorter ones come first, and of one length a dot before all else.

use std::collections::{BTreeMap, HashSet};

use crate::index::{Cursor, Entry, Index};
use crate::name::domain;
use crate::routes::Routes;

/// What our lines follow.
const BEGIN: &str = "# BEGIN of what gatepost writes: changes here are lost";

/// What follows our lines.
const END: &str = "# END of what gatepost writes";

/// One of the files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum File {
    /// Who has a mailbox: `alice@example.org|HASH`.
    Accounts,
    /// Where mail for other addresses goes: `sales@example.org alice@example.org,bob@example.org`.
    Aliases,
    /// How many bytes a mailbox may hold: `alice@example.org:1073741824B`.
    Quotas,
}

/// A file as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    /// The whole text.
    pub text: String,
    /// How many addresses could not be written.
    pub left_out: usize,
}

impl File {
    /// All of them, in the order in which they are written: an alias without its account stops docker-mailserver.
    pub const ALL: [Self; 3] = [Self::Accounts, Self::Aliases, Self::Quotas];

    /// Its name in the directory of docker-mailserver's configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accounts => "postfix-accounts.cf",
            Self::Aliases => "postfix-virtual.cf",
            Self::Quotas => "dovecot-quotas.cf",
        }
    }

    /// What the file should be, where it is `old` now. `draw` gives a hash whose password nobody knows, for an account
    /// that is new there: docker-mailserver wants one. The hash of one that is known stays, whoever has set it.
    pub fn rewritten(
        self,
        old: &str,
        index: &Index,
        routes: &Routes,
        mut draw: impl FnMut() -> String,
    ) -> Written {
        let Parts {
            before,
            ours,
            behind,
        } = split(old);
        let theirs: HashSet<String> = [before, behind]
            .into_iter()
            .flat_map(str::lines)
            .filter_map(|line| self.key(line))
            .map(str::to_ascii_lowercase)
            .collect();
        let mut lines = Ours {
            lines: Vec::new(),
            theirs,
            left_out: 0,
        };
        match self {
            Self::Accounts => {
                let known = ours.lines().filter_map(|line| line.split_once('|'));
                let known: BTreeMap<&str, &str> = known.collect();
                for entry in receiving(index, routes) {
                    lines.add(entry.mailbox().unwrap_or_default(), |mailbox| {
                        let kept = known.get(mailbox).filter(|hash| !hash.is_empty());
                        let hash = kept.map_or_else(&mut draw, |hash| (*hash).to_owned());
                        format!("{mailbox}|{hash}")
                    });
                }
            }
            Self::Aliases => add_aliases(&mut lines, index, routes),
            Self::Quotas => {
                let is_any = receiving(index, routes).any(|entry| entry.quota().is_some());
                for entry in receiving(index, routes).filter(|_| is_any) {
                    // Whoever has none is given none here, and not another's.
                    let quota = entry.quota().map(|bytes| format!("{bytes}B"));
                    let quota = quota.unwrap_or_default();
                    let mailbox = entry.mailbox().unwrap_or_default();
                    lines.add(mailbox, |mailbox| format!("{mailbox}:{quota}"));
                }
            }
        }
        let left_out = lines.left_out;
        Written {
            text: lines.between(before, behind),
            left_out,
        }
    }

    /// What a line of an administrator's is about.
    fn key(self, line: &str) -> Option<&str> {
        let line = line.trim_start();
        if line.starts_with('#') {
            return None;
        }
        let end = match self {
            Self::Accounts => line.find('|'),
            Self::Aliases => line.find(char::is_whitespace),
            Self::Quotas => line.rfind(':'),
        };
        line.get(..end?)
    }
}

/// A file around our lines.
struct Parts<'t> {
    before: &'t str,
    ours: &'t str,
    behind: &'t str,
}

/// Takes a file apart. Where our lines do not end, all that follows is taken for the administrator's, so that nothing
/// of his is lost.
fn split(old: &str) -> Parts<'_> {
    let whole = Parts {
        before: old,
        ours: "",
        behind: "",
    };
    let Some((before, rest)) = old.split_once(BEGIN) else {
        return whole;
    };
    match rest.split_once(END) {
        Some((ours, behind)) => Parts {
            before,
            ours: ours.strip_prefix('\n').unwrap_or(ours),
            behind: behind.strip_prefix('\n').unwrap_or(behind),
        },
        None => Parts {
            before,
            ours: "",
            behind: rest.strip_prefix('\n').unwrap_or(rest),
        },
    }
}

/// Our lines, each behind what it is about.
struct Ours {
    lines: Vec<(String, String)>,
    theirs: HashSet<String>,
    left_out: usize,
}

impl Ours {
    /// Adds a line about an address, unless the administrator has one or it cannot be written.
    fn add(&mut self, about: &str, line: impl FnOnce(&str) -> String) {
        if self.theirs.contains(about) {
            return;
        }
        if !is_writable(about) {
            self.left_out += 1;
            return;
        }
        self.lines.push((about.to_owned(), line(about)));
    }

    /// Where mail for an address goes.
    fn add_alias(&mut self, address: &str, targets: &[&str]) {
        let all = targets.len();
        let targets: Vec<&str> = targets.iter().copied().filter(|a| is_writable(a)).collect();
        self.left_out += all - targets.len();
        if !targets.is_empty() {
            self.add(address, |address| {
                format!("{address} {}", targets.join(","))
            });
        }
    }

    fn between(mut self, before: &str, behind: &str) -> String {
        self.lines
            .sort_by_cached_key(|(about, _)| (about.len(), about.replace('.', "\0")));
        let mut text = before.to_owned();
        if self.lines.is_empty() {
            text += behind;
            return text;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let lines = self.lines.iter().map(|(_, line)| &**line);
        for line in std::iter::once(BEGIN).chain(lines).chain([END]) {
            text += line;
            text.push('\n');
        }
        text + behind
    }
}

/// The accounts that get mail.
fn receiving<'i>(index: &'i Index, routes: &Routes) -> impl Iterator<Item = &'i Entry> {
    let refuses_inactive = routes.refuses_inactive;
    let all = index.matching("*", Cursor::default());
    all.map(|(_, entry)| entry)
        .filter(move |entry| entry.is_active() || !refuses_inactive)
}

fn add_aliases(lines: &mut Ours, index: &Index, routes: &Routes) {
    for entry in receiving(index, routes) {
        for address in entry.addresses() {
            let targets = index.aliases(address);
            // What is for nobody would else be sent there with what is for this mailbox.
            let is_caught = targets.is_empty() && routes.catch_all(domain(address)).is_some();
            let itself = [address];
            lines.add_alias(address, if is_caught { &itself } else { &targets });
        }
    }
    for list in routes.lists() {
        lines.add_alias(list.address.as_str(), &index.aliases(list.address.as_str()));
    }
    for (domain, target) in routes.catch_alls() {
        let target = target.as_str();
        lines.add_alias(&format!("@{domain}"), &[target]);
    }
}

/// Whether an address, or `@` and a domain, means nothing else to a shell, to a command, or to the format of a file.
fn is_writable(address: &str) -> bool {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b".@_-+=".contains(&c);
    address.bytes().all(is_plain) && !address.starts_with('-')
}

#[cfg(test)]
mod tests;
