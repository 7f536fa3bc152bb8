//! What goes wrong at the provider changes nothing here, and deletes nobody.

use std::time::Duration;

use gatepost_accounts::model::Kind;
use gatepost_accounts::pull::{Doubt, Fault};
use serde_json::json;

use crate::lab::{EVERY, Instead, Lab, Page, user};

/// Answers every page with this.
fn always(page: Page) -> Instead {
    Box::new(move |_| Some(page.clone()))
}

#[test]
fn a_provider_that_is_away_is_left_alone_longer_each_time() {
    let mut lab = Lab::of(&["a", "b"]);
    lab.provider.instead = Some(always(Page::of(502, "<html>")));
    let mut pauses = Vec::new();
    for _ in 0..7 {
        assert_eq!(lab.fails(), Fault::Status(502));
        pauses.push(lab.pause.as_secs());
    }
    assert_eq!(pauses, [15, 30, 60, 120, 240, 300, 300]);
    let busy = Page {
        retry_after: Some(Duration::from_hours(2)),
        ..Page::of(503, "")
    };
    lab.provider.instead = Some(always(busy));
    lab.fails();
    assert_eq!(lab.pause, Duration::from_hours(2));
    lab.provider.instead = None;
    lab.pulled();
    assert_eq!(lab.pause, EVERY);
    lab.provider.instead = Some(always(Page::of(401, "{}")));
    assert_eq!(lab.fails(), Fault::Status(401));
    assert_eq!(lab.pause.as_secs(), 15);
}

