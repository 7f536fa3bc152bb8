//! Accepts the connections of one listener, counts them, and hands them to the workers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, unconstrained};
use tokio::time::{sleep, timeout};

use crate::connection::client::{Client, Remote};
use crate::connection::listener::{BACKLOG, Bound};
use crate::connection::slot::{Slot, Slots};
use crate::connection::worker::{Accepted, Protocol, Stream, Workers};
use crate::metrics;

/// How long to wait after `accept` has failed, which it does again at once where descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Counts the connections of all protocols: logins that tell no address are told apart by it.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The sockets of one listener.
pub(crate) struct Acceptor {
    shared: Arc<Shared>,
    accepting: JoinSet<()>,
    closing: watch::Sender<bool>,
}

/// What the listeners share.
struct Shared {
    slots: Slots,
    protocol: Protocol,
    workers: Arc<Workers>,
}

impl Acceptor {
    /// Accepts so many connections at once, which speak `protocol`.
    pub(crate) fn new(connections: u32, protocol: Protocol, workers: &Arc<Workers>) -> Self {
        let shared = Shared {
            slots: Slots::new(connections, protocol.is_http()),
            protocol,
            workers: Arc::clone(workers),
        };
        Self {
            shared: Arc::new(shared),
            accepting: JoinSet::new(),
            closing: watch::Sender::new(false),
        }
    }

    /// Begins to accept connections of `listener`.
    pub(crate) fn open(&mut self, listener: Bound) {
        let (shared, closing) = (Arc::clone(&self.shared), self.closing.subscribe());
        self.accepting.spawn(accept(listener, shared, closing));
    }

    /// Lets in who is waiting, closes every listener, and removes the paths that are still ours.
    pub(crate) async fn close(&mut self) {
        self.closing.send_replace(true);
        while self.accepting.join_next().await.is_some() {}
    }

    /// Waits until every connection has ended.
    pub(crate) async fn wait_until_empty(&self) {
        self.shared.slots.wait_until_empty().await;
    }
}

async fn accept(listener: Bound, shared: Arc<Shared>, mut closing: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        match accepted {
            Ok((stream, remote)) => shared.admit(stream, remote),
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
        let Ok(Ok((stream, remote))) =
            timeout(Duration::ZERO, unconstrained(listener.accept())).await
        else {
            break;
        };
        shared.admit(stream, remote);
    }
}

impl Shared {
    fn admit(&self, stream: Stream, remote: Remote) {
        let Some(slot) = self.slots.take(remote.network()) else {
            return;
        };
        match self.describe((stream, remote), slot) {
            Ok(accepted) => self.workers.serve(accepted),
            Err(error) => tracing::error!(error = error.to_string(), "connection closed"),
        }
    }

    fn describe(
        &self,
        (stream, remote): (Stream, Remote),
        slot: Arc<Slot>,
    ) -> io::Result<Accepted> {
        let mut cookie = [0; 16];
        aws_lc_rs::rand::fill(&mut cookie).map_err(|_| io::Error::other("no random numbers"))?;
        Ok(Accepted {
            stream,
            protocol: self.protocol.clone(),
            client: Client {
                // Wraps after four thousand million connections, of which none is left then.
                number: NUMBER.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
                cookie,
                remote,
            },
            slot,
            connected: metrics::Connected::over(self.protocol.name()),
        })
    }
}
