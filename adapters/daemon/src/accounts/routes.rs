//! What the configuration adds to accounts: lists and catch-alls.

use gatepost_accounts::index::Cursor;
use gatepost_accounts::model::Source;
use gatepost_accounts::routes::{List, Routes};
use gatepost_mail::socketmap::Delimiters;

use super::Held;
use crate::config::AccountSettings;
use crate::log::audit;

/// What the configuration adds to accounts.
pub(crate) fn routes(
    settings: &AccountSettings,
    delimiters: &Delimiters,
    sources: &[Source],
) -> Routes {
    let mut routes = Routes::new();
    routes.delimiters = delimiters.clone();
    routes.refuses_inactive = settings.refuses_disabled();
    for list in &settings.lists {
        let source = sources.iter().find(|source| *source.name == *list.source);
        if let Some(source) = source {
            routes.add_list(List {
                source: source.id,
                group: list.group.to_string(),
                address: list.address.get().clone(),
                may_members_send: list.members_may_send,
            });
        }
    }
    for (domain, target) in settings.catch_alls() {
        routes.add_catch_all(domain, target.clone());
    }
    routes
}

/// Tells which addresses of lists have been accounts' before: they stay so, and the lists get no mail there.
pub(super) fn tell_taken_lists(held: &Held, sources: &[Source], routes: &Routes) {
    if !routes.has_lists() {
        return;
    }
    held.loaded(|index| {
        for (_, entry) in index.matching("*", Cursor::default()) {
            for address in entry.addresses() {
                for held in routes.with_base(address) {
                    if let Some(list) = routes.owner(&held) {
                        audit::list_taken(sources, list, (address, entry));
                    }
                }
            }
        }
    });
}
