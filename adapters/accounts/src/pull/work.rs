//! Work in the store, a piece at a time, so that nobody else who writes waits for all of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::limits;
use super::reading::{Known, Listed};
use crate::id::Id;
use crate::model::Kind;
use crate::scim::{self, Context, Effect, Note, Request};
use crate::store::{Key, Record, Transaction, Unavailable};
use crate::time::Timestamp;

/// The ids here of what the provider has, by its own ids.
pub(super) type Places = HashMap<(Kind, Box<str>), Id>;

/// A piece of work for one transaction. Whoever has it done gives [`Done`] back to the [`Pull`](super::Pull) once it is
/// kept.
#[derive(Debug)]
pub struct Work {
    pub(super) known: Arc<Known>,
    pub(super) places: Arc<Places>,
    pub(super) task: Task,
}

/// What a piece of work is.
#[derive(Debug)]
pub(super) enum Task {
    /// Looks for what the provider has no more, behind a position.
    Survey {
        kind: Kind,
        after: u64,
        /// What was written since may be newer than the reading.
        before: Timestamp,
    },
    Delete(Vec<(Kind, Id)>),
    /// Writes what is at these places.
    Write {
        kind: Kind,
        places: Vec<usize>,
        part: Part,
    },
}

/// What of a resource is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// Everything but members.
    Itself,
    /// What is not there yet: groups may be members of others.
    Absent,
    /// Everything, its members among it.
    Whole,
}

/// What came of a piece of work.
#[derive(Debug)]
pub struct Done {
    /// What becomes of the transaction.
    pub effect: Effect,
    /// What the operator is told, once it is kept.
    pub notes: Vec<Note>,
    pub(super) outcome: Outcome,
}

#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What the provider has no more.
    pub(super) gone: Vec<(Kind, Id)>,
    /// How much of the kind came from the provider.
    pub(super) looked_at: usize,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<u64>,
    /// What is here now.
    pub(super) placed: Vec<((Kind, Box<str>), Id)>,
    pub(super) refused: Vec<Refused>,
    pub(super) counts: Counts,
}

/// How much was done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Accounts and groups that are new, or back.
    pub created: usize,
    /// Those that changed.
    pub changed: usize,
    /// Those that are deleted.
    pub deleted: usize,
    /// Members of groups that are nobody here.
    pub strangers: usize,
}

/// What the provider has, and is not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// What it is.
    pub kind: Kind,
    /// What it is known by: its `externalId` here.
    pub external_id: String,
    /// Why, in SCIM's words.
    pub why: String,
    /// What the operator is told besides: whose an address is.
    pub notes: Vec<Note>,
    pub(super) place: usize,
    /// Another has what it wants, which may change when that one is written.
    pub(super) is_conflict: bool,
}

impl Work {
    /// Most ids that a piece of work needs.
    pub const IDS: usize = limits::AT_ONCE;

    /// Does it. Of `context`, `fresh` is not used: `ids` are as many that were just drawn.
    ///
    /// # Errors
    /// [`Unavailable`]: the store failed; nothing may be kept.
    pub fn run(
        &self,
        context: Context<'_>,
        ids: &[Id; Self::IDS],
        store: &mut dyn Transaction,
    ) -> Result<Done, Unavailable> {
        let mut run = Run {
            work: self,
            context,
            store,
            has_written: false,
            notes: Vec::new(),
            outcome: Outcome::default(),
        };
        match &self.task {
            Task::Survey {
                kind,
                after,
                before,
            } => run.survey(*kind, *after, *before)?,
            Task::Delete(gone) => {
                for (kind, id) in gone {
                    run.delete(*kind, *id)?;
                }
            }
            Task::Write { kind, places, part } => {
                for (place, fresh) in places.iter().zip(ids) {
                    run.context.fresh = *fresh;
                    run.write(*kind, *place, *part)?;
                }
            }
        }
        Ok(Done {
            effect: if run.has_written {
                Effect::Commit
            } else {
                Effect::Nothing
            },
            notes: run.notes,
            outcome: run.outcome,
        })
    }
}

/// A piece of work while it is done.
struct Run<'r> {
    work: &'r Work,
    context: Context<'r>,
    store: &'r mut dyn Transaction,
    has_written: bool,
    notes: Vec<Note>,
    outcome: Outcome,
}

