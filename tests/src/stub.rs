//! A provider that does what a test wants: the faults that no real one can be made to have.
//!
//! It listens on loopback, over TLS where it is given a certificate, reads one request after another from each
//! connection, and answers by the path.
//! What was asked last is kept, so that a test can say how often, and with what.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use socket2::SockRef;

/// Longest head of a request that is read, in bytes.
const MAX_HEAD: u64 = 64 << 10;

/// Requests that are kept, the last ones.
const MAX_SEEN: usize = 20_000;

/// What a path does.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answers at once.
    Answer(Page),
    /// Answers as the request deserves.
    Judge(fn(&Seen) -> Page),
    /// Answers after a while.
    After(Duration, Page),
    /// Sends one byte of the answer at a time, with a pause between two.
    Drip(Duration, Page),
    /// Sends the head and half of the body, and closes.
    Half(Page),
    /// Resets the connection.
    Reset,
    /// Says nothing until the other side gives up.
    Silence,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// Header lines, without their ends.
    pub headers: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
    /// The size of the chunks that it comes in (RFC 9112 section 7.1), where its length is not told ahead.
    pub chunk: Option<usize>,
}

impl Page {
    /// `body` as JSON.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::of(status, "application/json", body.to_string())
    }

    /// A body of some media type.
    pub fn of(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![format!("Content-Type: {content_type}")],
            body: body.into(),
            chunk: None,
        }
    }

    /// The same in chunks of `size` bytes.
    #[must_use]
    pub fn in_chunks(mut self, size: usize) -> Self {
        self.chunk = Some(size);
        self
    }

    /// With one more header line.
    #[must_use]
    pub fn with(mut self, header: &str) -> Self {
        self.headers.push(header.to_owned());
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} X\r\n", self.status);
        for header in &self.headers {
            head += header;
            head += "\r\n";
        }
        let Some(size) = self.chunk else {
            let length = format!("Content-Length: {}\r\n\r\n", self.body.len());
            return [head.as_bytes(), length.as_bytes(), &self.body].concat();
        };
        head += "Transfer-Encoding: chunked\r\n\r\n";
        let mut bytes = head.into_bytes();
        for chunk in self.body.chunks(size) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend([chunk, b"\r\n"].concat());
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    }
}

/// One request that came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path, with its query.
    pub target: String,
    /// Header lines by their names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: String,
}

/// A provider on loopback, until it is dropped.
pub struct Stub {
    state: Arc<State>,
    port: u16,
    origin: String,
}

#[derive(Default)]
struct State {
    pages: Mutex<HashMap<String, Behaviour>>,
    seen: Mutex<VecDeque<Seen>>,
    open: Mutex<Vec<TcpStream>>,
    /// What it presents over TLS; in clear where there is none.
    presented: Mutex<Option<Arc<ServerConfig>>>,
    connections: AtomicUsize,
    is_closed: Mutex<bool>,
}

impl State {
    fn behaviour(&self, seen: &Seen) -> Option<Behaviour> {
        let path = path_of(&seen.target);
        let host = seen.headers.get("host").map(String::as_str);
        let at_host = format!("{}{path}", host.unwrap_or_default());
        let pages = lock(&self.pages);
        pages.get(&at_host).or_else(|| pages.get(path)).cloned()
    }

    fn keep(&self, request: Seen) {
        let mut seen = lock(&self.seen);
        if seen.len() >= MAX_SEEN {
            seen.pop_front();
        }
        seen.push_back(request);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stub {
    /// Listens on a free port; every path answers 404.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn start() -> io::Result<Self> {
        Self::listen(0, None)
    }

    /// As [`start`](Self::start), on `port`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn at(port: u16) -> io::Result<Self> {
        Self::listen(port, None)
    }

