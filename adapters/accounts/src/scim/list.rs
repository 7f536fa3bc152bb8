//! Reading: one resource, or pages of them in an order that never changes.

use std::collections::BTreeSet;

use serde_json::json;

use super::clean::Object;
use super::filter::{Filter, Lookup, is_members};
use super::limits::{
    MAX_MEMBERS_OF_PAGE, MAX_PAGE, MAX_PAGE_BYTES, MAX_SCAN, MAX_SCAN_BYTES, SCAN_LOOK_UP,
    SCAN_RECORD,
};
use super::projection::Projection;
use super::query::Query;
use super::refusal::{Refusal, ScimType, quoted};
use super::response::{Body, Response};
use super::schema::ResourceType;
use super::tags::is_known;
use super::{Call, json};
use crate::id::Id;
use crate::model::Kind;
use crate::store::{Key, Record};

/// The URN of a list.
pub(super) const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// Records that are read from a store at once.
const RECORDS_AT_ONCE: usize = 500;

/// A page of what matches, and how much matches.
#[derive(Default)]
struct Page {
    records: Vec<Record>,
    total: u64,
    /// How much has been looked at to find them.
    bytes: usize,
}

/// An answer with resources, while it grows.
#[derive(Default)]
struct Listing {
    resources: Body,
    /// How many there are in it.
    number: usize,
    /// How many members they have.
    members: usize,
    /// How long they are without their members, groups of users counted.
    bytes: usize,
    /// How many there are to be asked for.
    total: u64,
    /// Whether something did not fit.
    is_full: bool,
}

impl Listing {
    fn respond(self, start_index: u64) -> Response {
        list(self.total, start_index, self.number, self.resources)
    }
}

impl Page {
    /// Takes what matches next, if it is of the page.
    fn take(&mut self, record: Record, query: &Query) {
        self.total += 1;
        if self.total >= query.start_index && self.records.len() < query.count {
            self.records.push(record);
        }
    }
}