impl Run<'_> {
    fn survey(&mut self, kind: Kind, after: u64, before: Timestamp) -> Result<(), Unavailable> {
        let Some(listed) = self.work.known.of(kind) else {
            return Ok(());
        };
        let source = self.context.source.id;
        let records = self.store.after(kind, source, after, limits::SURVEYED)?;
        self.outcome.next = records.last().map(|last| last.resource.life().position);
        for Record { resource, .. } in records {
            // Whoever has none did not come from the provider.
            let Some(external_id) = resource.external_id() else {
                continue;
            };
            self.outcome.looked_at += 1;
            let is_new = resource.life().modified >= before;
            if !is_new && !listed.has(external_id) {
                self.outcome.gone.push((kind, resource.id()));
            }
        }
        Ok(())
    }

    fn delete(&mut self, kind: Kind, id: Id) -> Result<(), Unavailable> {
        let answer = self.ask("DELETE", &path(kind, Some(id)), "")?;
        // Somebody else may have deleted it meanwhile.
        if answer.response.status == 204 {
            self.outcome.counts.deleted += 1;
        }
        self.notes.extend(answer.notes);
        Ok(())
    }

    fn write(&mut self, kind: Kind, place: usize, part: Part) -> Result<(), Unavailable> {
        let listed = self.work.known.of(kind);
        let remote = listed.and_then(|listed| Some((listed, listed.resources.get(place)?)));
        let Some((listed, remote)) = remote else {
            return Ok(());
        };
        if !listed.is_sole_owner(place) {
            let why = "several have this externalId at the provider".to_owned();
            self.refuse(kind, place, listed, (why, false, Vec::new()));
            return Ok(());
        }
        let old = self.find(kind, place, listed)?;
        if let (Some(id), Part::Absent) = (old, part) {
            self.place(kind, &remote.id, id);
            return Ok(());
        }
        let members = match part {
            Part::Whole => Some(self.members(&remote.members)),
            Part::Itself | Part::Absent => None,
        };
        let body = with_members(&remote.body, members.as_deref());
        let method = if old.is_some() { "PUT" } else { "POST" };
        let answer = self.ask(method, &path(kind, old), &body)?;
        if answer.response.status >= 300 {
            let text = answer.response.body.text();
            let is_conflict = answer.response.status == 409;
            self.refuse(
                kind,
                place,
                listed,
                (detail(&text), is_conflict, answer.notes),
            );
            return Ok(());
        }
        let made = answer.notes.iter().find_map(|note| match note {
            Note::Changed {
                id, after: Some(_), ..
            } => Some(*id),
            _ => None,
        });
        match (old, made) {
            (None, Some(_)) => self.outcome.counts.created += 1,
            (Some(_), Some(_)) => self.outcome.counts.changed += 1,
            (_, None) => {}
        }
        if let Some(id) = old.or(made) {
            self.place(kind, &remote.id, id);
        }
        self.notes.extend(answer.notes);
        Ok(())
    }

    /// The id of what is at `place`, if it is here already.
    fn find(
        &mut self,
        kind: Kind,
        place: usize,
        listed: &Listed,
    ) -> Result<Option<Id>, Unavailable> {
        let identity = listed.resources.get(place).map(|remote| &*remote.identity);
        let names = [identity, listed.former_identity(place)];
        for name in names.into_iter().flatten() {
            let source = self.context.source.id;
            let found = self.store.find(kind, source, Key::ExternalId(name), 1)?;
            if let Some(record) = found.first() {
                return Ok(Some(record.resource.id()));
            }
        }
        Ok(None)
    }

    fn place(&mut self, kind: Kind, remote: &str, id: Id) {
        self.outcome.placed.push(((kind, remote.into()), id));
    }

    /// The ids here of members, by the provider's ids.
    fn members(&mut self, members: &[Box<str>]) -> Vec<Id> {
        let places = &self.work.places;
        let found = members.iter().filter_map(|member| {
            let of = |kind| places.get(&(kind, member.clone())).copied();
            of(Kind::Account).or_else(|| of(Kind::Group))
        });
        let found: Vec<Id> = found.collect();
        self.outcome.counts.strangers += members.len() - found.len();
        found
    }

    fn refuse(
        &mut self,
        kind: Kind,
        place: usize,
        listed: &Listed,
        (why, is_conflict, notes): (String, bool, Vec<Note>),
    ) {
        let remote = listed.resources.get(place);
        self.outcome.refused.push(Refused {
            kind,
            external_id: remote
                .map(|one| one.identity.to_string())
                .unwrap_or_default(),
            why,
            notes,
            place,
            is_conflict,
        });
    }

    /// Answers a request as though the source had pushed it.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<scim::Answer, Unavailable> {
        let request = Request {
            method,
            path,
            body: body.as_bytes(),
            ..Request::default()
        };
        let answer = scim::answer(request, self.context, self.store);
        match answer.effect {
            // What was written before it has to be undone with it.
            Effect::RollBack => return Err(Unavailable),
            Effect::Commit => self.has_written = true,
            Effect::Nothing if answer.response.status == 503 => return Err(Unavailable),
            Effect::Nothing => {}
        }
        Ok(answer)
    }
}

fn path(kind: Kind, id: Option<Id>) -> String {
    let endpoint = super::endpoint(kind);
    id.map_or_else(|| endpoint.to_owned(), |id| format!("{endpoint}/{id}"))
}

/// A body with these members, which it has none of so far.
fn with_members(body: &str, members: Option<&[Id]>) -> String {
    let (Some(members), Some(open)) = (members, body.strip_suffix('}')) else {
        return body.to_owned();
    };
    let members: Vec<_> = members.iter().map(|id| format!("\"{id}\"")).collect();
    format!("{open},\"members\":[{}]}}", members.join(","))
}

/// What an error of SCIM's says.
fn detail(error: &str) -> String {
    let error: Option<serde_json::Value> = serde_json::from_str(error).ok();
    let detail = error
        .as_ref()
        .and_then(|error| error.get("detail")?.as_str());
    detail.unwrap_or_default().to_owned()
}
