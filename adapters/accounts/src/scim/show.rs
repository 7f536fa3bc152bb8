//! Resources as clients see them.

use serde_json::{Value, json};

use super::Call;
use super::clean::Object;
use super::limits::MAX_GROUPS_SHOWN;
use super::projection::Projection;
use super::refusal::Refusal;
use super::resource::content;
use super::response::{Body, Response};
use super::schema::ResourceType;
use super::tags::etag;
use crate::id::Id;
use crate::model::Kind;
use crate::store::{Member, Record};

/// Members that are read from a store at once.
const MEMBERS_AT_ONCE: usize = 5_000;

/// Bytes of a group that is shown, but for its name and the base URL: two ids, and names of members.
const GROUP_BYTES: usize = 140;

/// A resource as it is shown: an object, and members that are too many for one.
pub(super) struct Shown {
    /// The object, as JSON.
    text: String,
    members: Option<Vec<Member>>,
    /// How many bytes were read for it, members not counted.
    read: usize,
}

impl Shown {
    /// How many members there are to show.
    pub(super) fn members(&self) -> usize {
        self.members.as_ref().map_or(0, Vec::len)
    }

    /// How many bytes it takes, to be read or to be written, members not counted.
    pub(super) fn bytes(&self) -> usize {
        self.text.len().max(self.read)
    }

    /// Writes it.
    pub(super) fn push(self, base_url: &str, body: &mut Body) {
        let mut text = self.text;
        let Some(members) = self.members else {
            body.push_text(text);
            return;
        };
        // An object is never empty: it has an id.
        text.pop();
        text.push_str(",\"members\":[");
        body.push_text(text);
        body.push_members(base_url, members);
        body.push_text("]}");
    }
}

impl Call<'_> {
    /// The URL of a resource.
    pub(super) fn location(&self, kind: Kind, id: Id) -> String {
        let endpoint = ResourceType::of(kind).endpoint;
        format!("{}{endpoint}/{id}", self.context.base_url)
    }

    /// Everything of a resource that its record says.
    pub(super) fn object(&self, record: &Record) -> Object {
        let resource = &record.resource;
        let (kind, life) = (resource.kind(), resource.life());
        let resource_type = ResourceType::of(kind);
        let mut object = content(record);
        let extensions = resource_type.extensions.iter().map(|schema| schema.urn);
        let present = extensions.filter(|urn| object.contains_key(*urn));
        let schemas: Vec<_> = std::iter::once(resource_type.schema.urn)
            .chain(present)
            .collect();
        object.insert("schemas".to_owned(), json!(schemas));
        object.insert("id".to_owned(), resource.id().to_string().into());
        let meta = json!({
            "resourceType": resource_type.name,
            "created": life.created.to_string(),
            "lastModified": life.modified.to_string(),
            "location": self.location(kind, resource.id()),
            "version": etag(life.version),
        });
        object.insert("meta".to_owned(), meta);
        object
    }

    /// The groups that an account is in, as they are shown, and how many bytes they take.
    pub(super) fn groups(&mut self, id: Id) -> Result<(Value, usize), Refusal> {
        let groups = self.store.groups_of(id, MAX_GROUPS_SHOWN)?;
        let a_group = GROUP_BYTES + self.context.base_url.len();
        let bytes = groups.iter().map(|(_, name)| name.len() + a_group).sum();
        let groups = groups.into_iter().map(|(id, name)| {
            let location = self.location(Kind::Group, id);
            json!({"value": id.to_string(), "$ref": location, "display": name, "type": "direct"})
        });
        Ok((Value::Array(groups.collect()), bytes))
    }

    /// All members of a group.
    fn all_members(&mut self, group: Id) -> Result<Vec<Member>, Refusal> {
        let mut members: Vec<Member> = Vec::new();
        loop {
            let after = members.last().map(|last| last.id);
            let more = self.store.members(group, after, MEMBERS_AT_ONCE)?;
            let is_last = more.len() < MEMBERS_AT_ONCE;
            members.extend(more);
            if is_last {
                return Ok(members);
            }
        }
    }

    /// A resource, as much of it as is wanted.
    pub(super) fn shown(
        &mut self,
        record: &Record,
        projection: &Projection,
    ) -> Result<Shown, Refusal> {
        let (kind, id) = (record.resource.kind(), record.resource.id());
        let mut object = self.object(record);
        let (mut members, mut read) = (None, record.document.len());
        match kind {
            Kind::Account if projection.shows("groups") => {
                let (groups, bytes) = self.groups(id)?;
                read = read.saturating_add(bytes);
                object.insert("groups".to_owned(), groups);
            }
            Kind::Group if projection.shows("members") => members = Some(self.all_members(id)?),
            Kind::Account | Kind::Group => {}
        }
        let object = projection.of(ResourceType::of(kind), object);
        Ok(Shown {
            text: Value::Object(object).to_string(),
            members,
            read,
        })
    }

    /// An answer that shows a resource.
    pub(super) fn respond(
        &mut self,
        status: u16,
        record: &Record,
        projection: &Projection,
    ) -> Result<Response, Refusal> {
        let shown = self.shown(record, projection)?;
        let mut response = Response::of_status(status);
        shown.push(self.context.base_url, &mut response.body);
        response.etag = Some(etag(record.resource.life().version));
        if status == 201 {
            let resource = &record.resource;
            response.location = Some(self.location(resource.kind(), resource.id()));
        }
        Ok(response)
    }
}
