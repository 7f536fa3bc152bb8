//! What a connection waits for beside its bytes: logins that are being judged, say.

use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::task::{JoinError, JoinSet};

/// Work of one connection that has not ended. It is given up with the connection.
pub(crate) struct Work<D>(JoinSet<D>);

impl<D> Default for Work<D> {
    fn default() -> Self {
        Self(JoinSet::new())
    }
}

impl<D: 'static> Work<D> {
    /// Goes as far as it can at once: what ends there is returned, the rest goes on by itself.
    pub(crate) fn start(&mut self, future: impl Future<Output = D> + 'static) -> Option<D> {
        // Made where it stays: a login's state is some kilobytes.
        let mut future: Pin<Box<dyn Future<Output = D>>> = Box::pin(future);
        // Its task polls it again, so that nothing is lost with this waker.
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(done) => Some(done),
            Poll::Pending => {
                self.0.spawn_local(future);
                None
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next that ends; never, where there is none.
    pub(super) async fn next(&mut self) -> Result<D, JoinError> {
        match self.0.join_next().await {
            Some(done) => done,
            None => pending().await,
        }
    }

    /// Gives up what has not ended, and waits until it is gone: each login leaves its line.
    pub(super) async fn give_up(&mut self) {
        self.0.shutdown().await;
    }
}
