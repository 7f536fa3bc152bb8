//! How a connection ends with the daemon: what is begun is finished, then no more is taken.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How far the daemon is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Stage {
    /// It serves.
    Serving,
    /// It stops: what is begun is finished.
    Stopping,
    /// It has waited long enough.
    Now,
}

/// How far a connection is on its way to its end.
pub(crate) struct Stop {
    stage: watch::Receiver<Stage>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Serving,
    /// Lines may still be finished and challenges replied to, until then.
    Awaiting(Instant),
    /// The client was told to send no more.
    Draining,
    /// All is given up.
    Now,
}

impl Stop {
    pub(super) fn new(stage: watch::Receiver<Stage>) -> Self {
        Self {
            stage,
            state: State::Serving,
        }
    }

    /// Waits until the daemon goes on to another stage than the connection knows of.
    pub(super) async fn changed(&mut self) -> Stage {
        let known = match self.state {
            State::Serving => Stage::Serving,
            State::Awaiting(_) | State::Draining => Stage::Stopping,
            State::Now => Stage::Now,
        };
        let changed = self.stage.wait_for(|stage| *stage > known).await;
        // Where the main thread is gone there is nothing left to serve for.
        changed.map_or(Stage::Now, |stage| *stage)
    }

    pub(super) fn note(&mut self, stage: Stage, patience: Duration) {
        self.state = match stage {
            Stage::Serving => State::Serving,
            Stage::Stopping => State::Awaiting(Instant::now() + patience),
            Stage::Now => State::Now,
        };
    }

    /// Whether it is time to let the client send no more, which is said once.
    pub(super) fn is_due(&mut self, is_begun: bool) -> bool {
        let State::Awaiting(until) = self.state else {
            return false;
        };
        let is_due = !is_begun || Instant::now() >= until;
        if is_due {
            self.state = State::Draining;
        }
        is_due
    }

    /// Whether the daemon waits no longer.
    pub(super) fn is_now(&self) -> bool {
        matches!(self.state, State::Now)
    }

    /// When there will be no more waiting for the client.
    pub(super) fn until(&self) -> Option<Instant> {
        match self.state {
            State::Awaiting(until) => Some(until),
            State::Serving | State::Draining | State::Now => None,
        }
    }
}

/// Waits until the daemon stops, or its main thread is gone.
pub(crate) async fn has_stopped(stage: &mut watch::Receiver<Stage>) {
    let _ = stage.wait_for(|stage| *stage > Stage::Serving).await;
}
