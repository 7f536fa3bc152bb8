//! What tests have in common: one clock that all of them share, and a provider on a wire.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::Poll;
use std::boxed::Box;
use std::string::String;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::vec::Vec;

use embassy_futures::yield_now;
use embassy_time::{Duration, MockDriver};
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use gatepost_core::introspection::{About, Client, ClientPlace, Endpoints, FetchFailure, Mode};

use crate::tunnel::{Socket, Tunnel};

/// Tests run side by side, with one clock.
static TIME: RwLock<()> = RwLock::new(());

/// Time stands still for as long as this is held.
pub(crate) fn still() -> RwLockReadGuard<'static, ()> {
    TIME.read().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody else moves time, or relies on it, for as long as this is held.
pub(crate) fn moving() -> RwLockWriteGuard<'static, ()> {
    TIME.write().unwrap_or_else(PoisonError::into_inner)
}

/// Lets time pass, in steps that everybody notices.
pub(crate) async fn pass(seconds: u64) {
    for _ in 0..seconds {
        MockDriver::get().advance(Duration::from_secs(1));
        // As often as bytes may change hands for one request.
        for _ in 0..1000 {
            yield_now().await;
        }
    }
}

/// Opaque tokens are introspected.
pub(crate) fn endpoints() -> Endpoints<'static> {
    Endpoints {
        mode: Mode::Post,
        about: Some(About::OpaqueTokens),
        introspection: Some("http://id.example/introspect"),
        client: Some(Client {
            id: "rs",
            secret: "secret",
            place: ClientPlace::Basic,
        }),
        tokeninfo: None,
        force_introspection: false,
        grant: None,
        allow_missing_audience: false,
        unauthorized_is_invalid_token: false,
        signed_answers: false,
    }
}

/// What a provider answers: a whole response, or nothing.
type Judge = dyn Fn(&str) -> Option<String>;

/// A provider: what it is asked, and what it answers by that.
pub(crate) struct Server {
    answer: Box<Judge>,
    pub(crate) connections: Cell<u32>,
    pub(crate) requests: RefCell<Vec<String>>,
    /// Requests of one connection after which it is closed.
    pub(crate) patience: Cell<usize>,
    /// What it says next, asked or not.
    pub(crate) stray: RefCell<Vec<u8>>,
}

impl Server {
    /// Answers with a whole response, or with silence.
    pub(crate) fn new(answer: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self {
            answer: Box::new(answer),
            connections: Cell::new(0),
            requests: RefCell::default(),
            patience: Cell::new(usize::MAX),
            stray: RefCell::default(),
        }
    }

    /// Is connected to by `tunnel`.
    pub(crate) async fn serve(&self, tunnel: &Tunnel) -> ! {
        loop {
            let connect = async |_: &_| Ok::<_, FetchFailure>(Connection::new(self));
            tunnel.serve(connect).await;
        }
    }
}

/// `body` as an answer.
pub(crate) fn ok(body: &str) -> String {
    let length = body.len();
    std::format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

struct Connection<'s> {
    server: &'s Server,
    heard: RefCell<String>,
    said: RefCell<Vec<u8>>,
    served: Cell<usize>,
}

impl<'s> Connection<'s> {
    fn new(server: &'s Server) -> Self {
        server.connections.set(server.connections.get() + 1);
        Self {
            server,
            heard: RefCell::default(),
            said: RefCell::default(),
            served: Cell::new(0),
        }
    }

    fn is_closed(&self) -> bool {
        self.served.get() >= self.server.patience.get()
    }

    fn hear(&self, bytes: &[u8]) {
        let mut request = self.heard.borrow_mut();
        request.push_str(core::str::from_utf8(bytes).unwrap());
        let Some((head, body)) = request.split_once("\r\n\r\n") else {
            return;
        };
        let length = head.split_once("Content-Length: ").map_or(0, |(_, rest)| {
            rest.split("\r\n").next().unwrap().parse().unwrap()
        });
        if body.len() < length || self.is_closed() {
            return;
        }
        let request = core::mem::take(&mut *request);
        self.served.set(self.served.get() + 1);
        if let Some(answer) = (self.server.answer)(&request) {
            self.said.borrow_mut().extend_from_slice(answer.as_bytes());
        }
        self.server.requests.borrow_mut().push(request);
    }
}

impl Socket for Connection<'_> {
    fn split(&mut self) -> (impl Read, impl Write) {
        (Half(self), Half(self))
    }

    async fn abort(&mut self) {}
}

struct Half<'c, 's>(&'c Connection<'s>);

impl ErrorType for Half<'_, '_> {
    type Error = ErrorKind;
}

impl Read for Half<'_, '_> {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| {
            let mut said = self.0.said.borrow_mut();
            said.append(&mut self.0.server.stray.borrow_mut());
            let length = said.len().min(room.len());
            if length == 0 && !self.0.is_closed() {
                return Poll::Pending;
            }
            room[..length].copy_from_slice(&said[..length]);
            said.drain(..length);
            Poll::Ready(Ok(length))
        })
        .await
    }
}

impl Write for Half<'_, '_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.0.hear(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
