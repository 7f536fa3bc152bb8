//! The same requests, drawn at random, get the same answers from a store in memory and from SQLite, and make the same
//! changes in the same order.

use gatepost_accounts::id::Id;
use gatepost_accounts::memory::Memory;
use gatepost_accounts::model::Kind;
use gatepost_accounts::scim::Effect;
use gatepost_accounts::store::{Key, Transaction, Unavailable};
use gatepost_accounts::time::Timestamp;
use serde_json::{Value, json};

use crate::both::{Keeps, Kept, Numbers, SOURCES, Sent, id, now};

/// Few enough to meet again and again.
const PEOPLE: usize = 12;

fn user_body(numbers: &mut Numbers) -> Value {
    let person = numbers.below(PEOPLE);
    let other = numbers.below(PEOPLE);
    json!({
        "userName": format!("P{person}@example.org"),
        "externalId": format!("x{}", numbers.below(PEOPLE)),
        "active": numbers.below(2) == 0,
        "displayName": format!("P {other}"),
        "emails": [
            {"value": format!("p{person}@Example.org"), "primary": true},
            {"value": format!("p{other}@example.net"), "type": "work"},
            {"value": format!("p{other}@elsewhere.example")},
        ],
        "urn:gatepost:params:scim:schemas:extension:mail:2.0:User":
            {"quota": numbers.below(9), "forwarding": [format!("f{other}@elsewhere.example")]},
    })
}

/// Members that may be no users, or gone.
fn members(numbers: &mut Numbers, drawn: &[Id]) -> Value {
    let number = numbers.below(5);
    let members = (0..number).map(|_| json!({"value": numbers.one_of(drawn).to_string()}));
    members.collect()
}

fn group_body(numbers: &mut Numbers, drawn: &[Id]) -> Value {
    let name = format!("Group {}", numbers.below(6));
    json!({"displayName": name, "members": members(numbers, drawn)})
}

fn patch(numbers: &mut Numbers, kind: &str, drawn: &[Id]) -> Value {
    let op = *numbers.one_of(&["add", "remove", "replace"]);
    let person = numbers.below(PEOPLE);
    let path = match kind {
        "Groups" => *numbers.one_of(&["members", "displayName", "externalId"]),
        _ => *numbers.one_of(&["active", "emails", "displayName", "userName", "externalId"]),
    };
    let value = match path {
        "members" => members(numbers, drawn),
        "active" => json!(person < PEOPLE / 2),
        "emails" => json!([{"value": format!("p{person}@example.net")}]),
        "userName" => json!(format!("p{person}@example.org")),
        _ => json!(format!("x{person}")),
    };
    json!({"Operations": [{"op": op, "path": path, "value": value}]})
}

fn query(numbers: &mut Numbers) -> String {
    let person = numbers.below(PEOPLE);
    match numbers.below(6) {
        0 => format!("filter=userName%20eq%20%22p{person}@example.org%22"),
        1 => format!("filter=externalId%20eq%20%22x{person}%22"),
        2 => format!("filter=emails.value%20eq%20%22p{person}@example.net%22"),
        3 => format!("startIndex={}&count=3", numbers.below(9)),
        4 => "filter=displayName%20sw%20%22P%22&count=4".to_owned(),
        _ => "count=0".to_owned(),
    }
}

fn drawn_request(numbers: &mut Numbers, at: u64, drawn: &[Id]) -> Sent {
    let kind = *numbers.one_of(&["Users", "Users", "Groups"]);
    let one = format!("/{kind}/{}", numbers.one_of(drawn));
    let (method, url, body) = match numbers.below(10) {
        0..=3 if kind == "Users" => ("POST", "/Users".to_owned(), user_body(numbers)),
        0..=2 => ("POST", "/Groups".to_owned(), group_body(numbers, drawn)),
        4 if kind == "Users" => ("PUT", one, user_body(numbers)),
        3 | 4 => ("PUT", one, group_body(numbers, drawn)),
        5 | 6 => ("PATCH", one, patch(numbers, kind, drawn)),
        7 => ("DELETE", one, Value::Null),
        8 => ("GET", one, Value::Null),
        _ => ("GET", format!("/{kind}?{}", query(numbers)), Value::Null),
    };
    Sent {
        source: *numbers.one_of(&SOURCES),
        method,
        url,
        body: if body.is_null() {
            String::new()
        } else {
            body.to_string()
        },
        fresh: id(at),
        now: Timestamp::from_millis(now().millis() + i64::try_from(at).unwrap()),
    }
}

