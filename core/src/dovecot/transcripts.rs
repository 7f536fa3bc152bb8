//! Conversations with auth clients, each read whole, in single bytes, and in two pieces split at
//! every place (long ones at some hundred).

extern crate std;

use std::fmt::Write as _;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use super::{
    Connection, Event, FailCode, Failure, FixedTable, Greeting, Login, MAX_LINE, MAX_RESPONSE,
    MAX_RESPONSE_CHARACTERS, NotSent, ProtocolError, Ticket,
};
use crate::sasl::Mechanism;

const GREETING: Greeting<'_> = Greeting {
    mechanisms: &Mechanism::BEARER,
    relayed: &[],
    pid: 7,
    connection: 3,
    cookie: [0x0a; 16],
};

const POSTFIX: &str = "C VERSION\t1\t0\nC CPID\t4711";
const MINOR_2: &str = "C VERSION\t1\t2\nC CPID\t4711";
const MINOR_4: &str = "C VERSION\t1\t4\nC CPID\t4711";

/// Plays `script` and checks it against what comes of it.
///
/// A line `C ..` is sent by the client. `E ..` is an event and `S ..` a line of the server's that
/// are to follow, in this order. `V ..` is a verdict given in between: `accept ID`, `challenge ID`
/// or `fail ID`. A response that begins with `good`, `bad` or `fail` is judged so at once.
#[track_caller]
fn check(script: &str) {
    let blobs = script.lines().filter(|line| line.starts_with("C ")).count();
    assert!(blobs > 0, "nothing to play");
    assert_eq!(
        play(script, &|input| vec![input.to_vec()]),
        expected(script),
        "whole"
    );
    let bytes = |input: &[u8]| input.chunks(1).map(<[u8]>::to_vec).collect();
    assert_eq!(play(script, &bytes), expected(script), "in bytes");
    let longest = script.len();
    for at in (1..longest).step_by(longest / 400 + 1) {
        let halves = |input: &[u8]| {
            let (head, tail) = input.split_at(at.min(input.len()));
            vec![head.to_vec(), tail.to_vec()]
        };
        assert_eq!(play(script, &halves), expected(script), "split at {at}");
    }
}

fn expected(script: &str) -> Vec<String> {
    let told = |line: &&str| line.starts_with("E ") || line.starts_with("S ");
    script.lines().filter(told).map(String::from).collect()
}

fn play(script: &str, split: &dyn Fn(&[u8]) -> Vec<Vec<u8>>) -> Vec<String> {
    let mut stage = Play::new();
    let mut sent = String::new();
    for line in script.lines() {
        if let Some(text) = line.strip_prefix("C ") {
            sent.push_str(text);
            sent.push('\n');
            continue;
        }
        stage.feed(&split(sent.as_bytes()));
        sent.clear();
        if let Some(verdict) = line.strip_prefix("V ") {
            stage.verdict(verdict);
        }
    }
    stage.feed(&split(sent.as_bytes()));
    stage.told
}

/// A connection of four places, with a driver that has one buffer to lend.
struct Play {
    connection: Connection<FixedTable<4>>,
    buffer: Vec<u8>,
    lent: bool,
    tickets: Vec<Ticket>,
    told: Vec<String>,
}

impl Play {
    fn new() -> Self {
        let connection = Connection::greet(&GREETING, &mut String::new()).unwrap();
        Self {
            connection,
            buffer: vec![0; MAX_RESPONSE],
            lent: false,
            tickets: vec![],
            told: vec![],
        }
    }

    fn feed(&mut self, pieces: &[Vec<u8>]) {
        for piece in pieces {
            let mut rest = &piece[..];
            while !rest.is_empty() {
                let mut out = String::new();
                let lent = if self.lent {
                    &mut self.buffer[..]
                } else {
                    &mut []
                };
                let (used, event) = self.connection.receive(rest, lent, &mut out);
                rest = &rest[used..];
                assert!(out.matches('\n').count() <= 1, "{out:?}");
                let closed = matches!(event, Event::Close(_) | Event::Busy);
                self.event(event, &mut out);
                self.tell(&out);
                if closed {
                    return;
                }
            }
        }
    }

    fn event(&mut self, event: Event, out: &mut String) {
        match event {
            Event::Incomplete => {}
            Event::BufferWanted => {
                assert!(!self.lent, "a buffer is lent already");
                self.lent = true;
                return;
            }
            Event::Response(login) => self.response(login, out),
            Event::Refused(refusal) => {
                let told = format!("E refused {} {:?}", refusal.id, refusal.reason);
                self.told.push(told);
            }
            other => self.told.push(format!("E {other:?}")),
        }
        self.lent = self.connection.is_reading_response();
    }

    fn response(&mut self, login: Login, out: &mut String) {
        assert!(self.lent, "a response without a buffer");
        self.told.push(describe(&login));
        let message = String::from_utf8_lossy(&self.buffer[..login.length]).into_owned();
        self.tickets.push(login.ticket);
        self.judge(&message, out);
    }

    fn verdict(&mut self, verdict: &str) {
        let (verdict, id) = verdict.split_once(' ').unwrap();
        let at = self
            .tickets
            .iter()
            .position(|ticket| ticket.id().to_string() == id);
        let ticket = self.tickets.remove(at.unwrap());
        self.tickets.push(ticket);
        let mut out = String::new();
        self.judge(verdict, &mut out);
        self.tell(&out);
    }

    /// Gives a verdict on the login whose ticket is the last, if it is one.
    fn judge(&mut self, verdict: &str, out: &mut String) {
        let connection = &mut self.connection;
        let failure = Failure {
            user: Some("bob@b"),
            code: None,
            reason: "Invalid token",
        };
        let disabled = Failure {
            code: Some(FailCode::UserDisabled),
            ..failure
        };
        let sent = match verdict {
            "good" | "accept" => {
                let ticket = self.tickets.pop().unwrap();
                connection.accept(
                    ticket,
                    "al\tice@a",
                    &[("nologin", None), ("k", Some("v"))],
                    out,
                )
            }
            "bad" | "challenge" => {
                connection.challenge(self.tickets.pop().unwrap(), b"{}", failure, out)
            }
            "fail" => connection.fail(self.tickets.pop().unwrap(), disabled, out),
            _ => return,
        };
        if let Err(error) = sent {
            self.told.push(format!("E {error:?}"));
        }
    }

