use gatepost_core::sasl::Mechanism;

use super::*;
use crate::relay::Route;
use crate::upstream::{Greeting, Offer};

const SECRET: &str = "gp-csqq-awkm-cnjp-w832-f5t6-adej";
const MISTYPED: &str = "gp-csqq-awkm-cnjp-w832-f5t6-adek";

fn offers(mechanisms: &[&str]) -> Vec<Offer> {
    let mut greeting = Greeting::default();
    greeting.take(b"VERSION\t1\t2").unwrap();
    for mechanism in mechanisms {
        let line = format!("MECH\t{mechanism}\tx");
        greeting.take(line.as_bytes()).unwrap();
    }
    greeting.offers().to_vec()
}

/// One that looks at passwords, and knows a Dovecot that offers these.
fn relay(mechanisms: &[&str]) -> Relay {
    let mut relay = Relay::new(&Mechanism::ALL, [0x11; 16], offers(mechanisms));
    for line in ["VERSION\t1\t2", "CPID\t77"] {
        assert_eq!(relay.client_line(line.as_bytes()), Ok(Route::Own));
    }
    relay
}

/// What Dovecot is told once it has greeted.
fn upstream(relay: &mut Relay) -> Vec<String> {
    relay.upstream_connected(99);
    relay.outputs.upstream.clear();
    for line in [
        "VERSION\t1\t2",
        "MECH\tPLAIN\tplaintext",
        "MECH\tCRAM-MD5\tdictionary",
        "COOKIE\taa",
        "DONE",
    ] {
        relay.upstream_line(line.as_bytes()).unwrap();
    }
    told(&mut relay.outputs.upstream)
}

fn told(output: &mut Vec<u8>) -> Vec<String> {
    let text = String::from_utf8(std::mem::take(output)).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

#[test]
fn a_password_that_is_not_ours_goes_on_as_plain_with_all_that_was_said_of_it() {
    for mechanism in ["PLAIN", "login"] {
        for known in [&["PLAIN"][..], &[]] {
            let mut relay = relay(known);
            let line = format!("AUTH\t4\t{mechanism}\tservice=imap\tfuture=1\tresp=AGEAYg==");
            assert_eq!(relay.client_line(line.as_bytes()), Ok(Route::Own));
            assert!(relay.hand_over(4, b"\0a\0b"));
            let expected = "AUTH\t4\tPLAIN\tservice=imap\tfuture=1\tresp=AGEAYg==";
            assert_eq!(upstream(&mut relay), [expected]);
            let login = relay.upstream_line(b"OK\t4\tuser=a").unwrap();
            assert!(
                login.is_some_and(|login| matches!(login.by, crate::waiting::By::Dovecot { .. }))
            );
            assert_eq!(told(&mut relay.outputs.client), ["OK\t4\tuser=a"]);
            assert!(!relay.hand_over(4, b"\0a\0b"), "it is over");
        }
    }
}

#[test]
fn what_dovecot_could_not_judge_is_not_handed_over() {
    let long = format!("AUTH\t1\tPLAIN\tservice=imap\tx={}", "y".repeat(MAX_KEPT));
    for (known, line) in [
        (&["CRAM-MD5"][..], "AUTH\t1\tPLAIN\tservice=imap"),
        (&["PLAIN"], "AUTH\t1\tPLAIN\tnologin"),
        (&["PLAIN"], "AUTH\t2\tPLAIN\tservice=imap"),
        (&["PLAIN"], "AUTH\t1\tXOAUTH2\tservice=imap"),
        (&["PLAIN"], &long),
    ] {
        let mut relay = relay(known);
        assert_eq!(relay.client_line(line.as_bytes()), Ok(Route::Own));
        assert!(!relay.hand_over(1, b"\0a\0b"), "{line}");
        assert_eq!(relay.needs_upstream(), None);
    }
}

#[test]
fn a_password_of_ours_in_the_place_of_a_name_is_shown_to_dovecot_by_no_mechanism() {
    let scram = format!("n,,n={SECRET},r=abc");
    let cram = format!("{} 0123456789abcdef", MISTYPED.to_uppercase());
    let digest = format!("username=\"{SECRET}\",realm=\"x\"");
    for response in [scram, cram, digest] {
        let mut relay = relay(&["PLAIN", "CRAM-MD5"]);
        let line = format!(
            "AUTH\t1\tCRAM-MD5\tservice=imap\tnologin\tresp={}",
            base64(&response)
        );
        assert_eq!(relay.client_line(line.as_bytes()), Ok(Route::Upstream));
        assert_eq!(relay.needs_upstream(), None);
        let refused = format!("FAIL\t1\treason={AS_NAME}");
        assert_eq!(told(&mut relay.outputs.client), [refused]);
        let begun = b"AUTH\t2\tCRAM-MD5\tservice=imap";
        assert_eq!(relay.client_line(begun), Ok(Route::Upstream));
        assert_eq!(upstream(&mut relay), ["AUTH\t2\tCRAM-MD5\tservice=imap"]);
        let line = format!("CONT\t2\t{}", base64(&response));
        assert_eq!(relay.client_line(line.as_bytes()), Ok(Route::Upstream));
        assert_eq!(told(&mut relay.outputs.upstream), ["CANCEL\t2"]);
        assert_eq!(told(&mut relay.outputs.client), ["FAIL\t2"]);
    }
    for other in [
        "n,,n=gp-user,r=abc",
        "bob 0123",
        "n,,n=gp@example.com,r=gp-",
    ] {
        assert!(!shows_ours(base64(other).as_bytes()), "{other}");
    }
    assert!(!shows_ours(b"gp-") && !shows_ours(b""));
}

#[test]
fn what_proves_a_password_is_known_with_where_it_comes_from() {
    let relay = relay(&["PLAIN", "CRAM-MD5", "EXTERNAL"]);
    let line = b"AUTH\t3\tcram-md5\tprotocol=imap\trip=192.0.2.1\tnologin\tresp=rip=1";
    let expected = ProvenPassword {
        id: 3,
        mechanism: "cram-md5".to_owned(),
        service: "imap".to_owned(),
        address: Some([192, 0, 2, 1].into()),
        is_login: false,
    };
    assert_eq!(relay.proven_password(line), Some(expected));
    for other in [
        &b"AUTH\t3\tEXTERNAL\tservice=imap"[..],
        b"AUTH\t3\tPLAIN\tservice=imap",
        b"AUTH\t3\tSCRAM-SHA-1\tservice=imap",
        b"CONT\t3\tCRAM-MD5",
    ] {
        assert_eq!(relay.proven_password(other), None);
    }
}
