//! A SCIM 2.0 service provider (RFC 7643, 7644) without HTTP: the meaning of a request in, that of an answer out.
//!
//! [`answer`] takes one request of one source and one transaction of a store. It reads and judges everything before it
//! writes anything; the transaction is committed or rolled back as [`Answer::effect`] says. It never looks at `Host`:
//! URLs are made from the configured one. What a `password` holds is dropped where it is read.

pub mod attribute;
mod clean;
mod derived;
mod discovery;
pub mod filter;
mod json;
pub mod limits;
mod list;
mod members;
pub mod patch;
pub mod path;
mod projection;
mod query;
pub mod refusal;
mod resource;
mod response;
mod route;
pub mod schema;
mod show;
mod tags;
mod unique;
mod write;

use crate::id::Id;
use crate::model::{Kind, Source};
use crate::name::Address;
use crate::routes::Routes;
use crate::store::{Owner, Transaction};
use crate::time::Timestamp;

pub use derived::{Derived, Step, addresses_in, derive, derived_by};
pub use json::object;
use refusal::Refusal;
pub use response::{Body, CONTENT_TYPE, Response};
use route::Route;

/// What of an HTTP request matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'r> {
    /// The method, in capitals.
    pub method: &'r str,
    /// The path behind the source's base URL, as it came.
    pub path: &'r str,
    /// What follows the `?`.
    pub query: &'r str,
    /// `Content-Type`.
    pub content_type: Option<&'r str>,
    /// `If-Match`.
    pub if_match: Option<&'r str>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'r str>,
    /// The body.
    pub body: &'r [u8],
}

/// Whose request it is, and what it meets here.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// The source that sends it, as it was authenticated.
    pub source: &'c Source,
    /// The public URL of the source's endpoint, without a slash at the end.
    pub base_url: &'c str,
    /// The addresses that the configuration gives away.
    pub routes: &'c Routes,
    /// What time it is.
    pub now: Timestamp,
    /// An id that was just drawn at random, for what is created.
    pub fresh: Id,
}

/// What comes of a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What the client is told.
    pub response: Response,
    /// What becomes of the transaction.
    pub effect: Effect,
    /// What the operator is told.
    pub notes: Vec<Note>,
}

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Nothing was written.
    Nothing,
    /// It was written, and the answer holds once it is kept.
    Commit,
    /// The store failed: whatever was written has to be undone.
    RollBack,
}

/// What the operator is told of a request: the audit, and what only somebody who sees all sources can judge.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// A resource changed: as JSON before and after, without members; neither where there was nothing, or is no more.
    Changed {
        /// What it is.
        kind: Kind,
        /// Its id.
        id: Id,
        /// What it was.
        before: Option<String>,
        /// What it is.
        after: Option<String>,
        /// How many members came and went.
        members: usize,
    },
    /// An account has other addresses, since its source has other domains; the mailbox comes first.
    Derived {
        /// Its id.
        id: Id,
        /// What it had.
        before: Vec<Address>,
        /// What it has.
        after: Vec<Address>,
    },
    /// Somebody who was deleted is back, with the id and the mailbox of before.
    Returned {
        /// The id.
        id: Id,
    },
    /// An address was refused, for another has it, or what it is an extension of, or an extension of it.
    AddressTaken {
        /// The address.
        address: Address,
        /// What of it the other has.
        held: String,
        /// Whose it is; nobody's if it is a list of the configuration.
        owner: Option<Owner>,
    },
    /// An address is somebody else's now: what is stored under its name must not be.
    AddressReused {
        /// The address.
        address: Address,
        /// Who had it.
        before: Owner,
        /// Who has it.
        now: Id,
    },
}

/// A request while it is answered.
struct Call<'c> {
    request: Request<'c>,
    context: Context<'c>,
    store: &'c mut dyn Transaction,
    notes: Vec<Note>,
    has_written: bool,
}

/// Answers a request.
pub fn answer(request: Request<'_>, context: Context<'_>, store: &mut dyn Transaction) -> Answer {
    let mut call = Call::new(request, context, store);
    let result = call.answer();
    let effect = match (&result, call.has_written) {
        (_, false) => Effect::Nothing,
        (Ok(_), true) => Effect::Commit,
        (Err(_), true) => Effect::RollBack,
    };
    let mut notes = call.notes;
    if effect == Effect::RollBack {
        notes.clear();
    }
    let response = result.unwrap_or_else(|refusal| Response::refusal(&refusal));
    Answer {
        response,
        effect,
        notes,
    }
}

impl<'c> Call<'c> {
    fn new(request: Request<'c>, context: Context<'c>, store: &'c mut dyn Transaction) -> Self {
        Self {
            request,
            context,
            store,
            notes: Vec::new(),
            has_written: false,
        }
    }

    fn answer(&mut self) -> Result<Response, Refusal> {
        let route = Route::parse(self.request.path)?;
        match (route, self.request.method) {
            (Route::Discovery(document), "GET") => {
                discovery::answer(&document, self.request.query, self.context.base_url)
            }
            (Route::Resources(kind), "GET") => self.list(kind),
            (Route::Resources(kind), "POST") => self.create(kind),
            (Route::Search(kind), "POST") => self.search(&[kind]),
            (Route::SearchAll, "POST") => self.search(&[Kind::Account, Kind::Group]),
            (Route::Resource(kind, id), "GET") => self.read(kind, &id),
            (Route::Resource(kind, id), "PUT") => self.replace(kind, &id),
            (Route::Resource(kind, id), "PATCH") => self.patch(kind, &id),
            (Route::Resource(kind, id), "DELETE") => self.delete(kind, &id),
            _ => Err(Refusal::of_status(
                405,
                "the method is not one of this resource's",
            )),
        }
    }
}