    fn tell(&mut self, out: &str) {
        self.told
            .extend(out.lines().map(|line| format!("S {line}")));
    }
}

fn describe(login: &Login) -> String {
    let Login {
        ticket,
        mechanism,
        origin,
        length,
    } = login;
    let mut text = format!("E response {} {} {length}", ticket.id(), mechanism.name());
    write!(text, " {}", origin.service).unwrap();
    for (end, name) in [(origin.remote, "remote"), (origin.local, "local")] {
        if let Some(address) = end.address {
            write!(text, " {name} {address}").unwrap();
        }
        if let Some(port) = end.port {
            write!(text, ":{port}").unwrap();
        }
    }
    if origin.secured {
        text.push_str(" secured");
    }
    if origin.no_penalty {
        text.push_str(" no-penalty");
    }
    if let Some(session) = &origin.session {
        write!(text, " session {session}").unwrap();
    }
    text
}

/// A script of the handshake of Postfix and what follows.
#[track_caller]
fn postfix(script: &str) {
    check(&format!("{POSTFIX}\n{script}"));
}

// "good", "bad", "fail" and "hold" in base64.
const GOOD: &str = "Z29vZA==";

#[test]
fn the_greeting_is_whole_before_the_client_speaks() {
    let mut out = String::new();
    Connection::<FixedTable<4>>::greet(&GREETING, &mut out).unwrap();
    assert_eq!(
        out,
        "VERSION\t1\t4\nMECH\tOAUTHBEARER\tplaintext\nMECH\tXOAUTH2\tplaintext\n\
         SPID\t7\nCUID\t3\nCOOKIE\t0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a\nDONE\n"
    );
}

#[test]
fn postfix_logs_in_with_an_initial_response() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=smtp\tnologin\tlip=192.0.2.1\trip=2001:db8::7\tresp=Z29vZA==\n\
         E response 1 XOAUTH2 4 smtp remote 2001:db8::7 local 192.0.2.1\n\
         S OK\t1\tuser=al\x01tice@a\tnologin\tk=v",
    );
}

#[test]
fn a_response_that_did_not_come_with_auth_is_asked_for() {
    postfix(
        "C AUTH\t1\tOAUTHBEARER\tservice=smtp\tnologin\tlip=192.0.2.1\trip=192.0.2.7\tsecured\n\
         E ResponseRequested { id: 1 }\nS CONT\t1\t\n\
         C CONT\t1\tZ29vZA==\n\
         E response 1 OAUTHBEARER 4 smtp remote 192.0.2.7 local 192.0.2.1 secured\n\
         S OK\t1\tuser=al\x01tice@a\tnologin\tk=v",
    );
}

#[test]
fn an_empty_resp_of_exim_asks_for_the_response() {
    check(
        "C VERSION\t1\t0\nC CPID\t99\n\
         C AUTH\t1\tXOAUTH2\tservice=smtp\tsecured\trip=192.0.2.7\tlip=192.0.2.1\tnologin\tresp=\n\
         E ResponseRequested { id: 1 }\nS CONT\t1\t\n\
         C CONT\t1\tZ29vZA==\n\
         E response 1 XOAUTH2 4 smtp remote 192.0.2.7 local 192.0.2.1 secured\n\
         S OK\t1\tuser=al\x01tice@a\tnologin\tk=v",
    );
}

#[test]
fn dovecot_2_3_logs_in() {
    check(
        "C VERSION\t1\t2\nC CPID\t812\n\
         C AUTH\t1\tXOAUTH2\tservice=imap\tsecured\tsession=Zm9vYmFyYmF6Zm9v\tlip=192.0.2.1\t\
         rip=192.0.2.7\tlport=143\trport=50000\tlocal_name=mx.example.com\tssl_cipher=X\tresp=Z29vZA==\n\
         E response 1 XOAUTH2 4 imap remote 192.0.2.7:50000 local 192.0.2.1:143 secured session Zm9vYmFyYmF6Zm9v\n\
         S OK\t1\tuser=al\x01tice@a\tnologin\tk=v",
    );
}

#[test]
fn dovecot_2_4_names_its_protocol_and_says_how_it_is_secured() {
    check(
        "C VERSION\t1\t3\nC CPID\t812\n\
         C AUTH\t1\tOAUTHBEARER\tprotocol=imap\tfinal-resp-ok\tsecured=tls\tsession=s\tlip=::1\t\
         rip=::1\tlport=993\trport=50000\treal_rip=192.0.2.9\treal_rport=1\tssl_ja3_hash=00\tresp=Z29vZA==\n\
         E response 1 OAUTHBEARER 4 imap remote ::1:50000 local ::1:993 secured session s\n\
         S OK\t1\tuser=al\x01tice@a\tnologin\tk=v",
    );
}

#[test]
fn every_known_option_is_accepted_and_unknown_ones_are_ignored() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=smtp\tdebug\tclient_id=x\tforward_fields=y\treal_lip=192.0.2.1\t\
         real_lport=1\tfinal-resp-ok\tno-penalty\tvalid-client-cert\tcert_username=c\tnologin\t\
         ssl_protocol=TLS\tssl_client_cert_fp=0\tssl_client_cert_pubkey_fp=0\tchannel_binding=b\t\
         brand-new=thing\tflag\t\tresp\tresponse=x\tresp=Z29vZA==\n\
         E response 1 XOAUTH2 4 smtp no-penalty\n\
         S OK\t1\tuser=al\x01tice@a\tnologin\tk=v",
    );
}

#[test]
fn a_refused_login_gets_the_challenge_and_then_its_failure() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=smtp\tresp=YmFk\n\
         E response 1 XOAUTH2 3 smtp\nS CONT\t1\te30=\n\
         C CONT\t1\tAQ==\n\
         E Replied { id: 1 }\nS FAIL\t1\tuser=bob@b\treason=Invalid token",
    );
}

#[test]
fn any_reply_to_the_challenge_brings_the_failure() {
    for reply in [
        "AQ==",
        "",
        "\x01",
        "Z29vZA==",
        "*",
        "Z29vZA==\tchannel_binding=x",
        "no base64",
    ] {
        postfix(&format!(
            "C AUTH\t1\tXOAUTH2\tservice=smtp\tresp=YmFk\n\
             E response 1 XOAUTH2 3 smtp\nS CONT\t1\te30=\n\
             C CONT\t1\t{reply}\n\
             E Replied {{ id: 1 }}\nS FAIL\t1\tuser=bob@b\treason=Invalid token"
        ));
    }
}

