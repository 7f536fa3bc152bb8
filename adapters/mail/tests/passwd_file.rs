//! What the users of a passwd-file cost in memory, counted at the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_mail::users::{Common, Exist, PasswdFile, Users};

/// Counts the bytes that are allocated, and the most that ever were.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; counting touches no heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const USERS: usize = 100_000;

/// A file of [`USERS`] users, with a strong hash and everything else that a line can say.
fn file() -> String {
    let hash = "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$".to_owned() + &"c2FsdA".repeat(8);
    let mut text = String::new();
    for number in 0..USERS {
        writeln!(
            text,
            "user{number:06}@example.com:{hash}:5000:5000::/var/vmail/example.com/user{number:06}::\
             userdb_quota_rule=*:storage=1G"
        )
        .unwrap();
    }
    text
}

/// 40 MB are for the whole daemon, and a file that is read again lies beside the old one (A19).
#[test]
fn a_hundred_thousand_users_take_twelve_megabytes_and_their_reading_no_more_than_as_much_again() {
    let text = file();
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let (file, errors) = PasswdFile::parse(&text);
    let (kept, peak) = (LIVE.load(Ordering::Relaxed), PEAK.load(Ordering::Relaxed));
    assert!(errors.is_empty());
    assert_eq!(file.len(), USERS);
    assert!(kept - before <= 12_000_000, "{} bytes", kept - before);
    assert!(
        peak - before <= 24_000_000,
        "{} bytes at most",
        peak - before
    );
    let users = Users {
        exist: Exist::Listed(file),
        common: Common::default(),
    };
    let found = users.find("user099999@example.com").unwrap();
    assert_eq!(found.fields[2].1, "/var/vmail/example.com/user099999");
}
