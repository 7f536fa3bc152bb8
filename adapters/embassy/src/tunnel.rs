//! A connection that the executor with the network makes for the other one, which speaks HTTP over it, or TLS.
//!
//! A handshake takes several signature verifications, and those are not for the executor that has the
//! network. So the network's side ([`run_tunnel`](crate::run_tunnel)) only carries bytes, and
//! [`run_errands`](crate::run_errands) makes sense of them.
//!
//! Only the network is timed: whoever reads waits for as long as nothing comes, and however long the processor was
//! busy meanwhile, what has come is read.
//!
//! ```text
//! here:     wait until idle ── destination ──> read, write ── hang up, by dropping the line
//! network:  idle ─────────────────────────> connect ──> carry ──> abort ──> idle
//! ```

use core::fmt;

use embassy_futures::select::{Either, Either3, select, select3};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_sync::pipe::Pipe;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, TimeoutError, with_timeout};
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use gatepost_core::introspection::FetchFailure;

use crate::errands::Errand;

/// How long nothing may come, and nothing leave; and how long a connection may take, from looking up its host's name
/// on: the daemon's default for a request.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long nothing may come while nobody has asked: nginx closes a connection after 75 seconds, others sooner.
const IDLE: Duration = Duration::from_secs(60);

/// Bytes under way in each direction.
const ROOM: usize = 256;

/// Bytes handed from a socket to a pipe, or from a pipe to a socket, at once.
const PIECE: usize = 128;

type Event<T> = Signal<CriticalSectionRawMutex, T>;
type Bytes = Pipe<CriticalSectionRawMutex, ROOM>;

/// One connection at a time, between two executors.
pub struct Tunnel {
    idle: Event<()>,
    wanted: Event<()>,
    /// Where the connection goes.
    errand: Mutex<CriticalSectionRawMutex, Errand>,
    connected: Event<Result<(), FetchFailure>>,
    incoming: Bytes,
    outgoing: Bytes,
    /// The network's side has nothing more to give, and takes nothing more.
    ended: Event<()>,
    /// Whoever wanted the connection does not want it any more.
    hung_up: Event<()>,
}

impl Tunnel {
    /// Nothing is under way.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            idle: Signal::new(),
            wanted: Signal::new(),
            errand: Mutex::new(Errand::nowhere()),
            connected: Signal::new(),
            incoming: Pipe::new(),
            outgoing: Pipe::new(),
            ended: Signal::new(),
            hung_up: Signal::new(),
        }
    }

    /// Has the network connect to where `errand` goes.
    pub(crate) async fn connect(&'static self, errand: &Errand) -> Result<Line, FetchFailure> {
        self.idle.wait().await;
        // From here on giving up has to be told.
        let line = Line(self);
        self.errand.lock().await.clone_from(errand);
        self.wanted.signal(());
        self.connected.wait().await?;
        Ok(line)
    }

    /// Whether the connection is good for `errand` as well.
    pub(crate) async fn leads_to(&self, errand: &Errand) -> bool {
        *self.errand.lock().await == *errand
    }

    /// Waits until anything comes over the connection, even its end, or nothing has for too long: it is no answer to
    /// what is asked next. Whoever reads from the connection afterwards misses it.
    pub(crate) async fn stirs(&self) {
        let mut byte = [0];
        let anything = select(self.incoming.read(&mut byte), self.ended.wait());
        // Either way it is of no use any more.
        let _ = with_timeout(IDLE, anything).await;
    }

    /// The network's side of one connection, which `connect` makes.
    pub(crate) async fn serve<S: Socket>(
        &self,
        connect: impl AsyncFnOnce(&Errand) -> Result<S, FetchFailure>,
    ) {
        self.reset();
        self.idle.signal(());
        let hung_up = select(self.hung_up.wait(), self.wanted.wait());
        if let Either::First(()) = hung_up.await {
            return;
        }
        let errand = self.errand.lock().await;
        let connecting = with_timeout(TIMEOUT, connect(&errand));
        let connected = match select(self.hung_up.wait(), connecting).await {
            Either::First(()) => return,
            Either::Second(connected) => connected.unwrap_or(Err(FetchFailure::Timeout)),
        };
        drop(errand);
        let mut socket = match connected {
            Ok(socket) => socket,
            Err(why) => {
                self.connected.signal(Err(why));
                // As of every connection, its end is told.
                return self.hung_up.wait().await;
            }
        };
        self.connected.signal(Ok(()));
        self.carry(&mut socket).await;
        socket.abort().await;
    }

    fn reset(&self) {
        self.wanted.reset();
        self.connected.reset();
        self.incoming.clear();
        self.outgoing.clear();
        self.ended.reset();
        self.hung_up.reset();
    }

    /// Carries bytes until the line is hung up.
    async fn carry(&self, socket: &mut impl Socket) {
        let (mut reader, mut writer) = socket.split();
        let ways = select3(
            self.hung_up.wait(),
            self.carry_in(&mut reader),
            self.carry_out(&mut writer),
        );
        if !matches!(ways.await, Either3::First(())) {
            self.ended.signal(());
            self.hung_up.wait().await;
        }
    }

    async fn carry_in(&self, reader: &mut impl Read) {
        let mut piece = [0; PIECE];
        loop {
            let length = reader.read(&mut piece).await.unwrap_or(0);
            match piece.get(..length) {
                None | Some([]) => return,
                Some(bytes) => self.incoming.write_all(bytes).await,
            }
        }
    }

    async fn carry_out(&self, writer: &mut impl Write) {
        let mut piece = [0; PIECE];
        loop {
            let length = self.outgoing.read(&mut piece).await;
            let bytes = piece.get(..length).unwrap_or_default();
            if writer.write_all(bytes).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    }
}