#[test]
fn after_a_challenge_without_reply_the_next_login_goes_on() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=smtp\tresp=YmFk\n\
         E response 1 XOAUTH2 3 smtp\nS CONT\t1\te30=\n\
         C AUTH\t2\tXOAUTH2\tservice=smtp\tresp=Z29vZA==\n\
         E response 2 XOAUTH2 4 smtp\nS OK\t2\tuser=al\x01tice@a\tnologin\tk=v",
    );
}

#[test]
fn a_failure_without_challenge_says_user_code_and_reason() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=smtp\tresp=ZmFpbA==\n\
         E response 1 XOAUTH2 4 smtp\n\
         S FAIL\t1\tuser=bob@b\tcode=user_disabled\treason=Invalid token",
    );
}

#[test]
fn verdicts_may_come_in_any_order() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=smtp\tresp=aG9sZA==\nC AUTH\t2\tXOAUTH2\tservice=smtp\tresp=aG9sZA==\n\
         E response 1 XOAUTH2 4 smtp\nE response 2 XOAUTH2 4 smtp\n\
         V accept 2\nS OK\t2\tuser=al\x01tice@a\tnologin\tk=v\n\
         V fail 1\nS FAIL\t1\tuser=bob@b\tcode=user_disabled\treason=Invalid token",
    );
}

#[test]
fn lines_may_follow_each_other_without_waiting() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=smtp\nC CONT\t1\tYmFk\nC CONT\t1\tAQ==\n\
         C AUTH\t1\tXOAUTH2\tservice=smtp\tresp=Z29vZA==\n\
         E ResponseRequested { id: 1 }\nS CONT\t1\t\n\
         E response 1 XOAUTH2 3 smtp\nS CONT\t1\te30=\n\
         E Replied { id: 1 }\nS FAIL\t1\tuser=bob@b\treason=Invalid token\n\
         E response 1 XOAUTH2 4 smtp\nS OK\t1\tuser=al\x01tice@a\tnologin\tk=v",
    );
}

#[test]
fn a_missing_resp_asks_for_the_response_whatever_the_minor_version() {
    for handshake in [POSTFIX, MINOR_2, MINOR_4] {
        check(&format!(
            "{handshake}\nC AUTH\t1\tXOAUTH2\tservice=x\nE ResponseRequested {{ id: 1 }}\nS CONT\t1\t"
        ));
    }
}

#[test]
fn an_empty_resp_is_an_empty_response_from_minor_2_on() {
    for handshake in [MINOR_2, MINOR_4] {
        check(&format!(
            "{handshake}\nC AUTH\t1\tXOAUTH2\tservice=x\tresp=\nE response 1 XOAUTH2 0 x"
        ));
    }
}

#[test]
fn a_lone_equals_is_an_empty_response_whatever_the_minor_version() {
    for handshake in [POSTFIX, MINOR_2, MINOR_4] {
        check(&format!(
            "{handshake}\nC AUTH\t1\tXOAUTH2\tservice=x\tresp==\nE response 1 XOAUTH2 0 x"
        ));
    }
}

#[test]
fn what_follows_the_response_of_cont_is_no_part_of_it() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=x\nE ResponseRequested { id: 1 }\nS CONT\t1\t\n\
         C CONT\t1\taG9s\tZA==\nE response 1 XOAUTH2 3 x",
    );
}

#[test]
fn a_mechanism_named_like_an_option_is_no_option() {
    postfix(
        "C AUTH\t1\tresp=\tservice=x\nE refused 1 MechanismNotOffered\n\
         S FAIL\t1\treason=Mechanism not served here: let the mail server offer OAUTHBEARER XOAUTH2 only",
    );
}

#[test]
fn only_auth_is_held_back_by_a_full_table() {
    let mut script = String::from(POSTFIX);
    for id in 1..=4 {
        write!(
            script,
            "\nC AUTH\t{id}\tXOAUTH2\tservice=x\tresp=aG9sZA==\nE response {id} XOAUTH2 4 x"
        )
        .unwrap();
    }
    script.push_str("\nC CANCEL\t9\tAUTH\nE Cancelled { id: 9 }");
    check(&script);
}

#[test]
fn an_empty_cont_is_an_empty_response() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=x\nC CONT\t1\t\n\
         E ResponseRequested { id: 1 }\nS CONT\t1\t\nE response 1 XOAUTH2 0 x",
    );
}

#[test]
fn a_lone_equals_is_no_response_of_cont() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=x\nC CONT\t1\t=\n\
         E ResponseRequested { id: 1 }\nS CONT\t1\t\n\
         E refused 1 InvalidBase64\n\
         S FAIL\t1\tcode=invalid_base64\treason=The response is not base64, or was cut on its way here",
    );
}

#[test]
fn bad_base64_fails_its_login_and_no_other() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=x\tresp=Z29vZ\nC AUTH\t2\tXOAUTH2\tservice=x\tresp=Z29vZA==\n\
         E refused 1 InvalidBase64\n\
         S FAIL\t1\tcode=invalid_base64\treason=The response is not base64, or was cut on its way here\n\
         E response 2 XOAUTH2 4 x\nS OK\t2\tuser=al\x01tice@a\tnologin\tk=v",
    );
}

#[test]
fn a_token_too_long_fails_its_login_and_no_other() {
    let text = "A".repeat(MAX_RESPONSE_CHARACTERS + 4);
    postfix(&format!(
        "C AUTH\t1\tXOAUTH2\tservice=x\tresp={text}\nC AUTH\t2\tXOAUTH2\tservice=x\tresp={GOOD}\n\
         E refused 1 ResponseTooLong\n\
         S FAIL\t1\treason=The token, name or password is too long: let the identity provider put fewer claims into tokens\n\
         E response 2 XOAUTH2 4 x\nS OK\t2\tuser=al\x01tice@a\tnologin\tk=v"
    ));
}

#[test]
fn the_longest_response_passes_in_auth_and_in_cont() {
    let text = "A".repeat(MAX_RESPONSE_CHARACTERS);
    postfix(&format!(
        "C AUTH\t1\tXOAUTH2\tservice=x\tresp={text}\nE response 1 XOAUTH2 9216 x\n\
         C AUTH\t2\tXOAUTH2\tservice=x\nE ResponseRequested {{ id: 2 }}\nS CONT\t2\t\n\
         C CONT\t2\t{text}\nE response 2 XOAUTH2 9216 x"
    ));
}

