//! A stream on which nothing that has begun takes for ever: neither a request to arrive nor an answer to be
//! taken. Between the two a connection may be idle.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Since when there is something unfinished.
#[derive(Clone, Default)]
pub(super) struct Begun(Rc<Cell<Option<Instant>>>);

impl Begun {
    /// The request is there.
    pub(super) fn is_over(&self) {
        self.0.set(None);
    }

    fn now(&self) -> Instant {
        let since = self.0.get().unwrap_or_else(Instant::now);
        self.0.set(Some(since));
        since
    }
}

/// A stream with a limit on what is unfinished.
pub(super) struct Timed<S> {
    stream: S,
    begun: Begun,
    patience: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl<S> Timed<S> {
    pub(super) fn new(stream: S, begun: Begun, patience: Duration) -> Self {
        Self {
            stream,
            begun,
            patience,
            alarm: Box::pin(sleep_until(Instant::now())),
        }
    }

    /// Fails once what has begun at `since` has taken too long.
    fn wait<T>(&mut self, context: &mut Context<'_>, since: Instant) -> Poll<io::Result<T>> {
        let deadline = since + self.patience;
        if self.alarm.deadline() != deadline {
            self.alarm.as_mut().reset(deadline);
        }
        let expired = || Err(io::Error::from(io::ErrorKind::TimedOut));
        self.alarm.as_mut().poll(context).map(|()| expired())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let come = buffer.filled_mut().get_mut(before..).unwrap_or_default();
        if !come.is_empty() {
            mask(come);
            self.begun.now();
        }
        match (read, self.begun.0.get()) {
            (Poll::Pending, Some(since)) => self.wait(context, since),
            (read, _) => read,
        }
    }
}

/// Replaces control characters that no request may hold by a byte that no token may hold.
///
/// A client may put them into its token, and Dovecot into its request. The grammar would refuse that request
/// without a body, which is a temporary failure to Dovecot; a bad token must not be one.
fn mask(bytes: &mut [u8]) {
    let is_refused = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n');
    for byte in bytes.iter_mut().filter(|byte| is_refused(byte)) {
        *byte = 0xff;
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => {
                let since = self.begun.now();
                self.wait(context, since)
            }
            written @ Poll::Ready(_) => {
                self.begun.is_over();
                written
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