impl Default for Tunnel {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tunnel")
    }
}

/// What the network's side carries bytes to and from.
pub(crate) trait Socket {
    fn split(&mut self) -> (impl Read, impl Write);

    /// Ends the connection at once.
    async fn abort(&mut self);
}

/// A connection of the network's, for the other executor. Dropping it ends it.
pub struct Line(&'static Tunnel);

impl Line {
    /// Waits for `other`, or until nothing goes over the connection any more.
    async fn unless_ended<V>(
        &self,
        other: impl Future<Output = V>,
    ) -> Result<Option<V>, ErrorKind> {
        match with_timeout(TIMEOUT, select(other, self.0.ended.wait())).await {
            Ok(Either::First(value)) => Ok(Some(value)),
            Ok(Either::Second(())) => {
                // It stays so.
                self.0.ended.signal(());
                Ok(None)
            }
            Err(TimeoutError) => Err(ErrorKind::TimedOut),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.hung_up.signal(());
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl ErrorType for Line {
    type Error = ErrorKind;
}

impl Read for Line {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let read = self.unless_ended(self.0.incoming.read(buffer)).await?;
        Ok(read.unwrap_or(0))
    }
}

impl Write for Line {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        if self.0.ended.signaled() {
            return Err(ErrorKind::ConnectionReset);
        }
        let written = self.unless_ended(self.0.outgoing.write(bytes)).await?;
        written.ok_or(ErrorKind::ConnectionReset)
    }

    /// Does nothing: whatever is written leaves as soon as it can.
    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::{Cell, RefCell};
    use core::future::pending;
    use core::task::Poll;

    use embassy_futures::join::join;
    use embassy_futures::{block_on, poll_once, yield_now};
    use embassy_time::MockDriver;
    use std::boxed::Box;
    use std::rc::Rc;
    use std::vec::Vec;

    use crate::testing::moving;

    /// A server that has said something, and takes what it is told; then it is silent, or gone.
    struct Wire<'w> {
        said: Rc<RefCell<Vec<u8>>>,
        told: &'w RefCell<Vec<u8>>,
        is_gone: bool,
        aborted: &'w Cell<u32>,
    }

    struct Half<'w>(&'w Wire<'w>);

    impl ErrorType for Half<'_> {
        type Error = ErrorKind;
    }

    impl Read for Half<'_> {
        async fn read(&mut self, room: &mut [u8]) -> Result<usize, ErrorKind> {
            let is_silent = || self.0.said.borrow().is_empty() && !self.0.is_gone;
            while is_silent() {
                yield_now().await;
            }
            let length = self.0.said.borrow().len().min(room.len());
            for (place, byte) in room
                .iter_mut()
                .zip(self.0.said.borrow_mut().drain(..length))
            {
                *place = byte;
            }
            Ok(length)
        }
    }

    impl Write for Half<'_> {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
            self.0.told.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        async fn flush(&mut self) -> Result<(), ErrorKind> {
            Ok(())
        }
    }

    impl Socket for Wire<'_> {
        fn split(&mut self) -> (impl Read, impl Write) {
            (Half(self), Half(self))
        }

        async fn abort(&mut self) {
            self.aborted.set(self.aborted.get() + 1);
        }
    }

    fn tunnel() -> &'static Tunnel {
        Box::leak(Box::new(Tunnel::new()))
    }

    async fn read_all(line: &mut Line) -> Vec<u8> {
        let (mut all, mut piece) = (Vec::new(), [0; 100]);
        while let Ok(length @ 1..) = line.read(&mut piece).await {
            all.extend_from_slice(&piece[..length]);
        }
        all
    }

    #[test]
    fn everything_said_before_the_end_arrives() {
        let said: Vec<u8> = (0..=250).cycle().take(5 * ROOM).collect();
        let (told, aborted, tunnel) = (RefCell::default(), Cell::new(0), tunnel());
        for _ in 0..2 {
            let wire = Wire {
                said: Rc::new(RefCell::new(said.clone())),
                told: &told,
                is_gone: true,
                aborted: &aborted,
            };
            let network = tunnel.serve(async |_| Ok(wire));
            let here = async {
                let mut line = tunnel.connect(&Errand::nowhere()).await.unwrap();
                let heard = read_all(&mut line).await;
                assert_eq!(line.read(&mut [0; 8]).await, Ok(0));
                assert_eq!(line.write(b"x").await, Err(ErrorKind::ConnectionReset));
                heard
            };
            assert_eq!(block_on(join(network, here)).1, said);
        }
        assert_eq!(aborted.get(), 2);
    }

    #[test]
    fn what_is_left_of_a_connection_is_not_in_the_next() {
        let (told, aborted, tunnel) = (RefCell::default(), Cell::new(0), tunnel());
        for word in [b"first", b"other"] {
            let wire = Wire {
                said: Rc::new(RefCell::new(word.to_vec())),
                told: &told,
                is_gone: false,
                aborted: &aborted,
            };
            let network = tunnel.serve(async |_| Ok(wire));
            let here = async {
                let mut line = tunnel.connect(&Errand::nowhere()).await.unwrap();
                line.write_all(word).await.unwrap();
                let mut start = [0; 2];
                line.read_exact(&mut start).await.unwrap();
                assert_eq!(start, word[..2]);
            };
            block_on(join(network, here));
        }
        assert_eq!(aborted.get(), 2);
    }

    #[test]
    fn a_connection_that_is_refused_is_none() {
        let tunnel = tunnel();
        let network = tunnel.serve(async |_| Err::<Wire<'_>, _>(FetchFailure::Connection));
        let ((), line) = block_on(join(network, tunnel.connect(&Errand::nowhere())));
        assert_eq!(line.err(), Some(FetchFailure::Connection));
    }

    #[test]
    fn whoever_gives_up_while_it_connects_frees_the_network() {
        let tunnel = tunnel();
        let network = tunnel.serve(async |_| pending::<Result<Wire<'_>, FetchFailure>>().await);
        let here = async {
            // Once to hear that it is idle, once more to wait for the connection.
            let anywhere = Errand::nowhere();
            let mut connecting = Box::pin(tunnel.connect(&anywhere));
            for _ in 0..2 {
                assert!(poll_once(&mut connecting).is_pending());
                yield_now().await;
            }
        };
        block_on(join(network, here));
    }

    // The end of the one that was refused ended the next one.
    #[test]
    fn a_connection_after_one_that_was_refused_comes_about() {
        let (told, aborted, tunnel) = (RefCell::default(), Cell::new(0), tunnel());
        let network = async {
            let refuse = async |_: &_| Err::<Wire<'_>, _>(FetchFailure::Connection);
            tunnel.serve(refuse).await;
            let wire = Wire {
                said: Rc::default(),
                told: &told,
                is_gone: true,
                aborted: &aborted,
            };
            tunnel.serve(async |_| Ok(wire)).await;
        };
        let here = async {
            let refused = tunnel.connect(&Errand::nowhere()).await;
            assert_eq!(refused.err(), Some(FetchFailure::Connection));
            assert!(tunnel.connect(&Errand::nowhere()).await.is_ok());
        };
        block_on(join(network, here));
    }

    // D7: what the processor was busy with counted as the network's.
    #[test]
    fn what_has_come_is_read_however_late_and_silence_ends() {
        let _moving = moving();
        let (told, aborted, tunnel) = (RefCell::default(), Cell::new(0), tunnel());
        let said = Rc::new(RefCell::new(Vec::new()));
        let wire = Wire {
            said: Rc::clone(&said),
            told: &told,
            is_gone: false,
            aborted: &aborted,
        };
        let mut network = Box::pin(tunnel.serve(async |_| Ok(wire)));
        let mut here = Box::pin(async {
            let mut line = tunnel.connect(&Errand::nowhere()).await.unwrap();
            let mut heard = [0; 4];
            assert_eq!(line.read(&mut heard).await, Ok(4));
            line.read(&mut heard).await
        });
        for _ in 0..3 {
            assert!(poll_once(&mut network).is_pending() && poll_once(&mut here).is_pending());
        }
        said.borrow_mut().extend_from_slice(b"late");
        assert!(poll_once(&mut network).is_pending());
        MockDriver::get().advance(Duration::from_secs(10));
        assert!(poll_once(&mut here).is_pending());
        MockDriver::get().advance(TIMEOUT);
        assert_eq!(poll_once(&mut here), Poll::Ready(Err(ErrorKind::TimedOut)));
    }
}
