//! Who changed which account, and how. Of these lines none is left out: there is one a change.
//!
//! They hold what SCIM shows of an account, names and addresses among it, but nothing secret: what a `password` holds is
//! dropped where it is read.

use gatepost_accounts::app_password::PasswordId;
use gatepost_accounts::id::Id;
use gatepost_accounts::index::Entry;
use gatepost_accounts::login::Binding;
use gatepost_accounts::model::{Kind, Source, SourceId};
use gatepost_accounts::name::Address;
use gatepost_accounts::routes::List;
use gatepost_accounts::scim::Note;

use super::UNLIMITED;

/// Who has changed something.
pub(crate) struct By<'b> {
    /// The source whose accounts they are.
    pub(crate) source: &'b str,
    /// The label of the secret that it showed, or what else it was.
    pub(crate) actor: &'b str,
    /// All sources, to name owners.
    pub(crate) sources: &'b [Source],
}

impl By<'_> {
    fn name(&self, owner: SourceId) -> &str {
        source_name(self.sources, owner)
    }
}

fn source_name(sources: &[Source], id: SourceId) -> &str {
    let mut sources = sources.iter();
    let owner = sources.find(|source| source.id == id);
    owner.map_or("one that is not configured", |source| &source.name)
}

/// What it is called.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Account => "account",
        Kind::Group => "group",
    }
}

/// Writes the line of a note.
pub(crate) fn note(by: &By<'_>, note: &Note) {
    let (source, actor) = (by.source, by.actor);
    match note {
        Note::Changed {
            kind,
            id,
            before,
            after,
            members,
        } => {
            let (kind, id) = (kind_name(*kind), id.to_string());
            let (before, after) = (before.as_deref(), after.as_deref());
            tracing::info!(
                target: UNLIMITED, source, actor, kind, id, before, after, members, "account changed"
            );
        }
        Note::Derived { id, before, after } => {
            let (id, before, after) = (id.to_string(), joined(before), joined(after));
            tracing::info!(
                target: UNLIMITED, source, actor, id, before, after,
                "account has other addresses: its source has other domains"
            );
        }
        Note::Returned { id } => {
            let id = id.to_string();
            tracing::info!(target: UNLIMITED, source, actor, id, "account is back");
        }
        Note::AddressTaken {
            address,
            held,
            owner,
        } => {
            let address = address.as_str();
            let owner_source = owner.map(|owner| by.name(owner.source));
            let owner = owner.map(|owner| owner.account.to_string());
            tracing::warn!(
                source,
                actor,
                address,
                held,
                owner,
                owner_source,
                "address refused: another account has it, or a list"
            );
        }
        Note::AddressReused {
            address,
            before,
            now,
        } => {
            let (address, id) = (address.as_str(), now.to_string());
            let (former, former_source) = (before.account.to_string(), by.name(before.source));
            tracing::warn!(
                target: UNLIMITED, source, actor, address, id, former, former_source,
                "address has another account now: what is stored under its name is the former one's"
            );
        }
        _ => {}
    }
}

fn joined(addresses: &[Address]) -> String {
    let addresses: Vec<_> = addresses.iter().map(Address::as_str).collect();
    addresses.join(" ")
}

/// Writes the line of a list whose address has been an account's before, in whole or in part.
pub(crate) fn list_taken(sources: &[Source], list: &List, (address, owner): (&str, &Entry)) {
    let (source, group) = (source_name(sources, list.source), &*list.group);
    let owner_source = source_name(sources, owner.source());
    let owner = owner.id().to_string();
    tracing::warn!(
        source,
        group,
        address,
        owner,
        owner_source,
        "list not reached: an account has its address, and gets its mail"
    );
}

/// Writes the line of an application password that was `done` so, "added" or "revoked", by an administrator.
pub(crate) fn app_password(
    source: &Source,
    account: Id,
    (password, label): (PasswordId, &str),
    done: &'static str,
) {
    let (source, actor, id) = (&*source.name, "gatepost app-password", account.to_string());
    tracing::info!(
        target: UNLIMITED, source, actor, id, app_password = password.0, label, done,
        "application password changed"
    );
}

/// Writes the line of an account that is a token's subject's from now on.
pub(crate) fn bound(sources: &[Source], binding: &Binding) {
    let mut sources = sources.iter();
    let source = sources.find(|source| source.id == binding.source);
    let source = source.map(|source| &*source.name);
    let (id, subject) = (binding.account.to_string(), &*binding.subject);
    let address = &*binding.address;
    tracing::info!(
        target: UNLIMITED, source, actor = "login", id, subject, address, "account bound to a subject"
    );
}
