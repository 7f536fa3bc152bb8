//! Pages that shift while they are read, users who move between them, and answers that are drawn at random: nobody who
//! is there all the time is ever deleted, and once all is quiet the store holds what the provider does.

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};

use gatepost_accounts::pull::Event;
use serde_json::json;

use crate::lab::{Lab, Page, user};

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

fn sorted_ids(users: &[serde_json::Value]) -> Vec<String> {
    let ids: BTreeSet<_> = users
        .iter()
        .map(|user| user["id"].as_str().unwrap().to_owned())
        .collect();
    ids.into_iter().collect()
}

#[test]
fn who_is_skipped_because_pages_shift_is_not_deleted() {
    let mut lab = Lab::of(&["a", "b", "c", "d", "e", "f", "g"]);
    // The first one goes once the first page has been read: "d" is on no page.
    let mut pages = 0;
    lab.provider.between = Some(Box::new(move |users| {
        pages += 1;
        if pages == 2 {
            users.remove(0);
        }
    }));
    lab.provider.promise = |_| json!(null);
    lab.pulled();
    assert!(lab.ids().contains(&"d".to_owned()), "{:?}", lab.ids());
    lab.pulled();
    assert_eq!(lab.ids(), ["b", "c", "d", "e", "f", "g"]);
}

#[test]
fn who_moves_to_a_page_that_has_been_read_is_not_deleted() {
    let mut lab = Lab::of(&["a", "b", "c", "d", "e", "f", "g"]);
    let mut pages = 0;
    lab.provider.between = Some(Box::new(move |users| {
        pages += 1;
        if pages == 2 {
            // One goes and one takes its place, so that nothing else shifts.
            let moved = users.pop().unwrap();
            users[0] = moved;
        }
    }));
    lab.provider.promise = |_| json!(null);
    lab.pulled();
    assert!(lab.ids().contains(&"g".to_owned()), "{:?}", lab.ids());
    lab.pulled();
    assert_eq!(lab.ids(), ["b", "c", "d", "e", "f", "g"]);
}

#[test]
fn drawn_disorder_ends_in_order_and_deletes_nobody_who_stayed() {
    for seed in 1..40 {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut lab = Lab::new();
        lab.settings.max_deleted_percent = 100;
        lab.restart();
        lab.provider.cap = 1 + numbers.below(5);
        let stay: Vec<_> = (0..12).map(|number| format!("s{number}")).collect();
        lab.provider.users = stay.iter().map(|id| user(id)).collect();
        lab.pulled();
        let mut drawn = Numbers(seed);
        let mut next = 0;
        lab.provider.between = Some(Box::new(move |users| {
            // Somebody comes somewhere, or somebody who does not stay goes; nobody moves, which a list in an order of
            // its own does not do.
            if drawn.below(3) > 0 {
                return;
            }
            if users.len() < 18 {
                let at = drawn.below(users.len() + 1);
                next += 1;
                users.insert(at, user(&format!("x{next}")));
            }
            let of_few = users
                .iter()
                .position(|one| one["id"].as_str().unwrap().starts_with('x'));
            if let Some(place) = of_few
                && drawn.below(2) == 0
            {
                users.remove(place);
            }
        }));
        for _ in 0..4 {
            match lab.turn() {
                Event::Pulled(_) | Event::Failed(_) => {}
                event => panic!("{event:?}"),
            }
            let ids: BTreeSet<_> = lab.ids().into_iter().collect();
            let missing: Vec<_> = stay.iter().filter(|id| !ids.contains(*id)).collect();
            assert!(missing.is_empty(), "seed {seed}: {missing:?}");
        }
        lab.provider.between = None;
        lab.pulled();
        assert_eq!(lab.ids(), sorted_ids(&lab.provider.users), "seed {seed}");
    }
}

#[test]
fn who_is_on_several_pages_is_one_and_what_came_last_counts() {
    let mut lab = Lab::new();
    let mut later = user("a");
    later["active"] = json!(false);
    lab.provider.users = vec![user("a"), user("b"), user("c"), user("d"), later, user("b")];
    let report = lab.pulled();
    assert_eq!((report.users, lab.ids().len()), (4, 4));
    assert!(!lab.account("a").active);
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"Resources\":[",
    "\"totalResults\":",
    "\"id\":",
    "\"a\"",
    "\"b\"",
    "\"externalId\":",
    "\"userName\":",
    "\"x@example.org\"",
    "\"members\":",
    "{\"value\":\"a\"}",
    "null",
    "7",
    "-1",
    "1e999",
    "\"active\":",
    "false",
    "\"password\":\"p\"",
    "\"\"",
    "\"\\u0000\"",
    "{\"id\":\"c\"}",
    "{\"id\":\"d\",",
];

/// Members that are whole, so that what holds them is JSON unless one comes twice.
const MEMBERS: &[&str] = &[
    "\"active\":false",
    "\"active\":7",
    "\"externalId\":\"b\"",
    "\"externalId\":null",
    "\"userName\":\"a/b@example.org\"",
    "\"userName\":\"b@example.org\"",
    "\"emails\":[{\"value\":\"b@example.org\"}]",
    "\"emails\":\"x\"",
    "\"members\":[{\"value\":\"a\"},7,null]",
    "\"password\":\"p\"",
    "\"meta\":[]",
    "\"id\":\"b\"",
];

/// Whatever comes is read or refused. A fuzzer has the same function.
#[test]
fn every_body_is_taken_or_refused() {
    let mut numbers = Numbers(7);
    let (mut taken, mut refused) = (0, 0);
    for round in 0..600 {
        let mut lab = Lab::of(&["a", "b"]);
        let number = numbers.below(9);
        let pieces: String = (0..number)
            .map(|_| PIECES[numbers.below(PIECES.len())])
            .collect();
        let body = match round % 3 {
            0 => pieces,
            1 => format!("{{\"Resources\":[{pieces}]}}"),
            _ => {
                let members: Vec<_> = (0..3)
                    .map(|_| MEMBERS[numbers.below(MEMBERS.len())])
                    .collect();
                let members = members.join(",");
                format!("{{\"totalResults\":1,\"Resources\":[{{\"id\":\"a\",{members}}}]}}")
            }
        };
        lab.provider.instead = Some(Box::new({
            let body = body.clone();
            move |fetch| (fetch.start_index == 1).then(|| Page::of(200, &body))
        }));
        let turned = panic::catch_unwind(AssertUnwindSafe(|| lab.turn()));
        match turned.unwrap_or_else(|_| panic!("{body}")) {
            Event::Pulled(_) => taken += 1,
            _ => refused += 1,
        }
        // Half of them at most are gone.
        assert!(!lab.ids().is_empty(), "{body}");
    }
    assert!(taken > 50 && refused > 200, "{taken}, {refused}");
}
