//! Accounts as Dovecot's users: what mail processes ask over the master protocol.

use std::mem;
use std::sync::Arc;

use gatepost_accounts::index::{Cursor, Entry, Index};
use gatepost_accounts::name::domain;
use gatepost_mail::users::{Directory, Names, Unavailable, User};

use super::Held;

/// Names that are told at once: few enough that nobody who changes an account waits for them.
const NAMES: usize = 1_000;

/// Most bytes of `acl_groups`: a line of Dovecot's has 16,384 at most.
const MAX_GROUPS: usize = 8_192;

/// Everybody who is held, as users.
pub(crate) struct Everybody(Arc<Held>);

impl Everybody {
    /// Those of `held`.
    pub(crate) fn of(held: &Arc<Held>) -> Self {
        Self(Arc::clone(held))
    }
}

impl Directory for Everybody {
    fn find(&self, name: &str) -> Result<Option<User>, Unavailable> {
        let common = self.0.common();
        let may_come = self
            .0
            .awaits(|source| source.domains.contains(domain(name)));
        let found = self.0.read(|index, _| {
            let entry = index.by_address(name)?;
            let mailbox = entry.mailbox()?;
            if !mailbox.eq_ignore_ascii_case(name) {
                return None;
            }
            let mut fields = common.of(mailbox, &entry.id().to_string());
            fields.extend(quota(entry));
            fields.extend(groups(index, entry));
            Some(User {
                name: mailbox.to_owned(),
                fields,
            })
        });
        match found {
            None => Err(Unavailable),
            Some(None) if may_come => Err(Unavailable),
            Some(found) => Ok(found),
        }
    }

    fn matching(&self, mask: &str) -> Box<dyn Names> {
        Box::new(Matching {
            held: Arc::clone(&self.0),
            mask: mask.to_owned(),
            next: Cursor::default(),
        })
    }
}

/// The quota of a mailbox, under the names of Dovecot 2.3 and of 2.4.
fn quota(entry: &Entry) -> impl Iterator<Item = (String, String)> {
    let both = entry.quota().map(|bytes| {
        [
            ("quota_rule", format!("*:bytes={bytes}")),
            ("quota_storage_size", format!("{bytes}B")),
        ]
    });
    let both = both.into_iter().flatten();
    both.map(|(name, value)| (name.to_owned(), value))
}

/// The groups of an account, for Dovecot's ACL plugin. A name with a comma would be two groups, of which the account
/// need not be in either.
fn groups(index: &Index, entry: &Entry) -> Option<(String, String)> {
    let names = index.groups_of(entry.id());
    let (mut value, mut left_out) = (String::new(), 0_usize);
    for name in names {
        if name.contains(',') || value.len() + name.len() >= MAX_GROUPS {
            left_out += 1;
            continue;
        }
        if !value.is_empty() {
            value.push(',');
        }
        value += name;
    }
    if left_out > 0 {
        let id = entry.id().to_string();
        tracing::warn!(id, left_out, "acl_groups: groups of the account left out");
    }
    (!value.is_empty()).then(|| ("acl_groups".to_owned(), value))
}

/// The names that match a mask, from one on.
struct Matching {
    held: Arc<Held>,
    mask: String,
    next: Cursor,
}

impl Names for Matching {
    fn next(&mut self) -> Result<Vec<String>, Unavailable> {
        let from = mem::take(&mut self.next);
        let mut next = from;
        let names = self.held.read(|index, _| {
            let found = index.matching(&self.mask, from).take(NAMES);
            let found = found.filter_map(|(behind, entry)| {
                next = behind;
                entry.mailbox().map(str::to_owned)
            });
            found.collect()
        });
        self.next = next;
        names.ok_or(Unavailable)
    }
}