    /// As [`at`](Self::at), over TLS as the server of `origin`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn over_tls(port: u16, origin: &str, presented: Arc<ServerConfig>) -> io::Result<Self> {
        let mut stub = Self::listen(port, Some(presented))?;
        origin.clone_into(&mut stub.origin);
        Ok(stub)
    }

    fn listen(port: u16, presented: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State::default());
        *lock(&state.presented) = presented;
        let served = Arc::clone(&state);
        thread::spawn(move || serve(&listener, &served));
        Ok(Self {
            state,
            port,
            origin: format!("http://127.0.0.1:{port}"),
        })
    }

    /// What it presents to those who connect from now on.
    pub fn present(&self, presented: Arc<ServerConfig>) {
        *lock(&self.state.presented) = Some(presented);
    }

    /// Ends all connections.
    pub fn hang_up(&self) {
        for stream in lock(&self.state.open).drain(..) {
            // One that is gone needs no closing.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How often somebody has connected, and shaken hands where it speaks TLS.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// A free port's provider with metadata and an empty JWK Set, ready to be changed.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn provider() -> io::Result<Self> {
        let stub = Self::start()?;
        stub.publish(&json!({"keys": []}));
        Ok(stub)
    }

    /// Serves metadata, and this JWK Set.
    pub fn publish(&self, keys: &Value) {
        self.set_json("/.well-known/openid-configuration", &self.metadata());
        self.set_json("/jwks", keys);
    }

    /// The metadata of [`provider`](Self::provider).
    #[must_use]
    pub fn metadata(&self) -> Value {
        json!({
            "issuer": self.issuer(), "jwks_uri": self.url("/jwks"),
            "introspection_endpoint": self.url("/introspect"), "userinfo_endpoint": self.url("/me"),
            "token_endpoint": self.url("/token"),
        })
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.url("")
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// What a path does from now on.
    pub fn set(&self, path: &str, behaviour: Behaviour) {
        lock(&self.state.pages).insert(path.to_owned(), behaviour);
    }

    /// What a path of one host's does from now on, where it has several names.
    pub fn set_at(&self, host: &str, path: &str, behaviour: Behaviour) {
        self.set(&format!("{host}{path}"), behaviour);
    }

    /// A path that answers 200 with JSON from now on.
    pub fn set_json(&self, path: &str, body: &Value) {
        self.set(path, Behaviour::Answer(Page::json(200, body)));
    }

    /// What came to `path` so far.
    #[must_use]
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = lock(&self.state.seen);
        let of_path = |seen: &&Seen| path_of(&seen.target) == path;
        seen.iter().filter(of_path).cloned().collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        *lock(&self.state.is_closed) = true;
        self.hang_up();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

fn serve(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming() {
        if *lock(&state.is_closed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if let Ok(copy) = stream.try_clone() {
            lock(&state.open).push(copy);
        }
        let state = Arc::clone(state);
        thread::spawn(move || {
            // A client that leaves is what some tests are about.
            let _ = greet(&stream, &state);
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

fn greet(stream: &TcpStream, state: &State) -> io::Result<()> {
    let presented = lock(&state.presented).clone();
    let Some(presented) = presented else {
        state.connections.fetch_add(1, Ordering::Relaxed);
        return converse(stream, stream, state);
    };
    let mut tls = ServerConnection::new(presented).map_err(io::Error::other)?;
    let mut raw = stream;
    while tls.is_handshaking() {
        tls.complete_io(&mut raw)?;
    }
    state.connections.fetch_add(1, Ordering::Relaxed);
    converse(StreamOwned::new(tls, stream), stream, state)
}

/// Speaks HTTP over a connection that `raw` carries.
fn converse(connection: impl Read + Write, raw: &TcpStream, state: &State) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    while let Some(seen) = read_request(&mut reader)? {
        let behaviour = state.behaviour(&seen);
        state.keep(seen.clone());
        let not_found = || Behaviour::Answer(Page::json(404, &json!({"error": "not_found"})));
        match behaviour.unwrap_or_else(not_found) {
            Behaviour::Judge(judge) => say(&mut reader, &judge(&seen).bytes())?,
            Behaviour::Answer(page) => say(&mut reader, &page.bytes())?,
            Behaviour::After(pause, page) => {
                thread::sleep(pause);
                say(&mut reader, &page.bytes())?;
            }
            Behaviour::Drip(pause, page) => {
                for byte in page.bytes() {
                    say(&mut reader, &[byte])?;
                    thread::sleep(pause);
                }
            }
            Behaviour::Half(page) => {
                let bytes = page.bytes();
                return say(&mut reader, &bytes[..bytes.len() - page.body.len() / 2]);
            }
            Behaviour::Reset => return SockRef::from(raw).set_linger(Some(Duration::ZERO)),
            Behaviour::Silence => {
                // Ends when the other side closes.
                return reader.read(&mut [0]).map(drop);
            }
        }
    }
    Ok(())
}

fn say(reader: &mut BufReader<impl Read + Write>, bytes: &[u8]) -> io::Result<()> {
    let connection = reader.get_mut();
    connection.write_all(bytes)?;
    connection.flush()
}

fn read_request(reader: &mut BufReader<impl Read>) -> io::Result<Option<Seen>> {
    let mut head = reader.take(MAX_HEAD);
    let mut line = String::new();
    if head.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        head.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length");
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = String::new();
    head.into_inner().take(length).read_to_string(&mut body)?;
    Ok(Some(Seen {
        method,
        target,
        headers,
        body,
    }))
}
