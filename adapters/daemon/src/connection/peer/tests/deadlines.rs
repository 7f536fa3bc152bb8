//! Deadlines, of a protocol that is made for them.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf, sink};
use tokio::task::yield_now;
use tokio::time::advance;

use super::*;
use crate::connection::peer::{Closed, Handler, Io, Output, Reader, Status};

/// One byte asks for an answer that takes an hour; nobody ever says who it is.
struct Slow {
    /// How often it was asked where it stands: once for whatever happens.
    asked: Rc<Cell<u32>>,
    is_handshaken: bool,
}

impl Handler for Slow {
    type Done = ();

    const PROTOCOL: &'static str = "slow";
    const IDLE: Option<Duration> = Some(Duration::from_mins(1));

    fn receive(&mut self, input: &[u8], io: &mut Io<()>) -> Result<usize, Closed> {
        if self.is_handshaken {
            io.work.start(sleep(Duration::from_hours(1)));
        }
        Ok(input.len())
    }

    fn done(&mut self, (): (), io: &mut Io<()>) {
        io.output.bytes().extend_from_slice(b"done\n");
    }

    fn status(&self) -> Status {
        self.asked.set(self.asked.get() + 1);
        assert!(self.asked.get() < 10_000, "it turns without a pause");
        Status {
            is_handshaken: self.is_handshaken,
            is_line_begun: false,
            is_begun: false,
        }
    }
}

/// A client that never stops sending.
struct Endless;

impl AsyncRead for Endless {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.remaining();
        buffer.put_slice(&vec![b'x'; room]);
        Poll::Ready(Ok(()))
    }
}

impl Reader for Endless {
    fn refuse_more(&self) {}
}

fn slow(is_handshaken: bool) -> (Slow, Rc<Cell<u32>>) {
    let asked = Rc::new(Cell::new(0));
    let handler = Slow {
        asked: Rc::clone(&asked),
        is_handshaken,
    };
    (handler, asked)
}

/// Nothing is due any more of a client that has left, however long its answer takes.
#[tokio::test(start_paused = true)]
async fn a_client_that_has_left_costs_nothing_until_its_answer_is_there() {
    local(async {
        let world = World::new();
        let (handler, asked) = slow(true);
        let (ours, theirs) = duplex(64);
        let (reader, writer) = halves(theirs);
        let service = Arc::clone(&world.service);
        let served = spawn_local(async move {
            let handler = (handler, Output::default());
            serve(reader, writer, handler, &service, 1).await;
        });
        let (mut reader, mut writer) = tokio::io::split(ours);
        writer.write_all(b"x").await.unwrap();
        writer.shutdown().await.unwrap();
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "done\n");
        served.await.unwrap();
        assert!(asked.get() < 30, "asked {} times", asked.get());
    })
    .await;
}

/// What is due is looked at before what has come.
#[tokio::test(start_paused = true)]
async fn a_client_that_sends_without_a_pause_keeps_its_deadlines() {
    local(async {
        let world = World::new();
        let (handler, _) = slow(false);
        let service = Arc::clone(&world.service);
        let served = spawn_local(async move {
            let handler = (handler, Output::default());
            serve(Endless, sink(), handler, &service, 1).await;
        });
        yield_now().await;
        assert!(!served.is_finished());
        advance(Duration::from_secs(31)).await;
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(served.is_finished(), "the handshake is overdue");
    })
    .await;
}
