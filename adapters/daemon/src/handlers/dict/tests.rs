use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep};

use super::*;
use crate::connection::peer::{Stage, serve};
use crate::connection::world::{TestClient, World, halves, run};

const HELLO: &str = "H4\t0\t0\t\tkeys\n";
impl World {
    fn look_up(&self, capacity: usize) -> TestClient {
        let service = Arc::clone(&self.service);
        TestClient::connect(capacity, async move |stream| {
            let (reader, writer) = halves(stream);
            serve(reader, writer, Dict::new(&service), &service, 1).await;
        })
    }
}

#[test]
fn keys_are_found_and_others_are_not_over_one_connection() {
    run(async |world| {
        let mut client = world.look_up(1 << 16);
        client.send(HELLO).await;
        for _ in 0..2 {
            client
                .send("Lshared/default/ES256/ES256\t\nLshared/default/ES256/x\t\n")
                .await;
            let pem = world.issuer.spki_pem("ES256").replace('\n', "\x01n");
            assert_eq!(client.line().await, format!("O{pem}\n"));
            assert_eq!(client.line().await, "N\n");
            sleep(Duration::from_mins(1)).await;
        }
    });
}

#[test]
fn an_idle_connection_ends_in_the_end() {
    run(async |world| {
        for begun in ["", HELLO] {
            let mut client = world.look_up(1 << 16);
            client.send(begun).await;
            let started = Instant::now();
            client.ended().await;
            assert_eq!(started.elapsed(), Dict::IDLE.unwrap());
        }
    });
}

#[test]
fn a_line_that_does_not_come_to_its_end_is_given_up() {
    run(async |world| {
        let mut client = world.look_up(1 << 16);
        client.send(HELLO).await;
        sleep(Duration::from_mins(1)).await;
        let started = Instant::now();
        while client.stream.write_all(b"L").await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
        client.ended().await;
        let (took, limit) = (started.elapsed(), world.service.line);
        assert!(
            (limit..=limit + Duration::from_secs(1)).contains(&took),
            "{took:?}"
        );
    });
}

#[test]
fn answers_that_nobody_reads_are_bounded_and_given_up() {
    run(async |world| {
        let mut client = world.look_up(1 << 10);
        client.send(HELLO).await;
        let started = Instant::now();
        let lookups = "Lshared/default/ES256/ES256\t\n".repeat(10_000);
        let _ = client.stream.write_all(lookups.as_bytes()).await;
        client.ended().await;
        assert_eq!(started.elapsed(), world.service.line);
    });
}

#[test]
fn the_daemon_stops_whoever_is_connected() {
    run(async |world| {
        let mut client = world.look_up(1 << 16);
        client.send(HELLO).await;
        sleep(Duration::from_secs(1)).await;
        world.stop.send_replace(Stage::Stopping);
        client.ended().await;
    });
}
