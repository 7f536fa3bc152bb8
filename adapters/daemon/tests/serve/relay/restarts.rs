//! Dovecot comes, goes and comes again, and so does the daemon.

use super::*;

#[test]
fn while_dovecot_is_away_tokens_are_judged_and_it_is_found_again() {
    let (daemon, dovecot) = with_dovecot();
    let (mut client, _) = daemon.auth(77);
    let (mut other, greeting) = daemon.auth(78);
    let mut master = daemon.master();
    log_in_again(&mut client);
    client.send(password(1, "bob", "slow"));
    assert_eq!(other.ask(daemon.token(5)), format!("OK\t5\tuser={ALICE}"));
    assert_eq!(
        master.ask("USER\t1\tbob\tservice=lmtp\n"),
        "USER\t1\tbob\tuid=8\thome=/h/bob"
    );
    drop(dovecot);
    let gone = "code=temp_fail";
    assert_eq!(client.line(), format!("FAIL\t1\t{gone}"));
    assert_eq!(
        client.ask(password(2, "bob", "good")),
        format!("FAIL\t2\t{gone}")
    );
    assert_eq!(client.ask(daemon.token(3)), format!("OK\t3\tuser={ALICE}"));
    assert_eq!(master.ask("USER\t2\tbob\tservice=lmtp\n"), "FAIL\t2");
    assert_eq!(
        master.ask(format!("REQUEST\t3\t78\t5\t{}\n", cookie(&greeting))),
        "FAIL\t3"
    );
    // Who connects now is offered what Dovecot offered.
    let (_, greeting) = daemon.auth(79);
    assert!(
        greeting.contains(&"MECH\tPLAIN\tplaintext".to_owned()),
        "{greeting:?}"
    );
    let _dovecot = Dovecot::start(daemon.root.path());
    log_in_again(&mut client);
    log_in_again(&mut other);
    let mut id = 10;
    while master.ask(format!("USER\t{id}\tbob\tservice=lmtp\n")) == format!("FAIL\t{id}") {
        id += 1;
    }
}

#[test]
fn a_dovecot_that_was_started_again_meanwhile_is_not_missed() {
    let (mut daemon, dovecot) = with_dovecot();
    let (mut client, _) = daemon.auth(77);
    let mut master = daemon.master();
    log_in_again(&mut client);
    let bob = "USER\t1\tbob\tuid=8\thome=/h/bob";
    assert_eq!(master.ask("USER\t1\tbob\tservice=lmtp\n"), bob);
    drop(dovecot);
    let _dovecot = Dovecot::start(daemon.root.path());
    daemon.serving.wait_for("Dovecot answers");
    assert_eq!(
        client.ask(password(1, "bob", "good")),
        "OK\t1\tuser=bob\tx_new=1"
    );
    assert_eq!(master.ask("USER\t1\tbob\tservice=lmtp\n"), bob);
}

#[test]
fn a_dovecot_that_comes_later_is_found() {
    let root = TempDir::new().unwrap();
    let mut daemon = Daemon::start(root, DOVECOT);
    let (mut client, greeting) = daemon.auth(77);
    assert!(
        !greeting.contains(&"MECH\tPLAIN\tplaintext".to_owned()),
        "{greeting:?}"
    );
    assert_eq!(client.ask(daemon.token(1)), format!("OK\t1\tuser={ALICE}"));
    let _dovecot = Dovecot::start(daemon.root.path());
    let event = daemon.serving.wait_for("Dovecot answers");
    assert_eq!(event["mechanisms"], "PLAIN XOAUTH2 CRAM-MD5");
    let (mut client, _) = daemon.auth(77);
    assert_eq!(
        client.ask(password(1, "bob", "good")),
        "OK\t1\tuser=bob\tx_new=1"
    );
}

#[test]
fn a_restart_loses_no_client_that_connects_again() {
    let (mut daemon, _dovecot) = with_dovecot();
    let (mut client, _) = daemon.auth(77);
    log_in_again(&mut client);
    daemon.serving.stop();
    daemon.serving = serve(&daemon.root);
    assert_eq!(client.line(), "");
    let (mut client, greeting) = daemon.auth(77);
    assert_eq!(
        client.ask(password(1, "bob", "good")),
        "OK\t1\tuser=bob\tx_new=1"
    );
    let request = format!("REQUEST\t1\t77\t1\t{}\n", cookie(&greeting));
    assert_eq!(
        daemon.master().ask(&request),
        "USER\t1\tbob\tuid=8\thome=/h/bob"
    );
}

#[test]
fn a_stop_waits_for_what_dovecot_is_asked() {
    let (mut daemon, _dovecot) = with_dovecot();
    let (mut client, _) = daemon.auth(77);
    assert_eq!(
        client.ask("AUTH\t1\tPLAIN\tservice=smtp\tnologin\n"),
        "CONT\t1\t"
    );
    daemon.serving.signal("TERM");
    daemon.serving.wait_for("stopping");
    assert_eq!(
        client.ask("CONT\t1\tAGV2ZQBnb29k\n"),
        "OK\t1\tuser=eve\tx_new=1"
    );
    assert_eq!(client.line(), "");
    assert_eq!(daemon.serving.ended().0, Some(0));
}

#[test]
fn a_client_that_closes_its_side_is_answered_first() {
    let (daemon, _dovecot) = with_dovecot();
    let (mut client, _) = daemon.auth(77);
    client.send(&(password(1, "bob", "good") + &daemon.token(2)));
    client
        .0
        .get_mut()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    let mut answers = [client.line(), client.line()];
    answers.sort();
    assert_eq!(
        answers,
        [
            "OK\t1\tuser=bob\tx_new=1".to_owned(),
            format!("OK\t2\tuser={ALICE}")
        ]
    );
    assert_eq!(client.line(), "");
}
