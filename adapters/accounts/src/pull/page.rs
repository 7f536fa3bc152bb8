//! A page of a provider's list (RFC 7644 section 3.4.2), read without trust.

use serde_json::{Map, Value};

use super::{Fault, Identity};
use crate::scim;

/// What is ours to say of a resource, or nobody's to keep; the rest goes on as the provider wrote it.
const DROPPED: [&str; 6] = ["id", "externalId", "meta", "groups", "members", "password"];

/// A resource at the provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Remote {
    /// The provider's `id`.
    pub(super) id: Box<str>,
    /// What it is known by here: `externalId`.
    pub(super) identity: Box<str>,
    /// The body of a request that writes it, without members.
    pub(super) body: Box<str>,
    /// The provider's ids of its members.
    pub(super) members: Box<[Box<str>]>,
}

impl Remote {
    /// How much memory it takes, about.
    pub(super) fn len(&self) -> usize {
        let members = self.members.iter().map(|member| member.len() + 16);
        self.id.len() + self.identity.len() + self.body.len() + members.sum::<usize>() + 64
    }
}

/// What is on a page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) resources: Vec<Remote>,
    /// How many resources the provider promises on all pages.
    pub(super) total: Option<u64>,
}

/// Reads a page, which was asked for from the resource `start_index` on.
pub(super) fn parse(body: &[u8], identity: Identity, start_index: u64) -> Result<Page, Fault> {
    let list = scim::object(body).map_err(|refusal| match refusal.status {
        413 => Fault::TooLong,
        _ => Fault::NoList,
    })?;
    let total = member(&list, "totalResults").and_then(Value::as_u64);
    let resources = match member(&list, "Resources") {
        Some(Value::Array(resources)) => resources.as_slice(),
        // What has none may leave them out; an object that says nothing at all is no list.
        None | Some(Value::Null) if total.is_some_and(|total| total < start_index) => &[],
        _ => return Err(Fault::NoList),
    };
    let resources = resources.iter().map(|resource| remote(resource, identity));
    Ok(Page {
        resources: resources.collect::<Result<_, _>>()?,
        total,
    })
}

fn remote(resource: &Value, identity: Identity) -> Result<Remote, Fault> {
    let resource = resource.as_object().ok_or(Fault::NoList)?;
    let id = text(resource, "id").ok_or(Fault::NoId)?;
    let external_id = match identity {
        Identity::ExternalId => text(resource, "externalId"),
        Identity::Id => None,
    };
    let known_by = external_id.unwrap_or(id);
    let is_dropped = |name: &str| DROPPED.iter().any(|one| one.eq_ignore_ascii_case(name));
    let kept = resource.iter().filter(|(name, _)| !is_dropped(name));
    let mut body: Map<_, _> = kept
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    body.insert("externalId".to_owned(), known_by.into());
    let members = member(resource, "members").and_then(Value::as_array);
    let members = members.into_iter().flatten();
    let members = members.filter_map(|one| text(one.as_object()?, "value"));
    Ok(Remote {
        id: id.into(),
        identity: known_by.into(),
        body: Value::Object(body).to_string().into(),
        members: members.map(Box::from).collect(),
    })
}

/// The member of that name, whatever its case (RFC 7643 section 2.1).
fn member<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o Value> {
    let mut members = object.iter();
    let found = members.find(|(one, _)| one.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

fn text<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o str> {
    let text = member(object, name).and_then(Value::as_str);
    text.filter(|text| !text.is_empty())
}
