//! The reading half of a connection: one buffer a thread, so that a connection that is idle holds none.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::ready;

use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{tcp, unix};

/// Bytes read at once: several logins where a client pipelines.
pub(super) const INPUT: usize = 16_384;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; INPUT].into_boxed_slice());
}

/// A reading half that can be closed while the writing half goes on.
pub(crate) trait Reader: AsyncRead + Unpin {
    /// Lets the other side send no more. What is on its way already can still be read; over a unix socket
    /// the other side notices when it writes again, and turns to whoever listens then.
    fn refuse_more(&self);
}

impl Reader for unix::OwnedReadHalf {
    fn refuse_more(&self) {
        // A connection that is gone already needs no refusal.
        let _ = SockRef::from(self.as_ref()).shutdown(Shutdown::Read);
    }
}

impl Reader for tcp::OwnedReadHalf {
    fn refuse_more(&self) {
        // As above.
        let _ = SockRef::from(self.as_ref()).shutdown(Shutdown::Read);
    }
}

/// Lets `take` have what has come; returns how many bytes, 0 at the end.
pub(super) async fn read(
    reader: &mut (impl AsyncRead + Unpin),
    mut take: impl FnMut(&[u8]),
) -> io::Result<usize> {
    poll_fn(|context| {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *reader).poll_read(context, &mut buffer))?;
            let come = buffer.filled_mut();
            take(come);
            // The next connection shall not find this one's token.
            come.fill(0);
            Ok(come.len()).into()
        })
    })
    .await
}
