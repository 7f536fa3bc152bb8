use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_core::sasl::Mechanism;
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex,
};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::sleep;

use super::*;
use crate::connection::world::{World, client, halves};
use crate::handlers::auth::Auth;
use crate::handlers::relay::RelayedAuth;

mod deadlines;

const HANDSHAKE: &str = "VERSION\t1\t0\nCPID\t4711\n";
const DAY: Duration = Duration::from_hours(24);

/// A mail server's end of a connection, with time that passes only where everybody waits.
struct Client {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    served: JoinHandle<()>,
}

impl World {
    fn connect(&self, capacity: usize) -> Client {
        let (ours, theirs) = duplex(capacity);
        let (service, upstream) = (Arc::clone(&self.service), self.upstream.clone());
        let served = spawn_local(async move {
            let (reader, writer) = halves(theirs);
            let (mechanisms, client) = (&Mechanism::BEARER, client());
            match &upstream {
                None => {
                    let auth = Auth::greet(&service, mechanisms, std::iter::empty(), client);
                    serve(reader, writer, auth, &service, 1).await;
                }
                Some(upstream) => {
                    let relayed = RelayedAuth::greet(&service, upstream, mechanisms, client);
                    serve(reader, writer, relayed, &service, 1).await;
                }
            }
        });
        let (reader, writer) = tokio::io::split(ours);
        Client {
            reader: BufReader::new(reader),
            writer,
            served,
        }
    }

    fn auth(&self, id: u32, user: &str) -> String {
        let token = self.token();
        let response = STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"));
        format!("AUTH\t{id}\tXOAUTH2\tservice=smtp\tresp={response}\n")
    }
}

impl Client {
    async fn send(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).await.unwrap();
    }

    /// One line; empty at the end.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).await.unwrap();
        line
    }

    async fn handshake(&mut self) {
        while self.line().await != "DONE\n" {}
        self.send(HANDSHAKE).await;
    }
}

/// Runs a test on a thread's own tasks, as the workers do.
async fn local<F: Future>(test: F) -> F::Output {
    LocalSet::new().run_until(test).await
}

const ALICE: &str = "alice@example.com";
const GOOD: &str = "OK\t1\tuser=alice@example.com\n";

