//! What comes after the handshake: data, its end, and what must not come.

use std::pin::pin;
use std::task::{Context, Waker};

use embedded_io_async::{Read as _, Write as _};
use gatepost_embassy_tls::{Connection, Error, Trust};

use crate::chain::{self, Chain};
use crate::client::{Client, anchor, echo};
use crate::server::Server;

/// What `then` makes of a connection to a server that gives this answer to all data.
fn connected<V>(
    answer: fn(&mut Server, &[u8]),
    then: impl AsyncFnOnce(&mut Connection<'_, Server>) -> V,
) -> V {
    let chain = Chain::new(chain::p256);
    let mut server = Server::new(chain.list(), chain.server.key());
    server.answer = answer;
    Client::new(Trust::Anchors(&[anchor(&chain.root)]))
        .run(server, then)
        .unwrap()
}

/// What a client reads from a server that gives this answer.
#[track_caller]
fn check(answer: fn(&mut Server, &[u8]), expected: Result<usize, Error>) {
    let (first, second) = connected(answer, async |connection| {
        connection.write_all(b"hello").await.unwrap();
        connection.flush().await.unwrap();
        let first = connection.read(&mut [0; 99]).await;
        (first, connection.read(&mut [0; 99]).await)
    });
    assert_eq!(first, expected);
    if expected.is_err() {
        assert_eq!(second, Err(Error::Ended), "an error is the end");
    }
}

#[test]
fn the_end_of_the_transport_is_not_the_end_of_the_data() {
    check(|_, _| (), Err(Error::Truncated));
}

#[test]
fn a_server_s_close_is_the_end_of_the_data() {
    check(|server, _| server.close(), Ok(0));
}

#[test]
fn what_a_server_closed_stays_closed() {
    connected(
        |server, _| server.close(),
        async |connection| {
            assert_eq!(echo(connection, b"hello").await, Err(Error::Ended));
            assert_eq!(connection.read(&mut [0]).await, Ok(0));
            assert_eq!(connection.write(b"hello").await, Err(Error::Ended));
            assert_eq!(connection.flush().await, Err(Error::Ended));
        },
    );
}

#[test]
fn an_unprotected_close_is_none() {
    check(
        |server, _| server.say_openly(&[21, 3, 3, 0, 2, 1, 0]),
        Err(Error::Protocol),
    );
}

#[test]
fn an_unprotected_message_is_none() {
    check(
        |server, _| server.say_openly(&[22, 3, 3, 0, 4, 8, 0, 0, 0]),
        Err(Error::Protocol),
    );
}

#[test]
fn another_change_of_ciphers_is_none() {
    check(
        |server, _| server.say_openly(&[20, 3, 3, 0, 1, 1]),
        Err(Error::Protocol),
    );
}

#[test]
fn a_record_too_short_to_be_protected() {
    check(
        |server, _| server.say_openly(&[23, 3, 3, 0, 1, 0]),
        Err(Error::Protocol),
    );
}

#[test]
fn a_record_that_another_protected() {
    check(
        |server, _| {
            server.say_protected(b"hello\x17");
            *server.said.last_mut().unwrap() ^= 1;
        },
        Err(Error::Protocol),
    );
}

#[test]
fn a_record_of_padding_alone() {
    check(
        |server, _| server.say_protected(&[0; 9]),
        Err(Error::Protocol),
    );
}

#[test]
fn a_record_without_anything() {
    check(|server, _| server.say_protected(b""), Err(Error::Protocol));
}

#[test]
fn a_record_of_another_version() {
    check(
        |server, _| {
            let start = server.said.len();
            server.say_protected(b"hello\x17");
            server.said[start + 2] = 0;
        },
        Err(Error::Protocol),
    );
}

#[test]
fn padding_is_no_data() {
    check(
        |server, _| server.say_protected(b"hello\x17\0\0\0"),
        Ok(b"hello".len()),
    );
}

#[test]
fn messages_that_belong_into_the_handshake() {
    // ServerHello, EncryptedExtensions, Certificate and the others, with what their readers need.
    fn say<const TYPE: u8>(server: &mut Server, _: &[u8]) {
        let mut inner = vec![TYPE, 0, 0, 99];
        inner.extend([0; 99]);
        inner.push(22);
        server.say_protected(&inner);
    }
    for answer in [
        say::<1>, say::<2>, say::<8>, say::<11>, say::<13>, say::<15>, say::<20>, say::<254>,
    ] {
        check(answer, Err(Error::Protocol));
    }
    check(
        |server, _| server.say_protected(&[8, 0, 0, 2, 0, 0, 22]),
        Err(Error::Protocol),
    );
}

#[test]
fn a_key_update_is_not_spoken() {
    check(
        |server, _| server.say_protected(&[24, 0, 0, 1, 0, 22]),
        Err(Error::Protocol),
    );
}

#[test]
fn tickets_are_passed_over_whatever_they_hold() {
    for inner in [
        fn_of(|server, _| server.say_protected(&[4, 0, 0, 0, 22])),
        fn_of(|server, _| server.say_protected(&[4, 0, 0, 2, 1, 1, 4, 0, 0, 1, 8, 22])),
    ] {
        // Nothing comes after the ticket.
        check(inner, Err(Error::Truncated));
    }
}

#[test]
fn part_of_a_ticket_is_none() {
    for inner in [
        fn_of(|server, _| server.say_protected(&[4, 0, 0, 22])),
        fn_of(|server, _| server.say_protected(&[4, 0, 0, 2, 1, 22])),
        fn_of(|server, _| server.say_protected(&[22])),
    ] {
        check(inner, Err(Error::Protocol));
    }
}

#[test]
fn an_abandoned_read_is_the_end() {
    let chain = Chain::new(chain::p256);
    let mut server = Server::new(chain.list(), chain.server.key());
    server.waits = true;
    let outcome =
        Client::new(Trust::Anchors(&[anchor(&chain.root)])).run(server, async |connection| {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(pin!(connection.read(&mut [0])).poll(&mut cx).is_pending());
            connection.write(b"hello").await
        });
    assert_eq!(outcome, Ok(Err(Error::Ended)));
}

/// A closure among others.
fn fn_of(answer: fn(&mut Server, &[u8])) -> fn(&mut Server, &[u8]) {
    answer
}
