use super::*;
use crate::client::{NoTls, run_errands};
use crate::errands::Buffer;
use crate::settings::OnlineSettings;
use crate::testing::{Server, endpoints, moving, ok, pass, still};
use crate::tunnel::Tunnel;

use embassy_futures::block_on;
use embassy_futures::select::{Either, select};
use gatepost_core::crypto::{Algorithm, AlgorithmSet};
use gatepost_core::exchange::{Input, LoginSettings, Output};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Audience, Exchange, Policy};
use std::boxed::Box;
use std::format;
use std::string::String;
use std::vec::Vec as List;

const ISSUER: &str = "http://id.example";

type One<const KEYS: usize> = Providers<1, KEYS, 2560>;

fn providers<const KEYS: usize>(errands: &'static Errands) -> &'static One<KEYS> {
    static CLOCK: Clock = Clock::new(UnixTime::from_seconds(0));
    static TYPES: [KeyType; 1] = [KeyType::RSA];
    let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
    policy.issuer = Some(ISSUER);
    let settings = ProviderSettings {
        policy,
        algorithms: AlgorithmSet::ALL,
        keys: &[],
        online: Some(OnlineSettings {
            discovery: true,
            key_set_url: None,
            endpoints: endpoints(),
            connect_to: None,
            allow_http: true,
            trust: 0,
        }),
    };
    let settings: &'static _ = Box::leak(Box::new([settings]));
    let scratch = Box::leak(Box::new([0; 1024]));
    let all = Providers::new(settings, &TYPES, scratch, Some(errands), &CLOCK);
    Box::leak(Box::new(all))
}

/// A device without its network, with room for so many keys.
struct Device<const KEYS: usize> {
    providers: &'static One<KEYS>,
    errands: &'static Errands,
    tunnel: &'static Tunnel,
}

impl<const KEYS: usize> Device<KEYS> {
    /// One whose answers, and each of whose keys, have to fit 512 bytes.
    fn new() -> Self {
        static ROOMS: [Buffer<[u8; 512]>; 32] = [const { Buffer::new() }; 32];
        static USED: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
        let room = USED.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        let errands: &'static Errands = Box::leak(Box::new(Errands::new(&ROOMS[room])));
        Self {
            providers: providers(errands),
            errands,
            tunnel: Box::leak(Box::new(Tunnel::new())),
        }
    }

    /// Runs `test` on a device that looks at its providers.
    fn run<V>(&self, server: &Server, test: impl Future<Output = V>) -> V {
        let test = async {
            while self.providers.generation(0) == 0 {
                embassy_futures::yield_now().await;
            }
            test.await
        };
        let looking = self.providers.keep_current();
        match block_on(select(test, select(looking, self.network(server)))) {
            Either::First(value) => value,
            Either::Second(_) => unreachable!("they go on for ever"),
        }
    }

    async fn network(&self, server: &Server) {
        let asking = run_errands(self.errands, self.tunnel, self.providers.clock, NoTls);
        select(asking, server.serve(self.tunnel)).await;
    }

    /// What comes of asking about an opaque token: the status of the answer.
    async fn ask_about(&self, token: &str) -> Result<u16, FetchFailure> {
        let message = format!("user=alice@example.com\x01auth=Bearer {token}\x01\x01");
        let asked = self.providers.asked();
        let settings = LoginSettings::new(&asked);
        let mut exchange = Exchange::new(settings, Mechanism::XOAuth2, message.as_bytes());
        let Output::Fetch(request) = exchange.step(None, Input::Start) else {
            panic!("it is opaque");
        };
        let incoming = self.providers.ask(&request).await;
        incoming.map(|incoming| incoming.head().status)
    }

    fn kids(&self) -> List<String> {
        self.providers.with_keys(|keys, _| {
            let kids = keys[0].iter().filter_map(|key| key.kid);
            kids.map(String::from).collect()
        })
    }

    /// What comes of looking for a key, while time passes.
    async fn find(&self, kid: &str) -> Freshness {
        self.find_one(Some(kid)).await
    }

    /// As [`find`](Self::find), for a token that may not say which.
    async fn find_one(&self, kid: Option<&str>) -> Freshness {
        static SEATS: [Seat; 64] = [const { Seat::new() }; 64];
        static USED: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
        let seat = USED.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        let query = NewerKeysQuery::for_unknown_key(0, None);
        let wanted = Some(WantedKey::of(kid, Algorithm::Rs256));
        let finding = self.providers.refresh(query, wanted, &SEATS[seat]);
        match select(finding, pass(30)).await {
            Either::First(freshness) => freshness,
            Either::Second(()) => panic!("it waits for ever"),
        }
    }
}

/// What a provider publishes: metadata and so many keys, each with a chain of certificates that nobody reads.
fn published(path: &str, keys: usize) -> String {
    let padding = "x".repeat(700);
    match path {
        "/.well-known/openid-configuration" => ok(&format!(
            r#"{{"x":"{padding}","issuer":"{ISSUER}","y":["{padding}"],"jwks_uri":"{ISSUER}/keys"}}"#
        )),
        "/keys" => {
            let key = |number: usize| {
                let kid = format!("k{number:02}");
                let n = format!("x{kid:A<340}Q");
                format!(r#"{{"kty":"RSA","x5c":["{padding}"],"kid":"{kid}","e":"AQAB","n":"{n}"}}"#)
            };
            let keys: List<_> = (0..keys).map(key).collect();
            ok(&format!(
                r#"{{"a":"{padding}","keys":[{}]}}"#,
                keys.join(",")
            ))
        }
        _ => ok(r#"{"active":false}"#),
    }
}

/// A provider with so many keys.
fn server(keys: usize) -> Server {
    Server::new(move |request| Some(published(request.split(' ').nth(1).unwrap(), keys)))
}

// D5: Entra's set has 13 KB, and an image for small tokens had 512 bytes for it.
#[test]
fn documents_of_any_length_are_read_in_a_buffer_for_one_key() {
    let _still = still();
    let (device, server) = (Device::<8>::new(), server(8));
    device.run(&server, async {
        assert_eq!(device.kids().len(), 8);
        assert!(!device.providers.is_partial(0));
    });
}

// D4: 12 keys, and a table of 8.
#[test]
fn a_key_that_a_login_waits_for_finds_room_and_one_that_there_is_not_is_unknown() {
    let _moving = moving();
    let (device, server) = (Device::<8>::new(), server(12));
    device.run(&server, async {
        assert!(device.providers.is_partial(0));
        for number in [11, 0, 9, 3] {
            let kid = format!("k{number:02}");
            if !device.kids().contains(&kid) {
                assert_eq!(device.find(&kid).await, Freshness::Current);
            }
            assert!(device.kids().contains(&kid), "{kid}");
            pass(10).await;
        }
        assert_eq!(device.find("k99").await, Freshness::Current);
        assert_eq!(device.kids().len(), 8);
        // Whoever makes up identifiers spends the looks of all: then nobody knows.
        let mut found = List::new();
        for number in 0..9 {
            found.push(device.find(&format!("made-up-{number}")).await);
        }
        assert_eq!(found.last(), Some(&Freshness::Unavailable));
    });
}

#[test]
fn two_logins_that_wait_for_two_keys_both_find_them() {
    let _moving = moving();
    let (device, server) = (Device::<8>::new(), server(12));
    device.run(&server, async {
        pass(1).await;
        let both = embassy_futures::join::join(device.find("k09"), device.find("k10"));
        assert_eq!(both.await, (Freshness::Current, Freshness::Current));
        let kids = device.kids();
        assert!(
            kids.contains(&"k09".into()) && kids.contains(&"k10".into()),
            "{kids:?}"
        );
    });
}

#[test]
fn a_key_for_which_there_is_no_room_even_so_may_be_there_later() {
    let _moving = moving();
    let (device, server) = (Device::<2>::new(), server(12));
    device.run(&server, async {
        pass(1).await;
        let [one, other, third] = ["k09", "k10", "k11"].map(|kid| device.find(kid));
        let found = embassy_futures::join::join3(one, other, third).await;
        let (known, later) = (Freshness::Current, Freshness::Unavailable);
        assert_eq!(found, (known, known, later));
        assert_eq!(device.kids(), ["k09", "k10"]);
        assert_eq!(device.find("k11").await, known);
    });
}

#[test]
fn a_rotation_of_all_keys_takes_one_look_where_there_is_room_for_one_set() {
    let _moving = moving();
    let is_rotated = std::rc::Rc::new(core::cell::Cell::new(false));
    let rotated = std::rc::Rc::clone(&is_rotated);
    let server = Server::new(move |request| {
        let page = published(request.split(' ').nth(1).unwrap(), 2);
        // Of the same length, as its head says.
        Some(if rotated.get() {
            page.replace("k0", "n0")
        } else {
            page
        })
    });
    let device = Device::<2>::new();
    device.run(&server, async {
        assert_eq!(device.kids(), ["k00", "k01"]);
        is_rotated.set(true);
        pass(1).await;
        assert_eq!(device.find("n00").await, Freshness::Current);
        assert_eq!(device.kids(), ["n00", "n01"]);
        assert!(!device.providers.is_partial(0));
    });
}

#[test]
fn a_token_without_an_identifier_may_be_of_a_key_for_which_there_is_no_room() {
    let _moving = moving();
    for (keys, expected) in [(8, Freshness::Current), (12, Freshness::Unavailable)] {
        let (device, server) = (Device::<8>::new(), server(keys));
        device.run(&server, async {
            pass(1).await;
            assert_eq!(device.find_one(None).await, expected, "{keys} keys");
            assert_eq!(device.kids()[0], "k00", "none made room");
        });
    }
}

/// A set of twelve keys, cut off behind the last one where `is_cut`.
fn twelve(is_cut: bool) -> String {
    let page = published("/keys", 12);
    let (_, body) = page.split_once("\r\n\r\n").unwrap();
    ok(if is_cut {
        &body[..body.len() - 2]
    } else {
        body
    })
}

// The key that was wanted had evicted another one by then.
#[test]
fn a_set_that_is_cut_off_while_a_login_waits_takes_no_key() {
    let _moving = moving();
    // The set is read whole at first; then for a login.
    for (cut, expected) in [
        ([false, true, false, false], Freshness::Unavailable),
        ([false, false, true, false], Freshness::Unavailable),
        ([false, false, false, false], Freshness::Current),
    ] {
        let reads = core::cell::Cell::new(0);
        let server = Server::new(move |request| {
            let path = request.split(' ').nth(1).unwrap();
            if path != "/keys" {
                return Some(published(path, 12));
            }
            let is_cut = cut.get(reads.get()).is_some_and(|is_cut| *is_cut);
            reads.set(reads.get() + 1);
            Some(twelve(is_cut))
        });
        let device = Device::<8>::new();
        device.run(&server, async {
            let known = device.kids();
            pass(1).await;
            assert_eq!(device.find("k11").await, expected, "{cut:?}");
            let kids = device.kids();
            let left = kids.iter().filter(|kid| known.contains(kid)).count();
            assert_eq!(kids.len(), 8, "{kids:?}");
            assert!(left == 8 || kids.contains(&"k11".into()), "{kids:?}");
            pass(2).await;
            assert_eq!(device.find("k11").await, Freshness::Current);
            assert!(device.kids().contains(&"k11".into()));
        });
    }
}

#[test]
fn a_set_that_is_cut_off_replaces_nothing() {
    let _moving = moving();
    let looks = core::cell::Cell::new(0);
    let server = Server::new(move |request| {
        let path = request.split(' ').nth(1).unwrap();
        looks.set(looks.get() + usize::from(path == "/keys"));
        let n = format!("x{:A<340}Q", "n");
        let key = format!(r#"{{"kty":"RSA","kid":"n","e":"AQAB","n":"{n}"}}"#);
        Some(match looks.get() {
            2 if path == "/keys" => published(path, 0),
            3 if path == "/keys" => ok(&format!(r#"{{"keys":[{key}"#)),
            4 if path == "/keys" => ok(&format!(r#"{{"keys":[{key}]}}"#)),
            _ => published(path, 3),
        })
    });
    let device = Device::<8>::new();
    device.run(&server, async {
        assert_eq!(device.find("n").await, Freshness::Unavailable);
        let looks = || {
            let requests = server.requests.borrow();
            requests.iter().filter(|one| one.contains("/keys")).count()
        };
        assert_eq!((looks(), device.kids().len()), (2, 3));
        // It is tried again soon, and is cut off then.
        pass(1).await;
        assert_eq!((looks(), device.kids().len()), (3, 3));
        let found = device.find("n").await;
        assert_eq!(
            (found, device.kids()),
            (Freshness::Current, ["n".into()].into())
        );
    });
}

// D2: each of these counted as the provider's failure, so that nobody was asked any more.
#[test]
fn long_tokens_are_asked_about_and_stop_nobody() {
    let _still = still();
    let (device, server) = (Device::<8>::new(), server(1));
    device.run(&server, async {
        for _ in 0..7 {
            assert_eq!(device.ask_about(&"+".repeat(3500)).await, Ok(200));
        }
        assert_eq!(device.ask_about("short").await, Ok(200));
        let requests = server.requests.borrow();
        let form = format!("\r\n\r\ntoken={}", "%2B".repeat(3500));
        assert_eq!(
            requests.iter().filter(|one| one.ends_with(&form)).count(),
            7
        );
        assert!(
            requests
                .last()
                .is_some_and(|one| one.ends_with("token=short"))
        );
    });
}

// D7: a connection for every question, and a handshake with it.
#[test]
fn one_connection_serves_all_questions() {
    let _moving = moving();
    let (device, server) = (Device::<8>::new(), server(1));
    device.run(&server, async {
        for _ in 0..5 {
            assert_eq!(device.ask_about("token").await, Ok(200));
            pass(10).await;
        }
        assert_eq!(server.connections.get(), 1);
        pass(60).await;
        assert_eq!(device.ask_about("token").await, Ok(200));
        assert_eq!(server.connections.get(), 2, "nobody had used it for long");
    });
}

#[test]
fn a_question_is_asked_again_where_the_connection_ended_meanwhile() {
    let _still = still();
    let (device, server) = (Device::<8>::new(), server(1));
    server.patience.set(2);
    device.run(&server, async {
        for number in 0..9 {
            let token = format!("{number}+").repeat(900);
            assert_eq!(device.ask_about(&token).await, Ok(200));
        }
        assert_eq!(server.requests.borrow().len(), 2 + 9);
    });
}

// A server that gives a connection up says so, or says too much: that was taken for the next answer.
#[test]
fn what_nobody_asked_for_answers_nothing() {
    let _moving = moving();
    let stray = ok(r#"{"active":true}"#).replace("200 OK", "408 Request Timeout");
    let (device, server) = (Device::<8>::new(), server(1));
    device.run(&server, async {
        for connections in 1..4 {
            assert_eq!(device.ask_about("token").await, Ok(200));
            assert_eq!(server.connections.get(), connections);
            server
                .stray
                .borrow_mut()
                .extend_from_slice(stray.as_bytes());
            if connections % 2 == 0 {
                pass(5).await;
            }
            // It arrives.
            for _ in 0..10 {
                embassy_futures::yield_now().await;
            }
        }
    });
}

#[test]
fn a_provider_that_is_silent_is_given_up_and_asked_again() {
    let _moving = moving();
    let is_silent = std::rc::Rc::new(core::cell::Cell::new(false));
    let silent = std::rc::Rc::clone(&is_silent);
    let server = Server::new(move |request| {
        let path = request.split(' ').nth(1).unwrap();
        Some(published(path, 1)).filter(|_| !silent.get())
    });
    let device = Device::<8>::new();
    device.run(&server, async {
        is_silent.set(true);
        let asked = select(device.ask_about("token"), pass(5));
        let Either::First(outcome) = asked.await else {
            panic!("it still waits");
        };
        assert_eq!(outcome, Err(FetchFailure::Timeout));
        is_silent.set(false);
        assert_eq!(device.ask_about("token").await, Ok(200));
    });
}

// D9: nobody noticed a request that was stuck.
#[test]
fn a_request_that_is_stuck_is_given_up_and_the_next_is_not() {
    let _moving = moving();
    let (device, server) = (Device::<8>::new(), server(1));
    let asking = run_errands(device.errands, device.tunnel, device.providers.clock, NoTls);
    let test = async {
        // The network is not up.
        let asked = select(device.ask_about("token"), pass(20));
        let Either::First(outcome) = asked.await else {
            panic!("it still waits");
        };
        assert_eq!(outcome, Err(FetchFailure::NotAsked));
        // Then it is.
        let asked = select(device.ask_about("token"), server.serve(device.tunnel));
        let Either::First(outcome) = asked.await;
        assert_eq!(outcome, Ok(200));
    };
    block_on(select(test, asking));
}
