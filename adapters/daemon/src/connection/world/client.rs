//! A client of virtual time, and the runtime that it lives on.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::timeout;

use super::World;

const DAY: Duration = Duration::from_hours(24);

/// A client's end of a connection, with time that passes only where everybody waits.
pub(crate) struct TestClient {
    pub(crate) stream: DuplexStream,
    pub(crate) served: JoinHandle<()>,
}

impl TestClient {
    /// Connects to what `serve` makes of the other end, of which so many bytes may be under way.
    pub(crate) fn connect<F: Future<Output = ()> + 'static>(
        capacity: usize,
        serve: impl FnOnce(DuplexStream) -> F,
    ) -> Self {
        let (stream, theirs) = duplex(capacity);
        let served = spawn_local(serve(theirs));
        Self { stream, served }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.push(self.stream.read_u8().await.unwrap());
        }
        String::from_utf8(line).unwrap()
    }

    /// Reads what is left; a reset is an end as well.
    pub(crate) async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
        self.ended().await;
    }

    /// Waits without reading.
    pub(crate) async fn ended(&mut self) {
        (&mut self.served).await.unwrap();
    }
}

/// Runs `test` in a world of its own, for a day of its time at most.
pub(crate) fn run<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let test = async { timeout(DAY, test(World::new())).await.unwrap() };
    LocalSet::new().block_on(&runtime, test);
}
