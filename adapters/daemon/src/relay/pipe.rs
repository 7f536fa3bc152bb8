//! What our own server of the auth protocol reads from, where lines are handed to it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, DuplexStream, ReadBuf, ReadHalf};
use tokio::sync::Notify;

use crate::connection::Reader;

/// Our own server's reading half. That no more shall come is for the client to hear.
pub(super) struct Pipe {
    half: ReadHalf<DuplexStream>,
    refused: Rc<Notify>,
}

impl Pipe {
    pub(super) fn new(half: ReadHalf<DuplexStream>, refused: Rc<Notify>) -> Self {
        Self { half, refused }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_read(context, buffer)
    }
}

impl Reader for Pipe {
    fn refuse_more(&self) {
        self.refused.notify_one();
    }
}
