//! Logins: which account a good token opens, and how one comes to have it.
//!
//! [`find`] reads the index alone. What it cannot settle without a write, a transaction settles: [`bind`] gives an
//! account to the subject of a token, once and for good, and [`create`] makes one.

use serde_json::json;

use crate::id::Id;
use crate::index::{Entry, Index};
use crate::model::{Kind, Resource, Source, SourceId};
use crate::name::{Address, domain, fold};
use crate::routes::Routes;
use crate::scim::{self, Answer, Context, Effect};
use crate::store::{Key, Transaction, Unavailable};

/// Whose token it is, as the core has judged it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct User<'u> {
    /// The token's `sub`.
    pub subject: Option<&'u str>,
    /// The name that the token gives its user.
    pub name: &'u str,
    /// The token's address, where its provider has verified it.
    pub address: Option<&'u str>,
}

/// How tokens are joined to the accounts of a source.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Join {
    /// The source calls an account what its provider's tokens call its user.
    #[default]
    Subject,
    /// As before, or else by a verified address, once: the account is the subject's from then on.
    Address,
}

/// What a good token does whose user has no account.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Strangers {
    /// It is refused.
    #[default]
    Refuse,
    /// It logs in under its own name.
    Allow,
    /// It gets an account.
    Create,
}

/// Whose account a token opens.
#[derive(Clone, Copy, Debug)]
pub enum Found<'i> {
    /// This one.
    Known(&'i Entry),
    /// This one, once [`bind`] has given it to the subject.
    Unbound(&'i Entry),
    /// None so far: [`create`] makes one, of the source at this place.
    Missing(usize),
    /// None, and it logs in under its own name.
    Stranger,
    /// None, and it is refused.
    Unknown,
    /// None, and its name is an address of somebody else's.
    AddressTaken,
}

/// Finds the account of `user`, whose provider's tokens open accounts of `sources`.
#[must_use]
pub fn find<'i>(
    (index, routes): (&'i Index, &Routes),
    sources: &[(&Source, Join)],
    strangers: Strangers,
    user: &User<'_>,
) -> Found<'i> {
    let known = user.subject.and_then(|subject| {
        // Where an address joins them, the source calls nobody as tokens do.
        let is_its = |entry: &Entry, join: Join| {
            join == Join::Subject || entry.subject().is_none_or(|bound| bound == subject)
        };
        let mut sources = sources.iter();
        sources.find_map(|(source, join)| {
            let entry = index.by_subject(source.id, subject);
            entry.filter(|entry| is_its(entry, *join))
        })
    });
    if let Some(known) = known {
        return Found::Known(known);
    }
    let addressed = user.address.and_then(|address| index.by_address(address));
    let is_joined = |entry: &Entry| {
        let mut sources = sources.iter();
        sources.any(|(source, join)| source.id == entry.source() && *join == Join::Address)
    };
    if let Some(entry) = addressed
        && user.subject.is_some()
        && entry.subject().is_none()
        && is_joined(entry)
    {
        return Found::Unbound(entry);
    }
    let name = fold(user.name);
    let mut held = routes.with_base(&name);
    if held.any(|name| index.by_address(&name).is_some() || routes.has(&name)) {
        return Found::AddressTaken;
    }
    match strangers {
        Strangers::Refuse => Found::Unknown,
        Strangers::Allow => Found::Stranger,
        Strangers::Create => {
            let mut all = sources.iter();
            let place = all.position(|(source, _)| source.domains.contains(domain(&name)));
            let place = place.filter(|_| user.subject.is_some());
            place.map_or(Found::Unknown, Found::Missing)
        }
    }
}

/// An account that is to be a subject's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Binding {
    /// The source that owns it.
    pub source: SourceId,
    /// Its id.
    pub account: Id,
    /// Whose it is to be.
    pub subject: String,
    /// The address by which it was found.
    pub address: String,
}

/// Gives an account to a subject, unless either has been given away meanwhile. Its source sees nothing of it but a new
/// version.
///
/// # Errors
/// [`Unavailable`]: it cannot be told, or is not kept.
pub fn bind(store: &mut dyn Transaction, binding: &Binding) -> Result<Effect, Unavailable> {
    let (kind, source) = (Kind::Account, binding.source);
    let subject = &*binding.subject;
    for key in [Key::Subject(subject), Key::ExternalId(subject)] {
        if !store.find(kind, source, key, 1)?.is_empty() {
            return Ok(Effect::Nothing);
        }
    }
    let found = store.find(kind, source, Key::Id(binding.account), 1)?;
    let Some(mut record) = found.into_iter().next() else {
        return Ok(Effect::Nothing);
    };
    let Resource::Account(account) = &mut record.resource else {
        return Ok(Effect::Nothing);
    };
    let address = fold(&binding.address);
    let is_its_own = account.addresses().any(|one| one.as_str() == address);
    if account.subject.is_some() || !is_its_own {
        return Ok(Effect::Nothing);
    }
    account.subject = Some(subject.to_owned());
    store.update(&record)?;
    Ok(Effect::Commit)
}

/// Makes an account for `user`, as though its source had pushed it; `None` where nobody may have one by that name: it
/// is no address of the source's, the source has deleted the user, or the address was somebody else's, whose mail is
/// still stored under it.
///
/// # Errors
/// [`Unavailable`]: it cannot be told, or is not kept.
pub fn create(
    store: &mut dyn Transaction,
    context: Context<'_>,
    user: &User<'_>,
) -> Result<Option<Answer>, Unavailable> {
    let source = context.source;
    let (Some(subject), Ok(address)) = (user.subject, Address::parse(user.name)) else {
        return Ok(None);
    };
    let is_gone = store.returned(Kind::Account, source.id, subject)?.is_some();
    let was_owned = store.former_owner(address.as_str())?.is_some();
    if is_gone || was_owned || !source.domains.contains(address.domain()) {
        return Ok(None);
    }
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": address.as_str(),
        "externalId": subject,
    });
    let body = body.to_string();
    let request = scim::Request {
        method: "POST",
        path: "/Users",
        content_type: Some(scim::CONTENT_TYPE),
        body: body.as_bytes(),
        ..scim::Request::default()
    };
    let answer = scim::answer(request, context, store);
    let is_made = answer.effect == Effect::Commit;
    // What a store cannot answer now is no refusal.
    if answer.response.status >= 500 {
        return Err(Unavailable);
    }
    Ok(Some(answer).filter(|_| is_made))
}