#[test]
fn a_line_too_long_closes() {
    let longest = "x".repeat(MAX_LINE - "AUTH\t1\tXOAUTH2\tservice=x\t\n".len());
    postfix(&format!(
        "C AUTH\t1\tXOAUTH2\tservice=x\t{longest}\nE ResponseRequested {{ id: 1 }}\nS CONT\t1\t\n\
         C AUTH\t2\tXOAUTH2\tservice=x\t{longest}x\nE Close(LineTooLong)"
    ));
}

#[test]
fn a_mechanism_that_is_not_offered_fails_with_what_to_do() {
    postfix(
        "C AUTH\t1\tPLAIN\tservice=smtp\tresp=AGEAYg==\n\
         E refused 1 MechanismNotOffered\n\
         S FAIL\t1\treason=Mechanism not served here: let the mail server offer OAUTHBEARER XOAUTH2 only\n\
         C AUTH\t2\txoauth2\tservice=smtp\tresp=Z29vZA==\n\
         E response 2 XOAUTH2 4 smtp\nS OK\t2\tuser=al\x01tice@a\tnologin\tk=v",
    );
}

#[test]
fn a_mechanism_that_the_greeting_left_out_is_not_served() {
    let greeting = Greeting {
        mechanisms: &[Mechanism::XOAuth2],
        ..GREETING
    };
    let mut play = Play::new();
    play.connection = Connection::greet(&greeting, &mut String::new()).unwrap();
    play.feed(&[b"VERSION\t1\t0\nCPID\t1\nAUTH\t1\tOAUTHBEARER\tservice=x\n".to_vec()]);
    assert_eq!(play.told[0], "E refused 1 MechanismNotOffered");
}

#[test]
fn a_service_name_that_cannot_be_kept_fails_its_login_only() {
    for service in ["", "a-service-of-more-than-sixteen"] {
        postfix(&format!(
            "C AUTH\t1\tXOAUTH2\tservice={service}\tresp=Z29vZA==\n\
             E refused 1 UnusableService\n\
             S FAIL\t1\treason=The service's name is empty, too long or not UTF-8"
        ));
    }
}

#[test]
fn a_service_name_that_is_not_utf8_fails_its_login_only() {
    let mut play = handshaken();
    play.feed(&[b"AUTH\t1\tXOAUTH2\tservice=\xff\tsession=\xff\tresp=Z29vZA==\n".to_vec()]);
    assert_eq!(play.told[0], "E refused 1 UnusableService");
}

#[test]
fn a_session_that_is_not_utf8_counts_as_not_given() {
    let mut play = handshaken();
    play.feed(&[b"AUTH\t1\tXOAUTH2\tservice=x\tsession=\xff\tresp=aG9sZA==\n".to_vec()]);
    assert_eq!(play.told, ["E response 1 XOAUTH2 4 x"]);
}

#[test]
fn addresses_ports_and_sessions_that_do_not_parse_count_as_not_given() {
    postfix(&format!(
        "C AUTH\t1\tXOAUTH2\tservice=smtp\trip=unknown\tlip=\trport=65536\tlport=x\tsession={}\tresp={GOOD}\n\
         E response 1 XOAUTH2 4 smtp\nS OK\t1\tuser=al\x01tice@a\tnologin\tk=v",
        "s".repeat(33)
    ));
}

#[test]
fn kept_fields_are_unescaped() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=a\x01tb\tsession=x\x011y\n\
         E ResponseRequested { id: 1 }\nS CONT\t1\t\n\
         C CONT\t1\taG9sZA==\nE response 1 XOAUTH2 4 a\tb session x\x01y",
    );
}

#[test]
fn the_later_of_two_options_wins() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=smtp\tprotocol=imap\tresp=aG9sZA==\nE response 1 XOAUTH2 4 imap",
    );
}

#[test]
fn a_continuation_while_judging_ends_the_login_and_its_verdict() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=x\tresp=aG9sZA==\nE response 1 XOAUTH2 4 x\n\
         C CONT\t1\tZ29vZA==\n\
         E refused 1 UnexpectedContinuation\nS FAIL\t1\treason=Unexpected continuation\n\
         V accept 1\nE NotPending",
    );
}

#[test]
fn a_continuation_of_an_unknown_id_has_timed_out() {
    postfix(
        "C CONT\t5\tZ29vZA==\n\
         E refused 5 UnknownId\nS FAIL\t5\treason=Authentication request timed out",
    );
}

#[test]
fn cancel_ends_the_login_and_its_verdict_without_a_word() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=x\tresp=aG9sZA==\nE response 1 XOAUTH2 4 x\n\
         C CANCEL\t1\nE Cancelled { id: 1 }\n\
         V accept 1\nE NotPending",
    );
}

#[test]
fn cancel_is_acknowledged_from_minor_4_on() {
    check(&format!(
        "{MINOR_4}\nC AUTH\t1\tXOAUTH2\tservice=x\nE ResponseRequested {{ id: 1 }}\nS CONT\t1\t\n\
         C CANCEL\t1\nE Cancelled {{ id: 1 }}\nS CANCELLED\t1\n\
         C CANCEL\t9\nE Cancelled {{ id: 9 }}\nS CANCELLED\t9\n\
         C CONT\t1\tAA==\nE refused 1 UnknownId\nS FAIL\t1\treason=Authentication request timed out"
    ));
}

#[test]
fn a_late_verdict_never_answers_another_login_with_the_same_id() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=x\tresp=aG9sZA==\nE response 1 XOAUTH2 4 x\n\
         C CANCEL\t1\nE Cancelled { id: 1 }\n\
         C AUTH\t1\tXOAUTH2\tservice=y\tresp=aG9sZA==\nE response 1 XOAUTH2 4 y\n\
         V accept 1\nE NotPending\n\
         V fail 1\nS FAIL\t1\tuser=bob@b\tcode=user_disabled\treason=Invalid token",
    );
}

#[test]
fn an_id_that_awaits_its_reply_may_be_used_again() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=x\tresp=YmFk\nE response 1 XOAUTH2 3 x\nS CONT\t1\te30=\n\
         C AUTH\t1\tXOAUTH2\tservice=x\tresp=Z29vZA==\n\
         E response 1 XOAUTH2 4 x\nS OK\t1\tuser=al\x01tice@a\tnologin\tk=v",
    );
}

