//! Writing: a request is read and judged as a whole before anything is written.

use super::attribute::{Name, Named};
use super::clean::{self, Object, Said};
use super::filter::is_members;
use super::limits::MAX_MEMBERS_AFTER_PATCH;
use super::members::MemberEdits;
use super::patch::{Patch, Patched};
use super::refusal::Refusal;
use super::resource::{Claims, claims_the_same, content, record};
use super::response::Response;
use super::schema::ResourceType;
use super::tags::{check, etag};
use super::{Call, Note, json};
use crate::id::Id;
use crate::model::{Kind, Life, Resource};
use crate::store::{Key, Record};

/// What a PUT changes only where it says something of it. Whoever does not say whether somebody may log in does not say
/// that they may; and whoever leaves out by what tokens are theirs does not mean that they are nobody's. `null` says so.
const KEPT: [&str; 2] = ["active", "externalId"];

/// A body that is a resource.
struct Body {
    content: Object,
    /// Its members, if it says anything of them.
    members: Option<MemberEdits>,
    /// What of [`KEPT`] it says nothing of.
    unsaid: Vec<&'static str>,
}

impl Call<'_> {
    pub(super) fn create(&mut self, kind: Kind) -> Result<Response, Refusal> {
        let projection = self.projection(kind)?;
        let Body {
            mut content,
            members,
            ..
        } = self.body(kind)?;
        if kind == Kind::Account {
            content.entry("active").or_insert_with(|| true.into());
        }
        let now = self.context.now;
        let mut life = Life {
            created: now,
            modified: now,
            version: 0,
            position: 0,
            deleted: None,
        };
        let context = self.context;
        let ours = (&context, Claims::New);
        let mut record = record(kind, &content, self.context.fresh, life, ours)?;
        let before = self.returned(&record.resource)?;
        if let Some(before) = &before {
            // The same person is back: what is stored under the id is theirs.
            life.created = before.resource.life().created;
            let id = before.resource.id();
            record = super::resource::record(kind, &content, id, life, ours)?;
            if !self.is_bound(&before.resource)? {
                keep_subject(&mut record, before);
            }
        }
        let id = record.resource.id();
        self.check_unique(&record.resource, None)?;
        let members = members.unwrap_or_default();
        members.check(Some(id), self.context.source.id, self.store)?;
        let reused = self.reused(&record.resource, None)?;

        self.has_written = true;
        let written = self.store.insert(&record)?;
        record.resource.life_mut().version = written.version;
        let number = members.apply(id, self.store)?;
        if before.is_some() {
            self.notes.push(Note::Returned { id });
        }
        self.notes.extend(reused);
        self.note_change(kind, id, None, Some(&record), number);
        self.respond(201, &record, &projection)
    }

    pub(super) fn replace(&mut self, kind: Kind, id: &str) -> Result<Response, Refusal> {
        let projection = self.projection(kind)?;
        let Body {
            mut content,
            members,
            unsaid,
        } = self.body(kind)?;
        let old = self.find_to_change(kind, id)?;
        let old_content = super::resource::content(&old);
        for name in unsaid {
            if let Some(value) = old_content.get(name) {
                content.insert(name.to_owned(), value.clone());
            }
        }
        let members = members.unwrap_or_else(|| {
            let mut nobody = MemberEdits::default();
            nobody.clear();
            nobody
        });
        let record = self.save(&old, &content, &members)?;
        self.respond(200, &record, &projection)
    }

    pub(super) fn patch(&mut self, kind: Kind, id: &str) -> Result<Response, Refusal> {
        let projection = self.projection(kind)?;
        self.check_content_type()?;
        let body = json::object(self.request.body)?;
        let patch = Patch::parse(ResourceType::of(kind), body)?;
        let old = self.find_to_change(kind, id)?;
        let Patched {
            resource, members, ..
        } = patch.apply(old.resource.id(), content(&old))?;
        let record = self.save(&old, &resource, &members)?;
        if self.request.query.is_empty() && self.is_large(kind, record.resource.id())? {
            let mut response = Response::of_status(204);
            response.etag = Some(etag(record.resource.life().version));
            return Ok(response);
        }
        self.respond(200, &record, &projection)
    }

    pub(super) fn delete(&mut self, kind: Kind, id: &str) -> Result<Response, Refusal> {
        let old = self.find_to_change(kind, id)?;
        let mut record = old.clone();
        let life = record.resource.life_mut();
        life.modified = self.context.now;
        life.deleted = Some(self.context.now);
        self.has_written = true;
        self.store.update(&record)?;
        self.note_change(kind, old.resource.id(), Some(&old), None, 0);
        Ok(Response::of_status(204))
    }

    fn find_to_change(&mut self, kind: Kind, id: &str) -> Result<Record, Refusal> {
        let record = self.find(kind, id)?;
        let version = record.resource.life().version;
        check(self.request.if_match, self.request.if_none_match, version)?;
        Ok(record)
    }

    /// Reads the body as a resource.
    fn body(&self, kind: Kind) -> Result<Body, Refusal> {
        self.check_content_type()?;
        let body = json::object(self.request.body)?;
        let resource_type = ResourceType::of(kind);
        let (mut members, mut unsaid) = (None, KEPT.to_vec());
        let all = clean::said_of_whole(resource_type, body)?;
        for Said { named, value, .. } in &all {
            let Named::Attribute(Name { attribute, .. }) = named else {
                continue;
            };
            let name = attribute.name;
            // That nobody says so does not let anybody in.
            let is_said = name != "active" || !value.is_null();
            unsaid.retain(|kept| *kept != name || !is_said);
            if is_members(attribute) {
                let mut edits = MemberEdits::default();
                edits.clear();
                edits.add(value)?;
                members = Some(edits);
            }
        }
        Ok(Body {
            content: clean::resource(all)?,
            members,
            unsaid,
        })
    }

    /// Keeps a new content, if it is one.
    fn save(
        &mut self,
        old: &Record,
        content: &Object,
        members: &MemberEdits,
    ) -> Result<Record, Refusal> {
        let (kind, id) = (old.resource.kind(), old.resource.id());
        let mut life = *old.resource.life();
        life.modified = self.context.now;
        // Whoever claims nothing new is not refused for an address, which others may have taken since: somebody who was
        // left without it can be locked all the same.
        let is_known = claims_the_same(&super::resource::content(old), content);
        let claims = if is_known { Claims::Known } else { Claims::New };
        let mut record = record(kind, content, id, life, (&self.context, claims))?;
        keep_subject(&mut record, old);
        let taken = match claims {
            Claims::Known => self.leave_taken(&mut record.resource, &old.resource)?,
            Claims::New => Vec::new(),
        };
        self.check_unique(&record.resource, Some(&old.resource))?;
        members.check(Some(id), self.context.source.id, self.store)?;
        let reused = self.reused(&record.resource, Some(&old.resource))?;

        self.has_written = true;
        let number = members.apply(id, self.store)?;
        if number == 0 && is_same(&record, old) {
            self.has_written = false;
            return Ok(old.clone());
        }
        let written = self.store.update(&record)?;
        record.resource.life_mut().version = written.version;
        self.notes.extend(taken);
        self.notes.extend(reused);
        self.note_change(kind, id, Some(old), Some(&record), number);
        Ok(record)
    }

    fn note_change(
        &mut self,
        kind: Kind,
        id: Id,
        before: Option<&Record>,
        after: Option<&Record>,
        members: usize,
    ) {
        let document = |record: Option<&Record>| record.map(|record| record.document.clone());
        self.notes.push(Note::Changed {
            kind,
            id,
            before: document(before),
            after: document(after),
            members,
        });
    }

    /// What the source deleted and has now created again.
    fn returned(&mut self, resource: &Resource) -> Result<Option<Record>, Refusal> {
        let Some(external_id) = resource.external_id() else {
            return Ok(None);
        };
        let source = self.context.source.id;
        Ok(self.store.returned(resource.kind(), source, external_id)?)
    }

    /// Whether the tokens that opened a deleted account open another one by now.
    fn is_bound(&mut self, resource: &Resource) -> Result<bool, Refusal> {
        let Some(subject) = resource.subject() else {
            return Ok(false);
        };
        let (kind, source) = (resource.kind(), self.context.source.id);
        let found = self.store.find(kind, source, Key::Subject(subject), 1)?;
        Ok(!found.is_empty())
    }

    /// Whether a group has more members than the answer to a PATCH shows.
    fn is_large(&mut self, kind: Kind, id: Id) -> Result<bool, Refusal> {
        if kind != Kind::Group {
            return Ok(false);
        }
        let members = self.store.members(id, None, MAX_MEMBERS_AFTER_PATCH + 1)?;
        Ok(members.len() > MAX_MEMBERS_AFTER_PATCH)
    }
}

/// Whether a record says what the old one says, in whatever life.
fn is_same(record: &Record, old: &Record) -> bool {
    let mut record = record.clone();
    *record.resource.life_mut() = *old.resource.life();
    record == *old
}

/// Whose tokens open an account is none of SCIM's: no source says it, and none takes it away.
fn keep_subject(record: &mut Record, old: &Record) {
    if let (Resource::Account(new), Resource::Account(old)) = (&mut record.resource, &old.resource)
    {
        new.subject.clone_from(&old.subject);
    }
}
