//! What is counted.

use std::cell::RefCell;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_core::dovecot::{Connection, Event, FixedTable, Greeting, MAX_RESPONSE};
use gatepost_core::exchange::{Input, LoginSettings, MAX_PAYLOAD, Output, Provider, TrustedKey};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Exchange, Rejection, UnixTime};

use crate::judged_by::{self, NoSignature};
use crate::token::{NOW, escaped_name, many_members, typical};

/// One thing to run over and over.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) work: Box<dyn Fn()>,
}

/// Every subject.
pub(crate) fn all() -> Vec<Subject> {
    let rs256 = typical("RS256", 256, 1075);
    let es256 = typical("ES256", 64, 819);
    vec![
        Subject {
            name: "auth_line_rs256",
            work: auth_line(&rs256),
        },
        Subject {
            name: "login_rs256",
            work: login(&rs256, &["RS256"], None),
        },
        Subject {
            name: "login_es256",
            work: login(&es256, &["ES256"], None),
        },
        Subject {
            name: "hostile_escaped_name",
            work: login(
                &escaped_name(),
                &["a", "b", "c", "d", "e", "f"],
                Some("missing_claim"),
            ),
        },
        Subject {
            name: "hostile_many_members",
            work: login(&many_members(128), &["ES256"], Some("missing_claim")),
        },
    ]
}

fn message(token: &str) -> String {
    format!("user=alice@example.com\x01auth=Bearer {token}\x01\x01")
}

/// A whole login where the keys `kids` are known; `refusal` is the code that it ends with, if it is refused.
fn login(
    token: &str,
    kids: &'static [&'static str],
    refusal: Option<&'static str>,
) -> Box<dyn Fn()> {
    let message = message(token);
    let scratch = RefCell::new(vec![0; MAX_PAYLOAD]);
    Box::new(move || {
        let policy = judged_by::policy();
        let key = |kid: &'static &str| TrustedKey::new(&NoSignature, Some(kid));
        let providers = [Provider::new(&policy)];
        let rules = LoginSettings::new(&providers);
        let mut keys = [key(&"RS256"); 6];
        for (place, kid) in keys.iter_mut().zip(kids) {
            *place = key(kid);
        }
        let keys = &[&keys[..kids.len()]];
        let scratch = &mut *scratch.borrow_mut();
        let message = black_box(message.as_bytes());
        let mut exchange = Exchange::new(rules, Mechanism::XOAuth2, message);
        let now = UnixTime::from_seconds(NOW);
        let asked = exchange.step(now, Input::Start);
        assert!(matches!(asked, Output::FindKeys(_)));
        let judged = exchange.step(now, Input::Keys { keys, scratch });
        if let Output::FindNewerKeys(_) = judged {
            drop(exchange.step(now, Input::NoNewerKeys));
        }
        assert_eq!(exchange.rejection().map(Rejection::code), refusal);
    })
}

/// What Dovecot's auth protocol takes to deliver the message.
fn auth_line(token: &str) -> Box<dyn Fn()> {
    let line = format!(
        "VERSION\t1\t2\nCPID\t7\nAUTH\t1\tXOAUTH2\tservice=imap\tlip=192.0.2.1\trip=192.0.2.2\tlport=143\t\
         rport=40000\tresp={}\n",
        STANDARD.encode(message(token))
    );
    let buffer = RefCell::new(vec![0; MAX_RESPONSE]);
    let out = RefCell::new(String::with_capacity(1000));
    Box::new(move || {
        let greeting = Greeting {
            mechanisms: &Mechanism::ALL,
            relayed: &[],
            pid: 1,
            connection: 1,
            cookie: [7; 16],
        };
        let out = &mut *out.borrow_mut();
        out.clear();
        let mut connection =
            Connection::<FixedTable<3>>::greet(&greeting, out).expect("room for a greeting");
        let mut rest = black_box(line.as_bytes());
        let buffer = &mut *buffer.borrow_mut();
        let mut lent: &mut [u8] = &mut [];
        loop {
            let (used, event) = connection.receive(rest, lent, out);
            rest = &rest[used..];
            match event {
                Event::BufferWanted => lent = buffer,
                Event::Response(login) => break assert!(login.length > 1000),
                other => panic!("{other:?}"),
            }
        }
    })
}