#[test]
fn an_id_that_is_judged_or_awaits_its_response_may_not() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=x\tresp=aG9sZA==\nE response 1 XOAUTH2 4 x\n\
         C AUTH\t1\tXOAUTH2\tservice=x\tresp=aG9sZA==\nE Close(DuplicateId)",
    );
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=x\nE ResponseRequested { id: 1 }\nS CONT\t1\t\n\
         C AUTH\t1\tXOAUTH2\tservice=x\nE Close(DuplicateId)",
    );
}

#[test]
fn a_full_table_drops_the_oldest_that_awaits_its_reply() {
    postfix(
        "C AUTH\t1\tXOAUTH2\tservice=x\nE ResponseRequested { id: 1 }\nS CONT\t1\t\n\
         C AUTH\t2\tXOAUTH2\tservice=x\tresp=aG9sZA==\nE response 2 XOAUTH2 4 x\n\
         C AUTH\t3\tXOAUTH2\tservice=x\tresp=YmFk\nE response 3 XOAUTH2 3 x\nS CONT\t3\te30=\n\
         V challenge 2\nS CONT\t2\te30=\n\
         C AUTH\t4\tXOAUTH2\tservice=x\nE ResponseRequested { id: 4 }\nS CONT\t4\t\n\
         C AUTH\t5\tXOAUTH2\tservice=x\nE ResponseRequested { id: 5 }\nS CONT\t5\t\n\
         C CONT\t3\t\nE refused 3 UnknownId\nS FAIL\t3\treason=Authentication request timed out\n\
         C CONT\t2\t\nE Replied { id: 2 }\nS FAIL\t2\tuser=bob@b\treason=Invalid token",
    );
}

#[test]
fn a_full_table_without_failed_logins_drops_the_oldest_that_awaits_its_response() {
    let auth = |id| {
        format!(
            "C AUTH\t{id}\tXOAUTH2\tservice=x\nE ResponseRequested {{ id: {id} }}\nS CONT\t{id}\t\n"
        )
    };
    let held = "C AUTH\t9\tXOAUTH2\tservice=x\tresp=aG9sZA==\nE response 9 XOAUTH2 4 x\n";
    postfix(&format!(
        "{held}{}{}{}{}C CONT\t1\tZ29vZA==\n\
         E refused 1 UnknownId\nS FAIL\t1\treason=Authentication request timed out\n\
         V accept 9\nS OK\t9\tuser=al\x01tice@a\tnologin\tk=v",
        auth(1),
        auth(2),
        auth(3),
        auth(4)
    ));
}

#[test]
fn clients_that_leave_after_the_challenge_never_block_a_new_login() {
    let mut script = String::from(POSTFIX);
    for id in 1..100 {
        write!(
            script,
            "\nC AUTH\t{id}\tXOAUTH2\tservice=x\tresp=YmFk\nE response {id} XOAUTH2 3 x\nS CONT\t{id}\te30="
        )
        .unwrap();
    }
    check(&script);
}

#[test]
fn what_breaks_the_handshake_closes() {
    for (script, error) in [
        ("C ", "VersionExpected"),
        ("C CPID\t1", "VersionExpected"),
        ("C AUTH\t1\tXOAUTH2\tservice=x", "VersionExpected"),
        ("C GET / HTTP/1.1", "VersionExpected"),
        ("C VERSION", "MissingParameter"),
        ("C VERSION\t1", "MissingParameter"),
        ("C VERSION\t2\t0", "UnsupportedVersion"),
        ("C VERSION\t\t0", "UnsupportedVersion"),
        ("C VERSION\t1\tx", "UnsupportedVersion"),
        ("C VERSION\t1\t0\nC VERSION\t1\t0", "CpidExpected"),
        (
            "C VERSION\t1\t0\nC AUTH\t1\tXOAUTH2\tservice=x",
            "CpidExpected",
        ),
        ("C VERSION\t1\t0\nC CPID", "MissingParameter"),
        ("C VERSION\t1\t0\nC CPID\t0", "InvalidCpid"),
        ("C VERSION\t1\t0\nC CPID\t-1", "InvalidCpid"),
    ] {
        check(&format!("{script}\nE Close({error})"));
    }
}

#[test]
fn later_minor_versions_and_extra_parameters_are_accepted() {
    check(
        "C VERSION\t1\t77\tnew\nC CPID\t1\tnew\nC CANCEL\t1\tnew\nE Cancelled { id: 1 }\nS CANCELLED\t1",
    );
}

#[test]
fn what_breaks_the_protocol_closes() {
    for (line, error) in [
        ("", "UnknownCommand"),
        ("VERSION\t1\t0", "UnknownCommand"),
        ("CPID\t1", "UnknownCommand"),
        ("auth\t1\tXOAUTH2\tservice=x", "UnknownCommand"),
        ("QUIT", "UnknownCommand"),
        ("AUTH", "MissingParameter"),
        ("AUTH\t1", "MissingParameter"),
        ("AUTH\t0\tXOAUTH2\tservice=x", "InvalidId"),
        ("AUTH\t4294967296\tXOAUTH2\tservice=x", "InvalidId"),
        ("AUTH\t\tXOAUTH2\tservice=x", "InvalidId"),
        ("AUTH\t1\tXOAUTH2", "MissingService"),
        (
            "AUTH\t1\tXOAUTH2\trip=192.0.2.7\tresp=Z29vZA==",
            "MissingService",
        ),
        ("AUTH\t1\tPLAIN", "MissingService"),
        (
            "AUTH\t1\tXOAUTH2\tservice=x\tresp=Z29vZA==\tnologin",
            "FieldAfterResponse",
        ),
        (
            "AUTH\t1\tXOAUTH2\tservice=x\tresp=\tnologin",
            "FieldAfterResponse",
        ),
        (
            "AUTH\t1\tXOAUTH2\tservice=x\tresp=*\t",
            "FieldAfterResponse",
        ),
        (
            "AUTH\t1\tPLAIN\tservice=x\tresp=Z29vZA==\tnologin",
            "FieldAfterResponse",
        ),
        ("CONT", "MissingParameter"),
        ("CONT\t1", "MissingParameter"),
        ("CONT\tx\tAA==", "InvalidId"),
        ("CANCEL", "MissingParameter"),
        ("CANCEL\t0", "InvalidId"),
    ] {
        postfix(&format!("C {line}\nE Close({error})"));
    }
}

