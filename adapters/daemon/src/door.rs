//! Where connections of one protocol come in: one place that counts them and hands them to the workers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::listener::{BACKLOG, Bound};
use crate::metrics;
use crate::worker::{Accepted, Protocol, Stream, Workers};

/// How long to wait after `accept` has failed, which it does again at once where descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// All listeners of one protocol together.
pub(crate) struct Door {
    inside: Arc<Inside>,
    accepting: JoinSet<()>,
    closing: watch::Sender<bool>,
}

/// What the listeners share.
struct Inside {
    places: Arc<Semaphore>,
    all: u32,
    protocol: Protocol,
    workers: Arc<Workers>,
    number: AtomicU32,
}

impl Door {
    /// A door for so many connections at once, which speak `protocol`.
    pub(crate) fn new(connections: u32, protocol: Protocol, workers: &Arc<Workers>) -> Self {
        let inside = Inside {
            places: Arc::new(Semaphore::new(connections as usize)),
            all: connections,
            protocol,
            workers: Arc::clone(workers),
            number: AtomicU32::new(0),
        };
        Self {
            inside: Arc::new(inside),
            accepting: JoinSet::new(),
            closing: watch::Sender::new(false),
        }
    }

    /// Begins to accept connections of `listener`.
    pub(crate) fn open(&mut self, listener: Bound) {
        let (inside, closing) = (Arc::clone(&self.inside), self.closing.subscribe());
        self.accepting.spawn(accept(listener, inside, closing));
    }

    /// Lets in who is waiting, closes every listener, and removes the paths that are still ours.
    pub(crate) async fn close(&mut self) {
        self.closing.send_replace(true);
        while self.accepting.join_next().await.is_some() {}
    }

    /// Waits until every connection has ended.
    pub(crate) async fn wait_until_empty(&self) {
        // Never closed: it fails at no time.
        let _ = self.inside.places.acquire_many(self.inside.all).await;
    }
}

async fn accept(listener: Bound, inside: Arc<Inside>, mut closing: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        match accepted {
            Ok(stream) => inside.let_in(stream),
            Err(error) => {
                tracing::warn!(
                    address = listener.address(),
                    error = error.to_string(),
                    "connection not accepted"
                );
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Who waits in the kernel's queue would be cut off with it.
    for _ in 0..BACKLOG {
        let Ok(Ok(stream)) = timeout(Duration::ZERO, listener.accept()).await else {
            break;
        };
        inside.let_in(stream);
    }
}

impl Inside {
    fn let_in(&self, stream: Stream) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            metrics::limit_hit(metrics::Limit::Connections);
            tracing::warn!(limit = self.all, "connection closed: too many connections");
            return;
        };
        match self.describe(stream, place) {
            Ok(accepted) => self.workers.serve(accepted),
            Err(error) => tracing::error!(error = error.to_string(), "connection closed"),
        }
    }

    fn describe(&self, stream: Stream, place: OwnedSemaphorePermit) -> io::Result<Accepted> {
        let mut cookie = [0; 16];
        aws_lc_rs::rand::fill(&mut cookie).map_err(|_| io::Error::other("no random numbers"))?;
        Ok(Accepted {
            stream,
            protocol: self.protocol,
            // Wraps after four thousand million connections, of which none is left then.
            number: self.number.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
            cookie,
            place,
        })
    }
}