#[tokio::test(start_paused = true)]
async fn an_established_connection_is_never_closed_for_idleness() {
    local(async {
        for world in World::both() {
            let mut client = world.connect(65_536);
            client.handshake().await;
            sleep(30 * DAY).await;
            client.send(&world.auth(1, ALICE)).await;
            assert_eq!(client.line().await, GOOD);
            sleep(30 * DAY).await;
            client.send(&world.auth(1, ALICE)).await;
            assert_eq!(client.line().await, GOOD);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_to_end() {
    local(async {
        for world in World::both() {
            let started = Instant::now();
            let mut silent = world.connect(65_536);
            let mut slow = world.connect(65_536);
            slow.send("VERSION\t1\t0\nCPI").await;
            while !silent.line().await.is_empty() {}
            while !slow.line().await.is_empty() {}
            assert_eq!(started.elapsed().as_secs(), 30);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_line_has_to_end_however_its_bytes_trickle() {
    local(async {
        for world in World::both() {
            let mut client = world.connect(65_536);
            client.handshake().await;
            client.send(&world.auth(1, ALICE)).await;
            assert_eq!(client.line().await, GOOD);
            let started = Instant::now();
            let trickle = async {
                while client.writer.write_all(b"A").await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
            };
            trickle.await;
            assert!((30..=31).contains(&started.elapsed().as_secs()));
            assert_eq!(client.line().await, "");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn half_open_connections_do_not_delay_others() {
    local(async {
        for world in World::both() {
            let mut half_open = Vec::new();
            for _ in 0..200 {
                let mut client = world.connect(65_536);
                client.handshake().await;
                client
                    .send("AUTH\t1\tXOAUTH2\tservice=smtp\tresp=QUJD")
                    .await;
                half_open.push(client);
            }
            let started = Instant::now();
            let mut client = world.connect(65_536);
            client.handshake().await;
            client.send(&world.auth(1, ALICE)).await;
            assert_eq!(client.line().await, GOOD);
            assert_eq!(started.elapsed(), Duration::ZERO);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn however_much_one_connection_sends_another_gets_its_turn() {
    local(async {
        let world = World::new();
        let login = world.auth(1, ALICE);
        let mut busy = world.connect(1 << 20);
        busy.handshake().await;
        // From here on its signature is remembered, so that its logins wait for nothing.
        busy.send(&login).await;
        assert_eq!(busy.line().await, GOOD);
        let mut other = world.connect(1 << 16);
        other.handshake().await;
        busy.send(&login.repeat(500)).await;
        other.send(&login).await;
        assert_eq!(other.line().await, GOOD);
        let mut answers = vec![0; 1 << 16];
        let length = busy.reader.read(&mut answers).await.unwrap();
        let before = answers[..length].iter().filter(|byte| **byte == b'\n');
        assert!(before.count() <= input::INPUT / login.len() + 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_not_read_from() {
    local(async {
        for world in World::both() {
            let mut client = world.connect(1024);
            client.handshake().await;
            let flood = "CANCEL\t1\nAUTH\t1\tXOAUTH2\tservice=smtp\n".repeat(10_000);
            let sent = client.writer.write_all(flood.as_bytes());
            // The daemon stops reading long before the flood ends, and closes when nothing moves.
            assert!(sent.await.is_err());
            let mut answered = 0;
            while !client.line().await.is_empty() {
                answered += 1;
            }
            assert!(answered < 5_000, "{answered} answers were kept");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn logins_left_after_their_challenge_never_block_a_new_one() {
    local(async {
        for world in World::both() {
            let mut client = world.connect(65_536);
            client.handshake().await;
            for id in 2..50 {
                client.send(&world.auth(id, "bob@example.com")).await;
                assert!(client.line().await.starts_with("CONT\t"));
            }
            client.send(&world.auth(1, ALICE)).await;
            assert_eq!(client.line().await, GOOD);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn more_logins_at_once_than_there_are_places_are_all_answered() {
    local(async {
        for world in World::both() {
            let mut client = world.connect(65_536);
            client.handshake().await;
            let all: String = (1..=40).map(|id| world.auth(id, ALICE)).collect();
            client.send(&all).await;
            let mut answered = Vec::new();
            for _ in 1..=40 {
                let line = client.line().await;
                let id = line
                    .strip_prefix("OK\t")
                    .unwrap()
                    .split('\t')
                    .next()
                    .unwrap();
                answered.push(id.parse::<u32>().unwrap());
            }
            answered.sort_unstable();
            assert!(answered.into_iter().eq(1..=40));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_its_side_is_answered_first() {
    local(async {
        for world in World::both() {
            let mut client = world.connect(65_536);
            client.handshake().await;
            client.send(&world.auth(1, ALICE)).await;
            client.writer.shutdown().await.unwrap();
            assert_eq!(client.line().await, GOOD);
            assert_eq!(client.line().await, "");
            client.served.await.unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_an_unfinished_login_end() {
    local(async {
        for world in World::both() {
            let mut client = world.connect(65_536);
            client.handshake().await;
            let line = world.auth(1, ALICE);
            let (head, tail) = line.split_at(100);
            client.send(head).await;
            sleep(Duration::from_secs(1)).await;
            world.stop.send_replace(Stage::Stopping);
            sleep(Duration::from_secs(1)).await;
            client.send(tail).await;
            assert_eq!(client.line().await, GOOD);
            assert_eq!(client.line().await, "");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_breaks_the_protocol_is_closed() {
    local(async {
        for world in World::both() {
            let mut client = world.connect(65_536);
            client.handshake().await;
            client.send("EHLO mail.example.com\n").await;
            assert_eq!(client.line().await, "");
            client.served.await.unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn guesses_wait_and_delay_nobody_else() {
    local(async {
        for world in World::both() {
            let mut client = world.connect(1 << 16);
            client.handshake().await;
            let guess = |id: u32| {
                let token = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA";
                let response = STANDARD.encode(format!("user=a\x01auth=Bearer {token}\x01\x01"));
                format!("AUTH\t{id}\tXOAUTH2\tservice=smtp\trip=192.0.2.7\tresp={response}\n")
            };
            for (id, seconds) in [(1, 0), (2, 1), (3, 2), (4, 4)] {
                let start = Instant::now();
                client.send(&guess(id)).await;
                assert!(client.line().await.starts_with(&format!("CONT\t{id}\t")));
                assert_eq!(start.elapsed().as_secs(), seconds);
            }
            // Dovecot says so of networks that it trusts.
            let start = Instant::now();
            client
                .send(&guess(5).replace("\tresp", "\tno-penalty\tresp"))
                .await;
            client.line().await;
            assert_eq!(start.elapsed().as_secs(), 0);
            // Half of the places are kept for others; what finds none of its own is answered at once.
            let start = Instant::now();
            for id in 10..26 {
                client.send(&guess(id)).await;
            }
            let good = world
                .auth(30, "alice@example.com")
                .replace("\tresp", "\trip=192.0.2.7\tresp");
            client.send(&good).await;
            loop {
                if client.line().await.starts_with("OK\t30\t") {
                    break;
                }
            }
            assert_eq!(start.elapsed().as_secs(), 0);
            // A stop waits for no penalty.
            world.stop.send_replace(Stage::Stopping);
            let start = Instant::now();
            client.served.await.unwrap();
            assert!(
                start.elapsed() < Duration::from_secs(8),
                "{:?}",
                start.elapsed()
            );
        }
    })
    .await;
}
