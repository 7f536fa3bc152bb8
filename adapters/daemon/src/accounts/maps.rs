//! What Postfix's maps have of the accounts.

use gatepost_accounts::index::Index;
use gatepost_accounts::name::{domain, fold};
use gatepost_accounts::routes::Routes;
use gatepost_mail::socketmap::{Addresses, Delimiters, Known, Map};

use super::Held;

/// Most members of a list that Postfix is told at once: its `virtual_alias_expansion_limit`, unless that is raised.
const MEMBERS: usize = 1_000;

/// Most bytes of an answer: Postfix takes 100,000 (`socketmap_table(5)`).
const MAX_VALUE: usize = 90_000;

/// Members of a part of a longer list: as many of the longest addresses as an answer has room for.
const PART: usize = 300;

impl Addresses for Held {
    fn look_up(&self, map: Map, key: &str, delimiters: &Delimiters) -> Known {
        let of = if map == Map::Domain { key } else { domain(key) };
        let may_come = self.awaits(|source| source.domains.contains(of));
        let found = self.read(|index, routes| {
            // Of a list some members may not have come yet.
            let is_in_doubt = may_come && is_list((index, routes), key, delimiters);
            (!is_in_doubt).then(|| look_up((index, routes), map, key, delimiters))
        });
        match found.flatten() {
            None => Known::Unavailable,
            Some(Known::Nobody { .. }) if may_come => Known::Unavailable,
            Some(known) => known,
        }
    }
}

/// Whether mail for `key` goes to a list, or a part of one.
fn is_list((index, routes): (&Index, &Routes), key: &str, delimiters: &Delimiters) -> bool {
    let key = &*fold(key);
    let base = delimiters.without_extension(key);
    let mut addresses = [Some(key), base.as_deref()].into_iter().flatten();
    let known = addresses
        .find(|address| index.by_address(address).is_some() || routes.list(address).is_some());
    routes.part(key).is_some() || known.is_some_and(|one| index.by_address(one).is_none())
}

fn look_up(
    (index, routes): (&Index, &Routes),
    map: Map,
    key: &str,
    delimiters: &Delimiters,
) -> Known {
    let key = &*fold(key);
    if map == Map::Domain {
        let is_known = index.domain(key);
        return if is_known {
            Known::Value(key.to_owned())
        } else {
            Known::Nobody { catch_all: None }
        };
    }
    let knows =
        |address: &str| index.by_address(address).is_some() || routes.list(address).is_some();
    let base = delimiters.without_extension(key);
    let address = [Some(key), base.as_deref()].into_iter().flatten();
    // Also where an account has its address from before there was the list.
    if let Some(value) = part(index, routes, key).filter(|_| map == Map::Alias) {
        return Known::Value(value);
    }
    let Some(address) = address.into_iter().find(|address| knows(address)) else {
        let catch_all = routes.catch_all(domain(key)).filter(|_| map == Map::Alias);
        return Known::Nobody {
            catch_all: catch_all.map(ToString::to_string),
        };
    };
    let value = match map {
        Map::Mailbox => index
            .mailbox(address)
            .and_then(|entry| entry.mailbox().map(str::to_owned)),
        Map::Alias => targets(address, &index.aliases(address)),
        Map::SenderLogin => joined(&index.may_send_as(address)),
        Map::Domain => None,
    };
    value.map_or(Known::Nothing, Known::Value)
}

/// Where mail for `address` goes: to its targets, or, where these are too many for one answer, to parts of the list.
fn targets(address: &str, targets: &[&str]) -> Option<String> {
    let length: usize = targets.iter().map(|target| target.len() + 1).sum();
    if targets.len() <= MEMBERS && length <= MAX_VALUE {
        return joined(targets);
    }
    let parts = 0..targets.len().div_ceil(PART);
    let parts: Vec<_> = parts
        .filter_map(|number| Routes::part_of(address, number))
        .collect();
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    joined(&parts)
}

/// The members of a part of a list, if `key` names one.
fn part(index: &Index, routes: &Routes, key: &str) -> Option<String> {
    let (list, number) = routes.part(key)?;
    let members = index.aliases(list.address.as_str());
    joined(members.chunks(PART).nth(number)?)
}

/// As many as an answer has room for, with commas between them; `None` where there are none.
fn joined(addresses: &[&str]) -> Option<String> {
    let mut value = String::new();
    for address in addresses {
        if value.len() + address.len() >= MAX_VALUE {
            break;
        }
        if !value.is_empty() {
            value.push(',');
        }
        value += address;
    }
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use gatepost_accounts::id::Id;
    use gatepost_accounts::model::{Account, Change, Event, Group, Life, Resource, SourceId};
    use gatepost_accounts::name::Address;
    use gatepost_accounts::routes::List;
    use gatepost_accounts::time::Timestamp;

    use super::*;

    const IDP: SourceId = SourceId(1);

    fn id(number: u128) -> Id {
        Id::from_bytes(number.to_be_bytes())
    }

    /// A list of that many members.
    fn list(members: u128) -> (Index, Routes) {
        let mut routes = Routes::new();
        routes.add_list(List {
            source: IDP,
            group: "All".to_owned(),
            address: Address::parse("all@example.com").unwrap(),
            may_members_send: true,
        });
        let mut index = Index::new(routes.clone());
        let life = Life {
            created: Timestamp::from_millis(0),
            modified: Timestamp::from_millis(0),
            version: 1,
            position: 1,
            deleted: None,
        };
        let mut put = |event| index.apply(&Change { sequence: 1, event });
        for number in 1..=members {
            put(Event::Put(Resource::Account(Account {
                id: id(number),
                source: IDP,
                external_id: None,
                subject: None,
                user_name: number.to_string(),
                display_name: None,
                mailbox: Some(Address::parse(&format!("u{number}@example.com")).unwrap()),
                aliases: Vec::new(),
                active: true,
                quota: None,
                forwarding: Vec::new(),
                life,
            })));
        }
        put(Event::Put(Resource::Group(Group {
            id: id(0),
            source: IDP,
            external_id: None,
            display_name: "all".to_owned(),
            life,
        })));
        put(Event::Members {
            group: id(0),
            added: (1..=members).map(id).collect(),
            removed: Vec::new(),
        });
        (index, routes)
    }

    fn asked((index, routes): &(Index, Routes), map: Map, key: &str) -> Vec<String> {
        match look_up((index, routes), map, key, &Delimiters::default()) {
            Known::Value(value) => value.split(',').map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_list_that_is_too_long_for_postfix_is_told_in_parts() {
        for members in [1_000, 1_001, 2_999] {
            let list = list(members);
            let first = asked(&list, Map::Alias, "all@example.com");
            if members == 1_000 {
                assert_eq!(first.len(), 1_000);
                continue;
            }
            assert_eq!(first[0], "all~0@example.com");
            let parts = first.iter().map(|part| asked(&list, Map::Alias, part));
            let mut all: Vec<String> = parts.flatten().collect();
            all.sort();
            all.dedup();
            assert_eq!(all.len() as u128, members);
            for nobody in [
                "all~10@example.com",
                "all~x@example.com",
                "u1~0@example.com",
            ] {
                assert!(asked(&list, Map::Alias, nobody).is_empty(), "{nobody}");
            }
        }
    }

    #[test]
    fn no_answer_is_longer_than_postfix_takes() {
        let list = list(9_000);
        let senders = asked(&list, Map::SenderLogin, "all@example.com");
        assert!(senders.len() > 5_000);
        assert!(senders.join(",").len() < 100_000);
    }
}
