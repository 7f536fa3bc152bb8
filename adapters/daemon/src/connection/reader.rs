//! The reading half of a connection, which can be told that no more shall come.

use std::net::Shutdown;

use socket2::SockRef;
use tokio::io::AsyncRead;
use tokio::net::{tcp, unix};

/// A reading half that can be closed while the writing half goes on.
pub(crate) trait Reader: AsyncRead + Unpin {
    /// Lets the other side send no more. What is on its way already can still be read; over a unix socket
    /// the other side notices when it writes again, and turns to whoever listens then.
    fn refuse_more(&self);
}

impl Reader for unix::ReadHalf<'_> {
    fn refuse_more(&self) {
        // A connection that is gone already needs no refusal.
        let _ = SockRef::from(self.as_ref()).shutdown(Shutdown::Read);
    }
}

impl Reader for tcp::ReadHalf<'_> {
    fn refuse_more(&self) {
        // As above.
        let _ = SockRef::from(self.as_ref()).shutdown(Shutdown::Read);
    }
}
