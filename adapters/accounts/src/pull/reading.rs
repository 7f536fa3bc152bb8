//! All pages of a provider's users, then of its groups, while they come.

use std::collections::{HashMap, HashSet};

use super::page::{self, Page, Remote};
use super::{Answer, Doubt, Fault, Fetch, Identity, limits};
use crate::model::Kind;

/// A page that came with a tag: it need not come again as long as the tag is the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Tagged {
    pub(super) fetch: Fetch,
    pub(super) etag: String,
}

/// Everything that the provider has of one kind.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) resources: Vec<Remote>,
    /// What each is known by; `None` where several claim it, of whom nobody gets it.
    owners: HashMap<Box<str>, Option<usize>>,
    /// The provider's ids.
    ids: HashMap<Box<str>, usize>,
    /// Why somebody who is not here may be there all the same.
    pub(super) doubt: Option<Doubt>,
}

/// Everything that the provider has.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) accounts: Listed,
    /// `None` where the provider has no groups to be asked for, which is not that there are none.
    pub(super) groups: Option<Listed>,
    /// The tags of all pages, if each had one.
    pub(super) tags: Option<Vec<Tagged>>,
}

/// A reading that is under way.
#[derive(Debug)]
pub(super) struct Reading {
    identity: Identity,
    kind: Kind,
    start_index: u64,
    count: usize,
    pages: usize,
    bytes: usize,
    /// Pages in a row that brought nothing new.
    idle: usize,
    /// The ids of the first page of this kind.
    first: Vec<Box<str>>,
    /// What came last, with which the next page has to begin: whatever was behind it is behind it still.
    last: Option<Box<str>>,
    /// A page began with something else.
    has_shifted: bool,
    total: Option<u64>,
    known: Known,
}

impl Listed {
    /// Whether the provider has, or may have, somebody whom we call `external_id`.
    pub(super) fn has(&self, external_id: &str) -> bool {
        self.owners.contains_key(external_id) || self.ids.contains_key(external_id)
    }

    /// Whether the resource at this place alone claims what it is known by.
    pub(super) fn is_sole_owner(&self, place: usize) -> bool {
        let remote = self.resources.get(place);
        let owner = remote.and_then(|remote| self.owners.get(&remote.identity));
        owner == Some(&Some(place))
    }

    /// What the resource at this place was known by if the provider has only lately given it an `externalId`.
    pub(super) fn former_identity(&self, place: usize) -> Option<&str> {
        let remote = self.resources.get(place)?;
        let is_free = !self.owners.contains_key(&remote.id);
        is_free.then_some(&*remote.id)
    }

    fn take(&mut self, remote: Remote) -> (usize, bool) {
        if let Some(place) = self.ids.get(&remote.id) {
            // It moved between pages, or the pages did: what came later is newer.
            let old = self.resources.get_mut(*place);
            let before = old.map_or(0, |old| std::mem::replace(old, remote).len());
            return (before, false);
        }
        self.ids.insert(remote.id.clone(), self.resources.len());
        self.resources.push(remote);
        (0, true)
    }

    fn finish(&mut self, total: Option<u64>, has_shifted: bool) {
        let number = u64::try_from(self.resources.len()).unwrap_or(u64::MAX);
        let is_short = total.is_some_and(|total| number < total);
        let short = is_short.then_some(Doubt::Short);
        self.doubt = has_shifted.then_some(Doubt::Shifted).or(short);
        for (place, remote) in self.resources.iter().enumerate() {
            let owner = self.owners.entry(remote.identity.clone());
            owner
                .and_modify(|owner| *owner = None)
                .or_insert(Some(place));
        }
    }
}

impl Known {
    pub(super) fn of(&self, kind: Kind) -> Option<&Listed> {
        match kind {
            Kind::Account => Some(&self.accounts),
            Kind::Group => self.groups.as_ref(),
        }
    }
}

