use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use super::connection::IDLE;
use super::*;
use crate::connection::peer::Stage;
use crate::connection::world::{TestClient, World, client, responder, run};

impl World {
    fn ask(&self, capacity: usize) -> TestClient {
        let service = Arc::clone(&self.service);
        TestClient::connect(capacity, async move |stream| {
            let slot = Slot::default();
            answer_questions(stream, &responder(), &service, (client(), &slot)).await;
        })
    }

    fn userinfo(&self) -> String {
        format!(
            "GET /userinfo HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {}\r\n\r\n",
            self.token()
        )
    }
}

impl TestClient {
    /// One answer: its status and its body.
    async fn answer(&mut self) -> (u16, Value) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        let (length, _) = length.split_once('\r').unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.stream.read_exact(&mut body).await.unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

fn alice() -> Value {
    json!("alice@example.com")
}

#[test]
fn one_connection_asks_again_and_again() {
    run(async |world| {
        let mut client = world.ask(1 << 16);
        for _ in 0..3 {
            client.send(world.userinfo().as_bytes()).await;
            let (status, body) = client.answer().await;
            assert_eq!((status, &body["email"]), (200, &alice()));
            // As long as Dovecot keeps one.
            sleep(Duration::from_mins(1)).await;
        }
        drop(client.stream);
        client.served.await.unwrap();
    });
}

#[test]
fn an_idle_connection_ends_in_the_end() {
    run(async |world| {
        let mut client = world.ask(1 << 16);
        let started = Instant::now();
        client.is_closed().await;
        assert_eq!(started.elapsed(), IDLE);
    });
}

#[test]
fn a_request_that_does_not_come_to_its_end_is_given_up() {
    run(async |world| {
        let post = "POST /introspect HTTP/1.1\r\nHost: g\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntok";
        for begun in ["G", "GET /userinfo HTTP/1.1\r\nHost:", post] {
            let mut client = world.ask(1 << 16);
            sleep(Duration::from_secs(40)).await;
            let started = Instant::now();
            client.send(begun.as_bytes()).await;
            client.is_closed().await;
            assert_eq!(started.elapsed(), world.service.line, "{begun}");
        }
    });
}

#[test]
fn a_body_that_does_not_come_has_no_more_time_after_another_answer() {
    run(async |world| {
        let half = "POST /introspect HTTP/1.1\r\nHost: g\r\nExpect: 100-continue\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n";
        for begun in [half.to_owned(), world.userinfo() + half + "tok"] {
            let mut client = world.ask(1 << 16);
            let started = Instant::now();
            client.send(begun.as_bytes()).await;
            client.is_closed().await;
            assert_eq!(started.elapsed(), world.service.line, "{begun}");
        }
    });
}

#[test]
fn a_byte_now_and_then_buys_no_time() {
    run(async |world| {
        let mut client = world.ask(1 << 16);
        let started = Instant::now();
        for byte in world.userinfo().as_bytes() {
            if client.stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        client.is_closed().await;
        assert!(started.elapsed() <= world.service.line + Duration::from_secs(2));
    });
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    run(async |world| {
        let mut client = world.ask(16);
        client.send(world.userinfo().as_bytes()).await;
        let started = Instant::now();
        (&mut client.served).await.unwrap();
        assert_eq!(started.elapsed(), world.service.line);
    });
}

#[test]
fn a_request_in_pieces_is_a_request() {
    run(async |world| {
        let mut client = world.ask(1);
        client.send(world.userinfo().as_bytes()).await;
        let (status, body) = client.answer().await;
        assert_eq!((status, &body["email"]), (200, &alice()));
    });
}

#[test]
fn a_token_with_any_bytes_is_a_bad_token() {
    run(async |world| {
        let mut client = world.ask(1 << 16);
        for byte in (1..=0xff).filter(|byte| !matches!(byte, b'\r' | b'\n')) {
            let head: &[u8] = b"GET /userinfo HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer t";
            client.send(&[head, &[byte], b"t\r\n\r\n"].concat()).await;
            let (status, body) = client.answer().await;
            assert_eq!((status, &body["active"]), (401, &json!(false)), "{byte}");
            assert_eq!(body.get("error"), None);
        }
    });
}

#[test]
fn the_longest_token_that_a_mail_server_passes_on_is_a_bad_token() {
    run(async |world| {
        let mut client = world.ask(1 << 16);
        let token = "t".repeat(9216);
        let request =
            format!("GET /userinfo HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {token}\r\n\r\n");
        client.send(request.as_bytes()).await;
        assert_eq!(client.answer().await.0, 401);
        let token = "%2b".repeat(9216);
        let request = format!("GET /introspect?token={token} HTTP/1.1\r\nHost: g\r\n\r\n");
        client.send(request.as_bytes()).await;
        assert_eq!(client.answer().await.0, 401);
    });
}

#[test]
fn a_head_or_a_body_without_end_is_not_read_to_its_end() {
    run(async |world| {
        let mut client = world.ask(1 << 16);
        let post = "POST /introspect HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(post.as_bytes()).await;
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        let mut sent = 0;
        while sent < 1 << 24 && client.stream.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
        assert!(sent < 1 << 18, "{sent}");
        let mut client = world.ask(1 << 12);
        client.send(b"GET /userinfo HTTP/1.1\r\n").await;
        let mut sent = 0;
        while sent < 1 << 24
            && client
                .stream
                .write_all(b"X: yyyyyyyyyyyyy\r\n")
                .await
                .is_ok()
        {
            sent += 18;
        }
        assert!(sent < 1 << 18, "{sent}");
    });
}

#[test]
fn what_has_begun_is_answered_before_the_daemon_stops() {
    run(async |world| {
        let mut idle = world.ask(1 << 16);
        let mut busy = world.ask(1 << 16);
        let request = world.userinfo();
        let (one, other) = request.split_at(30);
        busy.send(one.as_bytes()).await;
        sleep(Duration::from_secs(1)).await;
        world.stop.send_replace(Stage::Stopping);
        idle.is_closed().await;
        busy.send(other.as_bytes()).await;
        assert_eq!(busy.answer().await.0, 200);
        busy.is_closed().await;
    });
}

/// As with the auth protocol: what waits at another connection is answered before all that one has sent at once.
#[test]
fn pipelined_requests_of_two_connections_take_turns() {
    const REQUESTS: usize = 50;
    run(async |world| {
        let answered = Rc::new(RefCell::new(Vec::new()));
        let mut clients = [1, 2].map(|number| {
            let (service, answered) = (Arc::clone(&world.service), Rc::clone(&answered));
            TestClient::connect(1 << 16, async move |stream| {
                let answer = async |_| {
                    answered.borrow_mut().push(number);
                    Reply::empty(200)
                };
                let stopping = service.stopping.clone();
                let slot = Slot::default();
                let served = serve(stream, service.line, stopping, &slot, answer).await;
                served.unwrap();
            })
        });
        let requests = "GET / HTTP/1.1\r\nHost: g\r\n\r\n".repeat(REQUESTS);
        for client in &mut clients {
            client.send(&requests).await;
        }
        for client in &mut clients {
            for _ in 0..REQUESTS {
                assert_eq!(client.answer().await.0, 200);
            }
        }
        let answered = answered.borrow();
        assert_eq!(answered.len(), 2 * REQUESTS);
        let in_a_row = answered.chunk_by(|one, next| one == next).map(<[_]>::len);
        assert!(in_a_row.max() <= Some(2), "{answered:?}");
    });
}