#[test]
fn a_line_without_end_closes() {
    let mut play = Play::new();
    play.feed(&[vec![b'x'; MAX_LINE + 1]]);
    assert_eq!(play.told, ["E Close(LineTooLong)"]);
}

fn handshaken() -> Play {
    let mut play = Play::new();
    play.feed(&[b"VERSION\t1\t0\nCPID\t1\n".to_vec()]);
    assert!(play.connection.is_handshaken());
    play
}

#[test]
fn a_handshake_is_over_once_both_its_lines_have_come() {
    let mut play = Play::new();
    for (line, expected) in [
        ("", (false, None)),
        ("VERSION\t1\t0\n", (false, None)),
        ("CPID\t4711", (false, None)),
        ("\n", (true, Some(4711))),
        ("QUIT\n", (false, Some(4711))),
    ] {
        play.feed(&[line.as_bytes().to_vec()]);
        let connection = &play.connection;
        let told = (connection.is_handshaken(), connection.client_pid());
        assert_eq!(told, expected, "{line}");
    }
}

#[test]
fn a_login_is_outstanding_until_its_client_has_its_answer() {
    let mut play = handshaken();
    for (line, expected) in [
        ("AUTH\t1\tXOAUTH2\tservice=x\n", (1, 0)),
        ("AUTH\t2\tXOAUTH2\tservice=x\tresp=aG9sZA==\n", (2, 1)),
        ("AUTH\t3\tXOAUTH2\tservice=x\tresp=YmFk\n", (3, 1)),
        ("CONT\t3\t\n", (2, 1)),
        ("CANCEL\t2\n", (1, 0)),
        ("CANCEL\t1\n", (0, 0)),
    ] {
        play.feed(&[line.as_bytes().to_vec()]);
        let connection = &play.connection;
        let told = (connection.outstanding(), connection.judging());
        assert_eq!(told, expected, "{line}");
    }
}

#[test]
fn a_closed_connection_stays_closed_and_answers_nothing() {
    let mut play = handshaken();
    play.feed(&[b"AUTH\t1\tXOAUTH2\tservice=x\tresp=aG9sZA==\n".to_vec()]);
    play.feed(&[b"QUIT\n".to_vec()]);
    play.verdict("accept 1");
    play.feed(&[b"CANCEL\t1\n".to_vec()]);
    let close = "E Close(UnknownCommand)";
    assert_eq!(play.told[1..], [close, "E NotPending", close]);
}

#[test]
fn nothing_is_lost_while_a_buffer_is_wanted() {
    let mut play = handshaken();
    let mut out = String::new();
    let line = b"AUTH\t1\tXOAUTH2\tservice=x\tresp=aG9sZA==\n";
    let (used, event) = play.connection.receive(line, &mut [], &mut out);
    assert!(matches!(event, Event::BufferWanted));
    for _ in 0..3 {
        let (more, event) = play.connection.receive(&line[used..], &mut [], &mut out);
        assert!(more == 0 && matches!(event, Event::BufferWanted));
    }
    assert!(!play.connection.is_reading_response());
    let mut buffer = [0; 64];
    let half = &line[used..used + 5];
    let (more, event) = play.connection.receive(half, &mut buffer, &mut out);
    assert!(more == 5 && matches!(event, Event::Incomplete));
    assert!(play.connection.is_reading_response() && play.connection.has_unfinished_line());
    let (_, event) = play
        .connection
        .receive(&line[used + 5..], &mut buffer, &mut out);
    let Event::Response(login) = event else {
        panic!("{event:?}")
    };
    assert_eq!(&buffer[..login.length], b"hold");
    assert!(!play.connection.is_reading_response() && !play.connection.has_unfinished_line());
}

#[test]
fn no_buffer_is_wanted_for_a_response_that_nobody_reads() {
    let mut play = handshaken();
    play.feed(&[b"AUTH\t1\tXOAUTH2\tservice=x\tresp=YmFk\n".to_vec()]);
    for line in [
        &b"CONT\t1\tZ29vZA==\n"[..],
        b"CONT\t9\tZ29vZA==\n",
        b"AUTH\t2\tPLAIN\tservice=x\tresp=Z29vZA==\n",
        b"AUTH\t3\tXOAUTH2\tservice=x\tresp=\n",
    ] {
        let (used, event) = play.connection.receive(line, &mut [], &mut String::new());
        assert!(
            used == line.len() && !matches!(event, Event::BufferWanted),
            "{event:?}"
        );
    }
}

#[test]
fn a_table_full_of_judged_logins_holds_the_next_back_and_loses_nothing() {
    let mut play = handshaken();
    for id in 1..=4 {
        play.feed(&[format!("AUTH\t{id}\tXOAUTH2\tservice=x\tresp=aG9sZA==\n").into_bytes()]);
    }
    assert_eq!(play.connection.judging(), 4);
    let line = b"AUTH\t5\tXOAUTH2\tservice=x\n";
    let mut out = String::new();
    let (used, event) = play.connection.receive(line, &mut [], &mut out);
    assert!(matches!(event, Event::Busy));
    let (more, event) = play.connection.receive(&line[used..], &mut [], &mut out);
    assert!(more == 0 && matches!(event, Event::Busy));
    play.verdict("challenge 2");
    let (_, event) = play.connection.receive(&line[used..], &mut [], &mut out);
    assert!(matches!(event, Event::ResponseRequested { id: 5 }));
    assert_eq!(out, "CONT\t5\t\n");
}

#[test]
fn a_name_too_long_to_keep_is_left_out_of_the_failure() {
    let mut play = handshaken();
    play.feed(&[b"AUTH\t1\tXOAUTH2\tservice=x\tresp=aG9sZA==\n".to_vec()]);
    let name = "n".repeat(65);
    let failure = Failure {
        user: Some(&name),
        code: Some(FailCode::AuthzFail),
        reason: "",
    };
    let mut out = String::new();
    play.connection
        .challenge(play.tickets.remove(0), b"{}", failure, &mut out)
        .unwrap();
    play.told.clear();
    play.feed(&[b"CONT\t1\t\n".to_vec()]);
    assert_eq!(play.told[1], "S FAIL\t1\tcode=authz_fail");
}

