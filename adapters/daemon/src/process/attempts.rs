//! Work on files that may hang: each attempt has a thread of its own, and only so many of them may hang at once.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Attempts that may hang at once: a file system that hangs for long does not fill the process with threads.
const MOST: usize = 16;

/// Attempts at one piece of work.
pub(crate) struct Attempts(Arc<Semaphore>);

impl Default for Attempts {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl Attempts {
    /// Begins another one on a thread of `runtime`, whatever has become of those before; `None` where too many hang.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        runtime: &Handle,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some(runtime.spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn so_many_hang_and_no_more() {
        let attempts = Attempts::default();
        let runtime = Handle::current();
        let mut hanging = Vec::new();
        loop {
            let (end, ended) = mpsc::channel::<()>();
            let Some(attempt) = attempts.begin(&runtime, move || ended.recv()) else {
                break;
            };
            hanging.push((end, attempt));
        }
        assert_eq!(hanging.len(), MOST);
        let (end, attempt) = hanging.pop().unwrap();
        drop(end);
        assert!(attempt.await.unwrap().is_err());
        let again = attempts.begin(&runtime, || 7).unwrap();
        assert_eq!(again.await.unwrap(), 7);
    }
}
