//! What requests about large groups and many users cost, with a store in memory: printed, and bounded far above what
//! is printed, since others may use the machine.
//!
//! `cargo test --release -p gatepost-accounts --test large -- --nocapture`

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

use gatepost_accounts::id::Id;
use gatepost_accounts::memory::Memory;
use gatepost_accounts::model::{Account, Life, Resource, Source, SourceId};
use gatepost_accounts::name::Address;
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::{self, Answer, Context, Effect, Request};
use gatepost_accounts::store::{Record, Transaction};
use gatepost_accounts::time::Timestamp;
use serde_json::json;

const MEMBERS: u64 = 100_000;
const SOURCE: SourceId = SourceId(1);

fn id(number: u64) -> Id {
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Id::from_bytes(spread.to_be_bytes())
}

/// Nanoseconds that this thread has had a processor for.
fn busy() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat");
    let stat = stat.unwrap_or_default();
    let first = stat.split(' ').next().and_then(|first| first.parse().ok());
    first.unwrap_or_default()
}

/// Prints what `work` takes.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let began = busy();
    let done = work();
    println!("{what}: {} us", (busy() - began) / 1_000);
    done
}

fn user(number: u64) -> Record {
    let user_name = format!("user{number}@example.org");
    let document = json!({
        "userName": user_name,
        "externalId": number.to_string(),
        "active": true,
        "emails": [{"value": user_name, "type": "work", "primary": true}],
    });
    let now = Timestamp::from_millis(0);
    let account = Account {
        id: id(number),
        source: SOURCE,
        external_id: Some(number.to_string()),
        subject: None,
        mailbox: Address::parse(&user_name).ok(),
        user_name,
        display_name: None,
        aliases: Vec::new(),
        active: true,
        quota: None,
        forwarding: Vec::new(),
        life: Life {
            created: now,
            modified: now,
            version: 0,
            position: 0,
            deleted: None,
        },
    };
    Record {
        resource: Resource::Account(account),
        document: document.to_string(),
        emails: Vec::new(),
    }
}

fn send(store: &mut Memory, fresh: u64, method: &str, path: &str, body: &str) -> Answer {
    let source = Source {
        id: SOURCE,
        name: "idp".to_owned(),
        domains: ["example.org"].into_iter().collect(),
    };
    let request = Request {
        method,
        path,
        body: body.as_bytes(),
        ..Request::default()
    };
    let context = Context {
        source: &source,
        base_url: "https://mail.example.org/scim/idp",
        routes: &Routes::new(),
        now: Timestamp::from_millis(0),
        fresh: id(fresh),
    };
    scim::answer(request, context, store)
}

fn members(op: &str, numbers: std::ops::Range<u64>) -> String {
    let members: Vec<_> = numbers
        .map(|number| json!({"$ref": null, "value": id(number).to_string()}))
        .collect();
    json!({"Operations": [{"op": op, "path": "members", "value": members}]}).to_string()
}

#[test]
fn a_group_of_a_hundred_thousand_is_edited_and_read_in_pieces() {
    let mut store = Memory::new();
    for number in 0..MEMBERS + 1_000 {
        store.insert(&user(number)).unwrap();
    }
    let group = id(u64::MAX);
    let created = send(
        &mut store,
        u64::MAX,
        "POST",
        "/Groups",
        r#"{"displayName":"all"}"#,
    );
    assert_eq!(created.response.status, 201);
    let all: Vec<_> = (0..MEMBERS).map(id).collect();
    store.edit_members(group, &all, &[]).unwrap();
    let url = format!("/Groups/{group}");
    let add = members("Add", MEMBERS..MEMBERS + 1_000);
    let added = timed("PATCH that adds 1000 members to 100000", || {
        send(&mut store, 1, "PATCH", &url, &add)
    });
    assert_eq!((added.response.status, added.effect), (204, Effect::Commit));
    let again = timed("the same again", || {
        send(&mut store, 1, "PATCH", &url, &add)
    });
    assert_eq!(
        (again.response.status, again.effect),
        (204, Effect::Nothing)
    );
    let remove = members("Remove", 0..1_000);
    let removed = timed("PATCH that removes 1000 members", || {
        send(&mut store, 1, "PATCH", &url, &remove)
    });
    assert_eq!(removed.response.status, 204);
    let read = timed("GET of the group", || send(&mut store, 1, "GET", &url, ""));
    let (mut largest, mut length) = (0, 0);
    timed("its body, in chunks", || {
        for chunk in read.response.body.chunks() {
            largest = largest.max(chunk.len());
            length += chunk.len();
        }
    });
    println!("{length} bytes in chunks of {largest} at most");
    assert!(largest < 256 << 10 && length > 10_000_000);
    let whole: serde_json::Value = serde_json::from_str(&read.response.body.text()).unwrap();
    assert_eq!(whole["members"].as_array().map(Vec::len), Some(100_000));
}

#[test]
fn many_users_come_one_by_one() {
    let mut store = Memory::new();
    let bodies: Vec<_> = (0..5_000).map(|number| user(number).document).collect();
    timed("5000 users created, one request each", || {
        for (number, body) in bodies.iter().enumerate() {
            let created = send(&mut store, number as u64, "POST", "/Users", body);
            assert_eq!(created.response.status, 201);
        }
    });
}