#[test]
fn an_output_without_room_closes() {
    let mut play = handshaken();
    play.feed(&[b"AUTH\t1\tXOAUTH2\tservice=x\tresp=aG9sZA==\n".to_vec()]);
    let mut full = heapless::String::<4>::new();
    let sent = play
        .connection
        .accept(play.tickets.remove(0), "a", &[], &mut full);
    assert_eq!(sent, Err(NotSent::OutputFull));
    let (_, event) = play.connection.receive(b"CANCEL\t1\n", &mut [], &mut full);
    assert!(matches!(event, Event::Close(ProtocolError::OutputFull)));
}

#[test]
fn an_idle_connection_of_16_places_costs_less_than_2_kb() {
    let size = size_of::<Connection<FixedTable<16>>>();
    assert!(size < 2048, "{size} bytes");
}

#[test]
fn debug_shows_no_byte_of_a_response() {
    let mut play = handshaken();
    play.feed(&[b"AUTH\t1\tXOAUTH2\tservice=x\tresp=c2VjcmV0c2Vjcm".to_vec()]);
    let shown = format!("{:?}", play.connection);
    assert!(
        !shown.contains("secret") && !shown.contains("cm"),
        "{shown}"
    );
    assert!(shown.contains("Ready"), "{shown}");
}

/// Xorshift: the same numbers in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Feeds `input` in random pieces; checks what holds whatever the input is.
fn storm(input: &[u8], random: &mut Seeded) {
    let mut connection = Connection::<FixedTable<4>>::greet(&GREETING, &mut String::new()).unwrap();
    let mut buffer = [0; 48];
    let mut tickets = Vec::new();
    let mut at = 0;
    let mut end = 0;
    for _ in 0..input.len() * 4 + 16 {
        if at == end {
            if end == input.len() {
                return;
            }
            end += 1 + random.below(input.len() - end);
        }
        let lent = connection.is_reading_response() || random.below(4) > 0;
        let lent = if lent { &mut buffer[..] } else { &mut [] };
        let mut out = String::new();
        let (used, event) = connection.receive(&input[at..end], lent, &mut out);
        at += used;
        assert!(out.is_empty() || out.ends_with('\n') && out.matches('\n').count() == 1);
        match event {
            Event::Incomplete => assert_eq!(at, end),
            Event::Close(_) => return,
            Event::Response(login) => tickets.push(login.ticket),
            _ => {}
        }
        if connection.judging() == 4 || random.below(3) == 0 {
            let failure = Failure {
                user: None,
                code: None,
                reason: "no",
            };
            match (tickets.pop(), random.below(3)) {
                (Some(ticket), 0) => drop(connection.accept(ticket, "a", &[], &mut out)),
                (Some(ticket), 1) => drop(connection.fail(ticket, failure, &mut out)),
                (Some(ticket), _) => drop(connection.challenge(ticket, b"{}", failure, &mut out)),
                (None, _) => {}
            }
        }
        assert!(connection.outstanding() <= 4);
    }
    panic!("{at} of {} bytes used, and no end", input.len());
}

#[test]
fn mutated_input_is_used_up_or_closes_in_bounded_work() {
    let seed = "VERSION\t1\t2\nCPID\t9\nAUTH\t1\tXOAUTH2\tservice=smtp\trip=192.0.2.1\tresp=Z29vZA==\n\
                AUTH\t2\tOAUTHBEARER\tprotocol=imap\tsession=a\x01tb\tsecured=tls\nCONT\t2\tYmFk\n\
                CONT\t2\tAQ==\nCANCEL\t1\nAUTH\t3\tPLAIN\tservice=x\tresp==\nCONT\t9\t\n\
                AUTH\t4\tXOAUTH2\tservice=x\nAUTH\t5\tXOAUTH2\tservice=x\tresp=QUJDREVGR0hJSktMTU5PUA==\n";
    let spice = [
        b"\t", b"\n", b"\x01", b"=", b"0", b"1", b"A", b"\xff", b"\r",
    ];
    let mut random = Seeded(0x6761_7465_706f_7374);
    for _ in 0..20_000 {
        let mut input = seed.as_bytes().to_vec();
        for _ in 0..random.below(4) {
            let at = random.below(input.len());
            match random.below(4) {
                0 => input[at] = u8::try_from(random.below(256)).unwrap(),
                1 => drop(input.remove(at)),
                2 => input.insert(at, spice[random.below(spice.len())][0]),
                _ => input.truncate(at + 1),
            }
        }
        storm(&input, &mut random);
    }
}

#[test]
fn random_input_is_used_up_or_closes_in_bounded_work() {
    let mut random = Seeded(1);
    for _ in 0..5_000 {
        let mut input = b"VERSION\t1\t0\nCPID\t1\nAUTH\t".to_vec();
        for _ in 0..=random.below(200) {
            input.push(b"\t\n\x01=1AXresp=\xff\0"[random.below(14)]);
        }
        storm(&input[random.below(3) * 12..], &mut random);
    }
}

/// Plays lines against a server that takes passwords as well; `|` in its answers parts lines and events.
fn play_passwords(lines: &[&str], expected: &[&str]) {
    let greeting = Greeting {
        mechanisms: &Mechanism::ALL,
        ..GREETING
    };
    let mut said = String::new();
    let mut connection = Connection::<FixedTable<16>>::greet(&greeting, &mut said).unwrap();
    assert!(said.contains("MECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\n"));
    said.clear();
    let lines = [&["VERSION\t1\t2\nCPID\t9\n"], lines].concat().concat();
    let mut input = lines.as_bytes();
    let mut buffer = [0; 300];
    let mut heard = vec![];
    loop {
        let (used, event) = connection.receive(input, &mut buffer, &mut said);
        input = &input[used..];
        heard.extend(said.lines().map(String::from));
        said.clear();
        match event {
            Event::Incomplete => break,
            Event::Response(login) => {
                let message = String::from_utf8_lossy(&buffer[..login.length]);
                heard.push(format!("{} {message:?}", login.mechanism.name()));
            }
            Event::Close(why) => heard.push(format!("{why:?}")),
            _ => {}
        }
    }
    assert_eq!(heard, expected);
}

#[test]
fn login_is_put_together_from_name_and_password() {
    play_passwords(
        &[
            "AUTH\t1\tLOGIN\tservice=smtp\n",
            "CONT\t1\tYWxpY2U=\n",
            "AUTH\t2\tLOGIN\tservice=smtp\tresp=Ym9i\n",
            "CONT\t1\tc2VjcmV0\n",
            "CONT\t2\t\n",
            "AUTH\t3\tPLAIN\tservice=smtp\tresp=AGFsaWNlAHNlY3JldA==\n",
        ],
        &[
            "CONT\t1\tVXNlcm5hbWU6",
            "CONT\t1\tUGFzc3dvcmQ6",
            "CONT\t2\tUGFzc3dvcmQ6",
            r#"LOGIN "\0alice\0secret""#,
            r#"LOGIN "\0bob\0""#,
            r#"PLAIN "\0alice\0secret""#,
        ],
    );
}

