//! A provider that does what a test wants: the faults that no real one can be made to have.
//!
//! It listens on loopback, reads one request after another from each connection, and answers by the path.
//! What was asked last is kept, so that a test can say how often, and with what.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

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
        }
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
        let length = format!("Content-Length: {}\r\n\r\n", self.body.len());
        [head.as_bytes(), length.as_bytes(), &self.body].concat()
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
}

#[derive(Default)]
struct State {
    pages: Mutex<HashMap<String, Behaviour>>,
    seen: Mutex<VecDeque<Seen>>,
    open: Mutex<Vec<TcpStream>>,
    is_closed: Mutex<bool>,
}

impl State {
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
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State::default());
        let served = Arc::clone(&state);
        thread::spawn(move || serve(&listener, &served));
        Ok(Self { state, port })
    }

    /// A free port's provider with metadata and an empty JWK Set, ready to be changed.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn provider() -> io::Result<Self> {
        let stub = Self::start()?;
        stub.set_json("/.well-known/openid-configuration", &stub.metadata());
        stub.set_json("/jwks", &json!({"keys": []}));
        Ok(stub)
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
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What a path does from now on.
    pub fn set(&self, path: &str, behaviour: Behaviour) {
        lock(&self.state.pages).insert(path.to_owned(), behaviour);
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
        for stream in lock(&self.state.open).drain(..) {
            // One that is gone needs no closing.
            let _ = stream.shutdown(Shutdown::Both);
        }
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
            let _ = converse(&stream, &state);
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

fn converse(mut stream: &TcpStream, state: &State) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read_request(&mut reader)? {
        let behaviour = lock(&state.pages).get(path_of(&seen.target)).cloned();
        state.keep(seen.clone());
        let not_found = || Behaviour::Answer(Page::json(404, &json!({"error": "not_found"})));
        match behaviour.unwrap_or_else(not_found) {
            Behaviour::Judge(judge) => stream.write_all(&judge(&seen).bytes())?,
            Behaviour::Answer(page) => stream.write_all(&page.bytes())?,
            Behaviour::After(pause, page) => {
                thread::sleep(pause);
                stream.write_all(&page.bytes())?;
            }
            Behaviour::Drip(pause, page) => {
                for byte in page.bytes() {
                    stream.write_all(&[byte])?;
                    thread::sleep(pause);
                }
            }
            Behaviour::Half(page) => {
                let bytes = page.bytes();
                return stream.write_all(&bytes[..bytes.len() - page.body.len() / 2]);
            }
            Behaviour::Reset => return SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            Behaviour::Silence => {
                // Ends when the other side closes.
                return reader.read(&mut [0]).map(drop);
            }
        }
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Seen>> {
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