#[test]
fn a_reading_that_is_cut_short_writes_nothing() {
    let mut lab = Lab::of(&["a", "b", "c", "d", "e", "f", "g"]);
    lab.provider.users.remove(0);
    lab.provider.users.push(user("z"));
    for start in [1, 3, 5, 7] {
        for page in [
            Page::of(500, ""),
            Page::of(200, ""),
            Page::of(200, "<html></html>"),
            Page::of(200, "[]"),
            Page::of(200, "{}"),
            Page::of(200, r#"{"Resources":7}"#),
            Page::of(200, r#"{"totalResults":9}"#),
            Page::of(200, r#"{"totalResults":9,"Resources":[{"userName":"x"}]}"#),
            Page::of(200, r#"{"totalResults":9,"Resources":[{"id":""}]}"#),
            Page::of(200, r#"{"totalResults":9,"Resources":[{"id":7}]}"#),
            Page::of(200, r#"{"totalResults":9,"Resources":["a"]}"#),
            Page::of(200, &"[".repeat(100_000)),
            Page::of(302, ""),
            Page::of(304, ""),
        ] {
            lab.provider.instead = Some(Box::new(move |fetch| {
                (fetch.start_index == start).then(|| page.clone())
            }));
            lab.fails();
        }
    }
    lab.provider.instead = Some(Box::new(|fetch| {
        (fetch.kind == Kind::Group).then(|| Page::of(403, "{}"))
    }));
    assert_eq!(lab.fails(), Fault::Status(403));
    lab.provider.instead = None;
    lab.pulled();
    assert_eq!(lab.ids(), ["b", "c", "d", "e", "f", "g", "z"]);
}

#[test]
fn a_provider_that_is_suddenly_empty_deletes_nobody_unless_told_so() {
    let mut lab = Lab::of(&["a", "b", "c", "d"]);
    let all = std::mem::take(&mut lab.provider.users);
    let gone = |gone, of| Fault::TooManyGone {
        kind: Kind::Account,
        gone,
        of,
    };
    assert_eq!(lab.fails(), gone(4, 4));
    // Another tenant's are not taken in either.
    lab.provider.users = vec![user("a"), user("x"), user("y"), user("z")];
    assert_eq!(lab.fails(), gone(3, 4));
    lab.provider.users = all[..2].to_vec();
    lab.pulled();
    assert_eq!(lab.ids(), ["a", "b"]);
    lab.provider.users.clear();
    lab.settings.max_deleted_percent = 100;
    lab.restart();
    lab.pulled();
    assert!(lab.ids().is_empty());
}

#[test]
fn a_provider_that_promises_more_than_it_gives_deletes_nobody() {
    let mut lab = Lab::of(&["a", "b", "c", "d"]);
    lab.provider.remove("a");
    lab.provider.users.push(user("e"));
    lab.provider.promise = |number| json!(number + 1);
    let report = lab.pulled();
    assert_eq!(report.doubt, Some(Doubt::Short));
    assert!(!report.is_whole);
    assert_eq!(lab.ids(), ["a", "b", "c", "d", "e"]);
    // What promises less, or nothing, or nonsense, is not believed.
    for promise in [
        |_: usize| json!(0),
        |_: usize| json!(null),
        |_: usize| json!("seven"),
        |_: usize| json!(-1),
    ] {
        lab.provider.promise = promise;
        lab.pulled();
        assert_eq!(lab.ids(), ["b", "c", "d", "e"]);
    }
}

/// Where nobody was known before, nobody can be missing, and a reading that is cut short is no whole one all the same.
#[test]
fn a_first_reading_is_whole_if_nothing_speaks_against_it() {
    let mut lab = Lab::new();
    assert!(!lab.pulled().is_whole, "nobody is there");
    for id in ["a", "b", "c", "d"] {
        lab.provider.users.push(user(id));
    }
    lab.provider.promise = |number| json!(number + 1);
    let report = lab.pulled();
    assert_eq!((report.doubt, report.is_whole), (None, false));
    lab.provider.promise = |number| json!(number);
    assert!(lab.pulled().is_whole);
}

#[test]
fn a_provider_without_paging_is_read_if_it_tells_everything_at_once() {
    let mut lab = Lab::new();
    lab.provider.heeds_start = false;
    lab.provider.cap = 1_000;
    lab.provider.users = ["a", "b", "c"].map(user).to_vec();
    lab.pulled();
    assert_eq!(lab.ids(), ["a", "b", "c"]);
    lab.provider.cap = 2;
    assert_eq!(lab.fails(), Fault::Repeated);
    // It may be that there are more.
    lab.provider.users = (0..150).map(|number| user(&number.to_string())).collect();
    lab.provider.cap = 100;
    lab.provider.promise = |_| json!(null);
    assert_eq!(lab.fails(), Fault::Repeated);
    assert_eq!(lab.ids(), ["a", "b", "c"]);
}

#[test]
fn a_provider_that_never_ends_is_left_at_a_bound() {
    let mut lab = Lab::of(&["a"]);
    // Always somebody new, always the same, always a few of the same.
    let mut number = 0;
    lab.provider.instead = Some(Box::new(move |_| {
        number += 1;
        let user = user(&number.to_string());
        Some(Page::of(200, &json!({"Resources": [user]}).to_string()))
    }));
    assert_eq!(lab.fails(), Fault::TooMuch);
    let mut number = 0;
    lab.provider.instead = Some(Box::new(move |fetch| {
        number += 1;
        let id = if fetch.start_index == 1 {
            0
        } else {
            number % 2 + 1
        };
        let user = user(&id.to_string());
        Some(Page::of(200, &json!({"Resources": [user]}).to_string()))
    }));
    assert_eq!(lab.fails(), Fault::Repeated);
    let long = json!({"Resources": [{"id": "x", "title": "x".repeat(4 << 20)}]}).to_string();
    lab.provider.instead = Some(Box::new(move |_| Some(Page::of(200, &long))));
    assert_eq!(lab.fails(), Fault::TooLong);
}

#[test]
fn pages_that_are_too_long_are_asked_for_in_smaller_pieces() {
    let mut lab = Lab::new();
    lab.provider.cap = 1_000;
    let big = |id: &str| {
        let mut user = user(id);
        user["urn:example:photo"] = json!("x".repeat(1 << 20));
        user
    };
    lab.provider.users = ["a", "b", "c", "d", "e", "f"].map(big).to_vec();
    lab.pulled();
    assert_eq!(lab.ids(), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(lab.provider.asked.last().unwrap().count, 1);
}

#[test]
fn a_pause_in_the_midst_of_a_reading_is_kept_and_the_reading_goes_on() {
    let mut lab = Lab::of(&["a", "b", "c", "d"]);
    lab.provider.asked.clear();
    let mut is_busy = false;
    lab.provider.instead = Some(Box::new(move |_| {
        is_busy = !is_busy;
        let pause = Duration::from_secs(20);
        is_busy.then(|| Page {
            retry_after: Some(pause),
            ..Page::of(429, "")
        })
    }));
    lab.pulled();
    // Two pages of users and an empty one, an empty one of groups.
    assert_eq!(lab.provider.asked.len(), 2 * 4);
    // Whoever wants more than that is left alone altogether.
    lab.provider.instead = Some(always(Page {
        retry_after: Some(Duration::from_mins(3)),
        ..Page::of(429, "")
    }));
    assert_eq!(lab.fails(), Fault::Status(429));
    assert_eq!(lab.pause, Duration::from_mins(3));
}

#[test]
fn a_store_that_is_away_is_tried_again() {
    let mut lab = Lab::of(&["a", "b"]);
    lab.provider.users.push(user("c"));
    lab.store_fails = true;
    assert_eq!(lab.fails(), Fault::Store);
    lab.store_fails = false;
    lab.pulled();
    assert_eq!(lab.ids(), ["a", "b", "c"]);
}