#[test]
fn a_name_that_was_left_behind_belongs_to_no_other_login() {
    play_passwords(
        &[
            "AUTH\t1\tLOGIN\tservice=smtp\tresp=Ym9i\n",
            "CANCEL\t1\n",
            "AUTH\t1\tLOGIN\tservice=smtp\tresp=YWxpY2U=\n",
            "CONT\t1\tc2VjcmV0\n",
        ],
        &[
            "CONT\t1\tUGFzc3dvcmQ6",
            "CONT\t1\tUGFzc3dvcmQ6",
            r#"LOGIN "\0alice\0secret""#,
        ],
    );
}

/// J14: what a client of LOGIN has said is not lost to itself.
#[test]
fn login_works_or_is_told_that_there_is_no_place() {
    let greeting = Greeting {
        mechanisms: &Mechanism::ALL,
        ..GREETING
    };
    for (judged, first) in [0, 1, 2, 3].into_iter().flat_map(|judged| {
        [
            (judged, "AUTH\t9\tLOGIN\tservice=smtp\tresp=Ym9i\n"),
            (judged, "AUTH\t9\tLOGIN\tservice=smtp\nCONT\t9\tYm9i\n"),
        ]
    }) {
        let mut said = String::new();
        let mut connection = Connection::<FixedTable<4>>::greet(&greeting, &mut said).unwrap();
        let mut lines = String::from("VERSION\t1\t2\nCPID\t9\n");
        // Somebody else's who are gone, and whose places are there to be taken.
        for id in 11..=14 {
            writeln!(lines, "AUTH\t{id}\tXOAUTH2\tservice=smtp").unwrap();
        }
        for id in 1..=judged {
            writeln!(lines, "AUTH\t{id}\tPLAIN\tservice=smtp\tresp=AGEAYg==").unwrap();
        }
        lines += first;
        lines += "CONT\t9\tc2VjcmV0\n";
        let mut input = lines.as_bytes();
        let mut buffer = [0; 64];
        let mut heard = vec![];
        loop {
            let (used, event) = connection.receive(input, &mut buffer, &mut said);
            input = &input[used..];
            match event {
                Event::Incomplete => break,
                Event::Response(login) if login.mechanism == Mechanism::Login => {
                    heard.push(String::from_utf8_lossy(&buffer[..login.length]).into_owned());
                }
                Event::Refused(refusal) => heard.push(format!("{:?}", refusal.reason)),
                event => assert!(!matches!(event, Event::Close(_) | Event::Busy), "{event:?}"),
            }
        }
        let expected: &[&str] = if judged < 3 {
            &["\0bob\0secret"]
        } else {
            &["Busy", "UnknownId"]
        };
        assert_eq!(heard, expected, "{judged} {first}");
        let busy = "FAIL\t9\tcode=temp_fail\treason=Temporary failure: too many logins at once\n";
        assert_eq!(said.contains(busy), judged == 3, "{said}");
    }
}

#[test]
fn clients_that_leave_between_name_and_password_block_nobody() {
    let mut lines = String::new();
    for id in 1..100 {
        writeln!(lines, "AUTH\t{id}\tLOGIN\tservice=smtp\tresp=YQ==").unwrap();
    }
    lines += "AUTH\t100\tPLAIN\tservice=smtp\tresp=AGEAYg==\nCONT\t1\tYg==\n";
    lines += "CONT\t99\tYg==\n";
    let mut expected: Vec<String> = (1..100)
        .map(|id| format!("CONT\t{id}\tUGFzc3dvcmQ6"))
        .collect();
    expected.push(r#"PLAIN "\0a\0b""#.into());
    expected.push("FAIL\t1\treason=Authentication request timed out".into());
    expected.push(r#"LOGIN "\0a\0b""#.into());
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    play_passwords(&[&lines], &expected);
}

#[test]
fn a_name_or_password_beyond_its_bound_is_refused() {
    let long = "YWFh".repeat(50);
    let refused = "FAIL\t1\treason=The token, name or password is too long: let the identity provider put fewer claims into tokens";
    play_passwords(
        &["AUTH\t1\tLOGIN\tservice=smtp\tresp=", &long, "\n"],
        &[refused],
    );
    let long = "YWFh".repeat(100);
    play_passwords(
        &[
            "AUTH\t1\tLOGIN\tservice=smtp\tresp=YQ==\nCONT\t1\t",
            &long,
            "\n",
        ],
        &["CONT\t1\tUGFzc3dvcmQ6", refused],
    );
}

/// A connection that has begun to judge as many logins as it has places for.
fn exhausted(out: &mut String) -> (Connection<FixedTable<2>>, Vec<Ticket>) {
    let mut connection = Connection::<FixedTable<2>>::greet(&GREETING, out).unwrap();
    let mut tickets = vec![];
    let mut input: &[u8] = b"VERSION\t1\t2\nCPID\t9\nAUTH\t1\tXOAUTH2\tservice=smtp\tresp=YQ==\n\
                             AUTH\t2\tXOAUTH2\tservice=smtp\tresp=YQ==\n";
    while !input.is_empty() {
        assert_eq!(connection.is_exhausted(), tickets.len() == 2);
        let (used, event) = connection.receive(input, &mut [0; 16], out);
        input = &input[used..];
        if let Event::Response(login) = event {
            tickets.push(login.ticket);
        }
    }
    (connection, tickets)
}

#[test]
fn a_login_is_judged_until_its_verdict_or_until_its_client_leaves() {
    let mut out = String::new();
    let (mut connection, tickets) = exhausted(&mut out);
    assert!(connection.is_exhausted() && connection.judging() == 2);
    assert!(tickets.iter().all(|ticket| connection.is_judging(ticket)));
    let (_, event) = connection.receive(b"CANCEL\t1\n", &mut [], &mut out);
    assert!(!matches!(event, Event::Close(_)), "{event:?}");
    assert!(!connection.is_judging(&tickets[0]) && connection.is_judging(&tickets[1]));
    assert!(!connection.is_exhausted() && connection.judging() == 1);
}