impl Call<'_> {
    /// The resource of that id, if the source has it.
    pub(super) fn find(&mut self, kind: Kind, id: &str) -> Result<Record, Refusal> {
        let not_found = || Refusal::not_found(id);
        let key = Key::Id(Id::parse(id).ok_or_else(not_found)?);
        let found = self.store.find(kind, self.context.source.id, key, 1)?;
        found.into_iter().next().ok_or_else(not_found)
    }

    pub(super) fn projection(&self, kind: Kind) -> Result<Projection, Refusal> {
        let query = Query::parse(ResourceType::of(kind), self.request.query)?;
        Ok(query.projection)
    }

    pub(super) fn read(&mut self, kind: Kind, id: &str) -> Result<Response, Refusal> {
        let projection = self.projection(kind)?;
        let record = self.find(kind, id)?;
        if is_known(self.request.if_none_match, record.resource.life().version) {
            let mut response = Response::of_status(304);
            response.etag = Some(super::tags::etag(record.resource.life().version));
            return Ok(response);
        }
        self.respond(200, &record, &projection)
    }

    pub(super) fn list(&mut self, kind: Kind) -> Result<Response, Refusal> {
        let query = Query::parse(ResourceType::of(kind), self.request.query)?;
        let mut listing = Listing::default();
        let start_index = query.start_index;
        self.add(kind, &query, &mut listing)?;
        Ok(listing.respond(start_index))
    }

    /// As [`list`](Self::list), of several kinds one after the other; what is asked for is in the body.
    pub(super) fn search(&mut self, kinds: &[Kind]) -> Result<Response, Refusal> {
        self.check_content_type()?;
        let body = json::object(self.request.body)?;
        let (mut listing, mut start_index) = (Listing::default(), 1);
        for kind in kinds {
            let mut query = Query::of_search(ResourceType::of(*kind), &body)?;
            start_index = query.start_index;
            query.start_index = start_index.saturating_sub(listing.total).max(1);
            query.count = query.count.saturating_sub(listing.number);
            self.add(*kind, &query, &mut listing)?;
        }
        Ok(listing.respond(start_index))
    }

    fn add(&mut self, kind: Kind, query: &Query, listing: &mut Listing) -> Result<(), Refusal> {
        let page = match &query.filter {
            None => self.page(kind, query)?,
            Some(filter) => self.matching(kind, filter, query)?,
        };
        listing.total += page.total;
        for record in &page.records {
            let shown = self.shown(record, &query.projection)?;
            listing.members += shown.members();
            listing.bytes += shown.bytes();
            let is_large = listing.members > MAX_MEMBERS_OF_PAGE || listing.bytes > MAX_PAGE_BYTES;
            listing.is_full |= listing.number > 0 && is_large;
            // The client asks for the rest from behind what it was given.
            if listing.is_full {
                break;
            }
            if listing.number > 0 {
                listing.resources.push_text(",");
            }
            shown.push(self.context.base_url, &mut listing.resources);
            listing.number += 1;
        }
        Ok(())
    }

    fn page(&mut self, kind: Kind, query: &Query) -> Result<Page, Refusal> {
        let source = self.context.source.id;
        let total = self.store.count(kind, source)?;
        let offset = query.start_index.saturating_sub(1);
        let records = match query.count {
            0 => Vec::new(),
            count => self.store.page(kind, source, offset, count)?,
        };
        Ok(Page {
            records,
            total,
            bytes: 0,
        })
    }

    fn matching(&mut self, kind: Kind, filter: &Filter, query: &Query) -> Result<Page, Refusal> {
        let source = self.context.source.id;
        let mut page = Page::default();
        match filter.lookup() {
            Lookup::Nothing => {}
            Lookup::Key(key) => {
                let found = self.store.positions(kind, source, key, MAX_SCAN + 1)?;
                if found.len() > MAX_SCAN {
                    return Err(too_many());
                }
                // Each is counted before the next is read: they may be large.
                for position in found {
                    let before = position.saturating_sub(1);
                    for record in self.store.after(kind, source, before, 1)? {
                        self.look_at(record, filter, query, &mut page)?;
                    }
                }
            }
            Lookup::Scan => {
                if self.store.count(kind, source)? > MAX_SCAN as u64 {
                    return Err(too_many());
                }
                let mut position = 0;
                loop {
                    let records = self.store.after(kind, source, position, RECORDS_AT_ONCE)?;
                    let Some(last) = records.last() else { break };
                    position = last.resource.life().position;
                    for record in records {
                        self.look_at(record, filter, query, &mut page)?;
                    }
                }
            }
        }
        Ok(page)
    }

    /// Takes a record if it matches, unless too much has been looked at already.
    fn look_at(
        &mut self,
        record: Record,
        filter: &Filter,
        query: &Query,
        page: &mut Page,
    ) -> Result<(), Refusal> {
        Self::count(SCAN_RECORD, page)?;
        Self::count_compared(record.document.len(), filter, page)?;
        if self.is_match(filter, &record, page)? {
            page.take(record, query);
        }
        Ok(())
    }

    /// Counts what is looked at, each time that the filter compares with it.
    fn count_compared(bytes: usize, filter: &Filter, page: &mut Page) -> Result<(), Refusal> {
        Self::count(bytes.saturating_mul(filter.terms()), page)
    }

    fn count(bytes: usize, page: &mut Page) -> Result<(), Refusal> {
        page.bytes = page.bytes.saturating_add(bytes);
        if page.bytes > MAX_SCAN_BYTES {
            return Err(too_many());
        }
        Ok(())
    }

    fn is_match(
        &mut self,
        filter: &Filter,
        record: &Record,
        page: &mut Page,
    ) -> Result<bool, Refusal> {
        let (kind, id) = (record.resource.kind(), record.resource.id());
        let mut object = self.object(record);
        let (mut asks_groups, mut asks_members) = (false, false);
        filter.each_name(&mut |name| {
            asks_groups |= kind == Kind::Account && name.attribute.name == "groups";
            asks_members |= is_members(name.attribute);
        });
        if asks_groups {
            Self::count(SCAN_LOOK_UP, page)?;
            let (groups, bytes) = self.groups(id)?;
            Self::count_compared(bytes, filter, page)?;
            object.insert("groups".to_owned(), groups);
        }
        if asks_members {
            self.add_members(filter, id, &mut object, page)?;
        }
        Ok(filter.matches(&object))
    }

    /// Those members of a group that a filter asks for, of which there may be far fewer than members.
    fn add_members(
        &mut self,
        filter: &Filter,
        group: Id,
        object: &mut Object,
        page: &mut Page,
    ) -> Result<(), Refusal> {
        let mut asked = BTreeSet::new();
        filter.each_member(&mut |id| {
            asked.insert(id);
        });
        let mut members = Vec::new();
        for id in asked {
            Self::count(SCAN_LOOK_UP, page)?;
            if self.is_member(group, id)? {
                members.push(json!({"value": id.to_string()}));
            }
        }
        object.insert("members".to_owned(), members.into());
        Ok(())
    }

    fn is_member(&mut self, group: Id, id: Id) -> Result<bool, Refusal> {
        let before = u128::from_be_bytes(*id.as_bytes()).checked_sub(1);
        let before = before.map(|before| Id::from_bytes(before.to_be_bytes()));
        let next = self.store.members(group, before, 1)?;
        Ok(next.first().is_some_and(|member| member.id == id))
    }

    /// Refuses a body that says it is something else than JSON.
    pub(super) fn check_content_type(&self) -> Result<(), Refusal> {
        let Some(content_type) = self.request.content_type else {
            return Ok(());
        };
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let known = ["application/scim+json", "application/json"];
        if known
            .iter()
            .any(|known| media_type.eq_ignore_ascii_case(known))
        {
            return Ok(());
        }
        let detail = format!("{} is not application/scim+json", quoted(media_type));
        Err(Refusal::of_status(415, detail))
    }
}

fn too_many() -> Refusal {
    let detail = format!(
        "no index answers this filter, and there is too much to look at: more than {MAX_SCAN} resources, or large ones; filter by id, userName, \
         externalId, emails.value or displayName with eq, or list everything"
    );
    Refusal::new(ScimType::TooMany, detail)
}

/// A list. Some clients reckon the next page from `itemsPerPage`, so it is what is really there.
pub(super) fn list(total: u64, start_index: u64, number: usize, resources: Body) -> Response {
    let mut response = Response::of_status(200);
    response.body.push_text(format!(
        "{{\"schemas\":[\"{LIST}\"],\"totalResults\":{total},\"startIndex\":{start_index},\
         \"itemsPerPage\":{number},\"Resources\":["
    ));
    response.body.append(resources);
    response.body.push_text("]}");
    response
}

const _: () = assert!(MAX_PAGE <= MAX_SCAN, "a page is looked at as a whole");