impl Reading {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            kind: Kind::Account,
            start_index: 1,
            count: limits::PAGE,
            pages: 0,
            bytes: 0,
            idle: 0,
            first: Vec::new(),
            last: None,
            has_shifted: false,
            total: None,
            known: Known {
                tags: Some(Vec::new()),
                ..Known::default()
            },
        }
    }

    /// The page that is to come next.
    pub(super) fn wanted(&self) -> Fetch {
        Fetch {
            kind: self.kind,
            start_index: self.start_index,
            count: self.count,
            if_none_match: None,
        }
    }

    /// Asks for fewer at once, for a page is too long. Whether that can help.
    pub(super) fn shrink(&mut self) -> bool {
        let is_possible = self.count > 1;
        self.count = (self.count / 10).max(1);
        is_possible
    }

    /// Takes the answer to [`wanted`](Self::wanted). Gives everything once it is there.
    pub(super) fn take(&mut self, answer: &Answer<'_>) -> Result<Option<Known>, Fault> {
        let has_none = self.kind == Kind::Group && matches!(answer.status, 404 | 501);
        if has_none && self.start_index == 1 {
            return Ok(Some(std::mem::take(&mut self.known)));
        }
        if answer.status != 200 {
            return Err(Fault::Status(answer.status));
        }
        let page = page::parse(answer.body, self.identity, self.start_index)?;
        self.pages += 1;
        self.tag(answer.etag);
        if !self.add(page)? {
            return Ok(None);
        }
        let (total, has_shifted) = (self.total.take(), self.has_shifted);
        self.listed().finish(total, has_shifted);
        if self.kind == Kind::Group {
            return Ok(Some(std::mem::take(&mut self.known)));
        }
        self.kind = Kind::Group;
        (self.start_index, self.idle) = (1, 0);
        (self.last, self.has_shifted) = (None, false);
        self.first.clear();
        Ok(None)
    }

    fn listed(&mut self) -> &mut Listed {
        match self.kind {
            Kind::Account => &mut self.known.accounts,
            Kind::Group => self.known.groups.get_or_insert_default(),
        }
    }

    fn tag(&mut self, etag: Option<&str>) {
        let fetch = self.wanted();
        match (etag, &mut self.known.tags) {
            (Some(etag), Some(tags)) => tags.push(Tagged {
                fetch,
                etag: etag.to_owned(),
            }),
            _ => self.known.tags = None,
        }
    }

    /// Adds a page; whether it is the end. That is a page with nothing new behind what came last, whatever the provider
    /// promises: many promise a wrong number, and give fewer at once than they are asked for.
    fn add(&mut self, page: Page) -> Result<bool, Fault> {
        self.total = page.total.or(self.total);
        let number = page.resources.len();
        if self.start_index == 1 {
            self.first = page.resources.iter().map(|one| one.id.clone()).collect();
        } else if number > 0 && self.is_first_page(&page) {
            return self.end_without_paging(number);
        }
        let is_at_end = match self.last.take() {
            None => number == 0,
            Some(last) => {
                let first = page.resources.first().map(|one| &one.id);
                self.has_shifted |= first != Some(&last);
                number == 0 || number == 1 && first == Some(&last)
            }
        };
        self.go_on_behind(&page);
        let mut is_new = false;
        // Made even where there is nothing: that there are none is something else than that it is not known.
        self.listed();
        for remote in page.resources {
            self.bytes += remote.len();
            let (replaced, is_another) = self.listed().take(remote);
            self.bytes -= replaced;
            is_new |= is_another;
        }
        self.idle = if is_new { 0 } else { self.idle + 1 };
        if !is_at_end {
            self.check_bounds()?;
        }
        Ok(is_at_end)
    }

    /// The next page begins with the last resource of this one, unless that is the only one.
    fn go_on_behind(&mut self, page: &Page) {
        let number = u64::try_from(page.resources.len()).unwrap_or(u64::MAX);
        if number > 1 {
            self.last = page.resources.last().map(|one| one.id.clone());
        }
        self.start_index = self
            .start_index
            .saturating_add(number.saturating_sub(1).max(1));
    }

    fn is_first_page(&self, page: &Page) -> bool {
        let first: HashSet<&str> = self.first.iter().map(|id| &**id).collect();
        let ids: HashSet<&str> = page.resources.iter().map(|one| &*one.id).collect();
        first == ids
    }

    /// The first page came again: whoever knows no paging tells everything at once. Where that may be a part, it is not
    /// known what the rest is.
    fn end_without_paging(&self, number: usize) -> Result<bool, Fault> {
        let number_told = u64::try_from(number).unwrap_or(u64::MAX);
        let is_part = number == self.count || self.total.is_some_and(|total| total > number_told);
        if is_part {
            return Err(Fault::Repeated);
        }
        Ok(true)
    }

    fn check_bounds(&self) -> Result<(), Fault> {
        let groups = self.known.groups.as_ref();
        let resources =
            self.known.accounts.resources.len() + groups.map_or(0, |groups| groups.resources.len());
        if self.idle > limits::IDLE_PAGES {
            return Err(Fault::Repeated);
        }
        let is_beyond = self.pages >= limits::PAGES
            || self.bytes > limits::BYTES
            || resources > limits::RESOURCES;
        if is_beyond {
            Err(Fault::TooMuch)
        } else {
            Ok(())
        }
    }
}
