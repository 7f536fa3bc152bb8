//! What the configuration adds to accounts: which groups are distribution lists, and who gets what is for nobody.

use std::borrow::Cow;
use std::collections::HashMap;

use gatepost_mail::socketmap::Delimiters;

use crate::model::SourceId;
use crate::name::{Address, fold};

/// What stands before the number of a part of a list.
const PART_SIGN: char = '~';

/// A group that is a distribution list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct List {
    /// The source that owns the group.
    pub source: SourceId,
    /// The group's display name, in any case.
    pub group: String,
    /// The address of the list.
    pub address: Address,
    /// Whether its members may send as the list.
    pub may_members_send: bool,
}

/// Addresses that lead to others by the configuration.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Routes {
    lists: HashMap<Address, List>,
    catch_alls: HashMap<String, Address>,
    /// What extensions of addresses begin with: who has an address has all of its extensions.
    pub delimiters: Delimiters,
    /// Whether mail for accounts that are not active is refused; it is accepted by default, and kept.
    pub refuses_inactive: bool,
}

impl Routes {
    /// No lists, no catch-alls.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a list; of two with one address the later counts.
    pub fn add_list(&mut self, mut list: List) {
        list.group.make_ascii_lowercase();
        self.lists.insert(list.address.clone(), list);
    }

    /// Sends what is for nobody in `domain` to `target`.
    pub fn add_catch_all(&mut self, domain: &str, target: Address) {
        self.catch_alls.insert(domain.to_ascii_lowercase(), target);
    }

    /// Whether there are lists.
    #[must_use]
    pub fn has_lists(&self) -> bool {
        !self.lists.is_empty()
    }

    /// All lists.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &List> {
        self.lists.values()
    }

    /// Every domain in which somebody gets what is for nobody, and who.
    pub(crate) fn catch_alls(&self) -> impl Iterator<Item = (&str, &Address)> {
        let all = self.catch_alls.iter();
        all.map(|(domain, target)| (&**domain, target))
    }

    /// The list of that address, which is in lower case.
    #[must_use]
    pub fn list(&self, address: &str) -> Option<&List> {
        self.lists.get(address)
    }

    /// The address of a part of a list: too long a list is told in parts.
    #[must_use]
    pub fn part_of(list: &str, number: usize) -> Option<String> {
        let (local, domain) = list.rsplit_once('@')?;
        Some(format!("{local}{PART_SIGN}{number}@{domain}"))
    }

    /// The list that an address, which is in lower case, is a part of, and the number of the part.
    #[must_use]
    pub fn part(&self, address: &str) -> Option<(&List, usize)> {
        let (local, domain) = address.rsplit_once('@')?;
        let (local, number) = local.rsplit_once(PART_SIGN)?;
        let list = self.list(&format!("{local}@{domain}"))?;
        Some((list, number.parse().ok()?))
    }

    /// The list that has an address, which is in lower case, whole or in part.
    #[must_use]
    pub fn owner(&self, address: &str) -> Option<&List> {
        let part = || self.part(address).map(|(list, _)| list);
        self.list(address).or_else(part)
    }

    /// Whether an address, which is in lower case, is a list's, whole or in part: no account can be given it.
    #[must_use]
    pub fn has(&self, address: &str) -> bool {
        self.owner(address).is_some()
    }

    /// An address, which is in lower case, and what it is an extension of, if it is one.
    pub fn with_base<'a>(&self, address: &'a str) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        let base = self.delimiters.without_extension(address).map(Cow::Owned);
        std::iter::once(Cow::Borrowed(address)).chain(base)
    }

    /// Who gets what is for nobody in that domain.
    #[must_use]
    pub fn catch_all(&self, domain: &str) -> Option<&Address> {
        self.catch_alls.get(&*fold(domain))
    }

    /// Whether an address of this domain is one of these.
    pub(crate) fn has_domain(&self, domain: &str) -> bool {
        self.catch_alls.contains_key(domain)
            || self.lists.keys().any(|address| address.domain() == domain)
    }
}
