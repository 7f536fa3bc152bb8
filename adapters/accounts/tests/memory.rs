//! What the index costs: memory counted at the allocator, and the time of a look-up.
//!
//! The times are printed, not judged: `cargo test --release -p gatepost-accounts --test memory -- --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_accounts::id::Id;
use gatepost_accounts::index::{Cursor, Index};
use gatepost_accounts::model::{Account, Change, Event, Group, Life, Resource, SourceId};
use gatepost_accounts::name::Address;
use gatepost_accounts::routes::Routes;
use gatepost_accounts::time::Timestamp;

/// Counts the bytes that are allocated, and the most that ever were.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// What the allocator of the C library takes for a block: its size and 8 bytes, in steps of 16, 32 at least.
fn taken(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

// SAFETY: every call goes to the system's allocator as it came; counting touches no heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = taken(layout.size());
        let live = LIVE.fetch_add(size, Ordering::Relaxed) + size;
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(taken(layout.size()), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const ACCOUNTS: u64 = 100_000;
const GROUPS: u64 = 1_000;
const SOURCE: SourceId = SourceId(1);

fn id(number: u64) -> Id {
    // As a random id: spread over all bits.
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Id::from_bytes(spread.to_be_bytes())
}

fn life(version: u64) -> Life {
    let now = Timestamp::from_millis(0);
    Life {
        created: now,
        modified: now,
        version,
        position: version,
        deleted: None,
    }
}

/// An account of three addresses, named by a UUID at its source as Entra and Keycloak do.
fn account(number: u64) -> Change {
    let address = |text: String| Address::parse(&text).unwrap();
    let account = Account {
        id: id(number),
        source: SOURCE,
        external_id: Some(id(number ^ 0xffff_ffff).to_string()),
        subject: None,
        user_name: format!("firstname.lastname{number:06}@example.com"),
        display_name: Some(format!("Firstname Lastname {number}")),
        mailbox: Some(address(format!(
            "firstname.lastname{number:06}@example.com"
        ))),
        aliases: vec![
            address(format!("f.lastname{number:06}@example.com")),
            address(format!("user{number:06}@mail.example.org")),
        ],
        active: true,
        quota: Some(1 << 30),
        forwarding: Vec::new(),
        life: life(number + 1),
    };
    Change {
        sequence: number + 1,
        event: Event::Put(Resource::Account(account)),
    }
}

fn group(number: u64) -> [Change; 2] {
    let group = Group {
        id: id(1_000_000 + number),
        source: SOURCE,
        external_id: None,
        display_name: format!("group {number}"),
        life: life(ACCOUNTS + number),
    };
    let (sequence, group_id) = (ACCOUNTS + number, group.id);
    let members = (number..ACCOUNTS).step_by(usize::try_from(GROUPS).unwrap());
    let event = Event::Members {
        group: group_id,
        added: members.map(id).collect(),
        removed: Vec::new(),
    };
    let put = Event::Put(Resource::Group(group));
    [put, event].map(|event| Change { sequence, event })
}

fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

fn megabytes(bytes: usize) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

/// Nanoseconds that this thread has had a processor for: others may use the machine.
fn busy() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat");
    let stat = stat.unwrap_or_default();
    stat.split(' ')
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or_default()
}

/// The mean time of `look_up` over all accounts, and of a hundred that the processor's caches have.
fn time(what: &str, mut look_up: impl FnMut(u64) -> bool) {
    let began = busy();
    let found = (0..ACCOUNTS).filter(|number| black_box(look_up(number % 100)));
    assert_eq!(found.count() as u64, ACCOUNTS, "{what}");
    let cached = (busy() - began) / ACCOUNTS;
    let began = busy();
    let found = (0..ACCOUNTS).filter(|number| black_box(look_up(number * 7_919 % ACCOUNTS)));
    assert_eq!(found.count() as u64, ACCOUNTS, "{what}");
    println!(
        "{what}: {} ns, {cached} ns where it was asked for lately",
        (busy() - began) / ACCOUNTS
    );
}

#[test]
fn a_hundred_thousand_accounts_of_three_addresses_take_forty_megabytes_at_most() {
    let before = live();
    let began = busy();
    let mut index = Index::new(Routes::new());
    for number in 0..ACCOUNTS {
        index.apply(&account(number));
    }
    let accounts = live() - before;
    println!(
        "{ACCOUNTS} accounts, 3 addresses each: {}",
        megabytes(accounts)
    );
    let peak = PEAK.load(Ordering::Relaxed) - before;
    println!("at most, while it was filled: {}", megabytes(peak));
    for number in 0..GROUPS {
        for change in group(number) {
            index.apply(&change);
        }
    }
    println!(
        "with {GROUPS} groups of 100 members: {}",
        megabytes(live() - before)
    );
    println!("filled in {} ms", (busy() - began) / 1_000_000);
    assert_eq!(index.len() as u64, ACCOUNTS);
    assert!(
        accounts <= 40_000_000 && peak <= 40_000_000,
        "{accounts} bytes, {peak} at most"
    );

    // What is asked for has just been read from a socket: it is made anew each time, which is counted as well.
    let mut text = String::new();
    let mut alias = |number: u64, look_up: &dyn Fn(&str) -> bool| {
        text.clear();
        write!(text, "user{number:06}@mail.example.org").unwrap();
        look_up(&text)
    };
    let of = &index;
    time("nothing, but the text of an alias", |n| {
        alias(n, &|text| !text.is_empty())
    });
    time("account of an alias", |n| {
        alias(n, &|text| of.by_address(text).is_some())
    });
    time("mailbox of an alias", |n| {
        alias(n, &|text| of.mailbox(text).is_none())
    });
    time("target of an alias", |n| {
        alias(n, &|text| of.aliases(text).len() == 1)
    });
    time("logins of an address", |n| {
        alias(n, &|text| of.may_send_as(text).len() == 1)
    });
    let mut subject = |number: u64, look_up: &dyn Fn(&str) -> bool| {
        text.clear();
        write!(text, "{}", id(number ^ 0xffff_ffff)).unwrap();
        look_up(&text)
    };
    time("nothing, but the text of a subject", |n| {
        subject(n, &|text| !text.is_empty())
    });
    time("account of a subject", |n| {
        subject(n, &|text| of.by_subject(SOURCE, text).is_some())
    });
    time("nobody's address", |n| {
        subject(n, &|text| of.by_address(text).is_none())
    });
    time("account of an id", |n| of.account(id(n)).is_some());
    time("groups of an account", |n| of.groups_of(id(n)).len() == 1);
    time("a domain", |_| index.domain("mail.example.org"));
    let began = busy();
    let listed = index.matching("*", Cursor::default()).count() as u64;
    assert_eq!(listed, ACCOUNTS);
    println!("listing all: {} us", (busy() - began) / 1_000);
}