/// What is seen of an answer.
type Seen = (u16, String, Option<String>, Effect, String);

fn seen(sent: &Sent, transaction: &mut dyn Transaction) -> Seen {
    let answer = sent.answer(transaction);
    let response = answer.response;
    let notes = format!("{:?}", answer.notes);
    (
        response.status,
        response.body.text(),
        response.etag,
        answer.effect,
        notes,
    )
}

fn send(store: &mut impl Keeps, sent: &Sent) -> Seen {
    let sent = sent.clone();
    let answered = store.work(move |transaction| {
        let seen = seen(&sent, transaction);
        (seen.3, seen)
    });
    answered.expect("the store is available")
}

/// What the trait's questions say of everything that can be asked for.
fn asked(transaction: &mut dyn Transaction, drawn: &[Id]) -> Result<Vec<String>, Unavailable> {
    let mut told = Vec::new();
    for source in SOURCES {
        for kind in [Kind::Account, Kind::Group] {
            told.push(format!("{:?}", transaction.after(kind, source, 0, 1_000)?));
            told.push(format!("{:?}", transaction.page(kind, source, 2, 3)?));
            told.push(format!("{}", transaction.count(kind, source)?));
            for person in 0..PEOPLE {
                let external_id = format!("x{person}");
                let email = format!("p{person}@example.net");
                for key in [Key::ExternalId(&external_id), Key::Email(&email)] {
                    told.push(format!("{:?}", transaction.find(kind, source, key, 5)?));
                }
                told.push(format!(
                    "{:?}",
                    transaction.returned(kind, source, &external_id)?
                ));
            }
        }
        told.push(format!("{:?}", transaction.unknown(source, drawn)?));
    }
    for person in 0..PEOPLE {
        for domain in ["org", "net"] {
            let address = format!("p{person}@example.{domain}");
            let owner = transaction.owner(&address)?;
            // Whoever has it is not asked for whoever had it before.
            let former = match owner {
                None => transaction.former_owner(&address)?,
                Some(_) => None,
            };
            told.push(format!("{owner:?} {former:?}"));
        }
    }
    for id in drawn {
        told.push(format!("{:?}", transaction.members(*id, None, 1_000)?));
        told.push(format!("{:?}", transaction.groups_of(*id, 1_000)?));
    }
    Ok(told)
}

#[test]
fn the_same_requests_get_the_same_answers_and_make_the_same_changes() {
    let rounds = 5;
    let (mut good, mut refused) = (0, 0);
    for round in 1..=rounds {
        let mut numbers = Numbers(round * 7_919);
        let (mut memory, mut kept) = (Memory::new(), Kept::new());
        let mut drawn = vec![id(1_000_000)];
        for at in 0..300 {
            let sent = drawn_request(&mut numbers, at, &drawn);
            let expected = send(&mut memory, &sent);
            assert_eq!(send(&mut kept, &sent), expected, "round {round}: {sent:?}");
            if sent.method == "POST" && expected.0 == 201 {
                drawn.push(sent.fresh);
            }
            match expected.0 {
                200..300 => good += 1,
                _ => refused += 1,
            }
        }
        assert_eq!(kept.heard.changes(), memory.changes(), "round {round}");
        let (of_memory, of_kept) = (drawn.clone(), drawn);
        let of_memory = memory.work(move |store| (Effect::Nothing, asked(store, &of_memory)));
        kept.reopen();
        let of_kept = kept.work(move |store| (Effect::Nothing, asked(store, &of_kept)));
        let (of_memory, of_kept) = (of_memory.unwrap().unwrap(), of_kept.unwrap().unwrap());
        for (of_memory, of_kept) in of_memory.iter().zip(&of_kept) {
            assert_eq!(of_kept, of_memory, "round {round}");
        }
    }
    assert!(good > 300 && refused > 100, "{good}, {refused}");
}
