//! Lines on their way to standard error, which may stop being read at any moment: nobody waits for it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::vital;

/// Bytes of lines that may wait: a third of a second of the most that this daemon can say.
const CAPACITY: usize = 1 << 20;

/// Room that is kept for the next lines.
const KEPT: usize = 64 << 10;

/// How long to wait where standard error is somebody's pipe that does not block.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// How long lines gather behind those that have been written: whoever says one then wakes nobody, and many go out at
/// once. The first is never late.
const GATHER: Duration = Duration::from_millis(5);

/// How often it is said how many lines were left out.
const REPORT: Duration = Duration::from_secs(1);

/// The lines, and the thread that writes them.
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something to write, or to report.
    arrived: Condvar,
    /// Something has been written.
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    /// Lines that were dropped since it was last said how many.
    unsaid: u64,
    /// Whether there is something to report within a second.
    wants_report: bool,
}

impl Queue {
    pub(super) const fn new() -> Self {
        let state = State {
            waiting: Vec::new(),
            is_writing: false,
            unsaid: 0,
            wants_report: false,
        };
        Self {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            written: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Begins to write lines. `report` is called at most once a second after [`want_report`](Self::want_report).
    pub(super) fn start(&'static self, report: fn()) -> io::Result<()> {
        // Its own descriptor: the lock of `io::stderr` would be held as long as nobody reads.
        let output = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        vital::spawn("log".to_owned(), move || self.write(output, report))
    }

    /// Takes one line, with what stands before it, or drops it where too many wait.
    pub(super) fn push(&self, before: &str, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + before.len() + line.len() > CAPACITY {
            state.unsaid += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // A thread that writes looks again by itself.
        let is_idle = state.waiting.is_empty() && !state.is_writing;
        state.waiting.extend_from_slice(before.as_bytes());
        state.waiting.extend_from_slice(line);
        drop(state);
        if is_idle {
            self.arrived.notify_one();
        }
    }

    /// How many lines were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Has `report` called within a second.
    pub(super) fn want_report(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.wants_report, true) {
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Waits until all lines are written, for so long at most.
    pub(super) fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        while state.is_writing || !state.waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.written.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in there is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mut output: File, report: fn()) {
        let mut batch = Vec::new();
        let mut reported = Instant::now();
        loop {
            let unsaid = self.next(&mut batch, reported + REPORT);
            if unsaid > 0 {
                // Where it is now, behind the lines that came before those that are missing.
                tracing::warn!(lines = unsaid, "log lines dropped");
            }
            if write_all(&mut output, &batch).is_err() {
                let lines = batch.split(|byte| *byte == b'\n').count() as u64 - 1;
                self.dropped.fetch_add(lines, Ordering::Relaxed);
            }
            if !batch.is_empty() {
                thread::sleep(GATHER);
            }
            batch.clear();
            batch.shrink_to(KEPT);
            self.is_written();
            if reported.elapsed() >= REPORT && self.takes_report() {
                reported = Instant::now();
                report();
            }
        }
    }

    /// Waits for lines and puts them into `batch`, or for the moment of a report; says how many were dropped
    /// behind them.
    fn next(&self, batch: &mut Vec<u8>, report_at: Instant) -> u64 {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            let waited = if state.wants_report {
                let left = report_at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                let waited = self.arrived.wait_timeout(state, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                let waited = self.arrived.wait(state);
                waited.unwrap_or_else(PoisonError::into_inner)
            };
            state = waited;
        }
        std::mem::swap(&mut state.waiting, batch);
        state.is_writing = true;
        std::mem::take(&mut state.unsaid)
    }

    fn is_written(&self) {
        self.lock().is_writing = false;
        self.written.notify_all();
    }

    fn takes_report(&self) -> bool {
        std::mem::take(&mut self.lock().wants_report)
    }
}

/// Writes all of `bytes`, also to a pipe that somebody else has made one that does not block.
fn write_all(output: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
