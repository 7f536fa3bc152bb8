//! Fifty issuers behind one socket of this process, told apart by the path of their URLs.
//!
//! They speak HTTP over loopback, on the runtime of the logins, so that how long they take is virtual time.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepost_tests::mint::Issuer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use super::{Class, NUMBER, address, now};

/// How long a good issuer takes to answer about a token.
pub(crate) const GOOD: Duration = Duration::from_millis(20);
/// How long a slow one takes.
pub(crate) const SLOW: Duration = Duration::from_millis(2_500);

/// What real answers about tokens have, in bytes.
const ANSWER: usize = 1_000;

pub(crate) struct Issuers {
    port: u16,
    /// Whose keys all of them publish.
    pub(crate) mint: Issuer,
    /// Whether those that are to fail have begun to.
    pub(crate) are_down: AtomicBool,
    /// Questions about tokens that have come, and that no answer has been written to.
    pub(crate) held: AtomicUsize,
    /// Whatever has happened, so that one sees when nothing happens any more.
    pub(crate) events: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
}

/// What one issuer was asked.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// For its metadata or keys.
    pub(crate) fetches: usize,
    pub(crate) introspections: usize,
    /// Shortest time between two questions about the same token.
    pub(crate) soonest: Option<Duration>,
    last: HashMap<String, Instant>,
}

impl Issuers {
    pub(crate) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuers = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            mint: Issuer::new(),
            are_down: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            events: AtomicUsize::new(0),
            seen: Mutex::new(vec![Seen::default(); NUMBER]),
        });
        let serving = Arc::clone(&issuers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let issuers = Arc::clone(&serving);
                tokio::spawn(async move { issuers.serve(stream).await });
            }
        });
        issuers
    }

    pub(crate) fn url(&self, issuer: usize) -> String {
        format!("http://127.0.0.1:{}/{issuer}", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn happened(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// Answers what comes over one connection until it is closed.
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            self.happened();
            let Some((length, path, form)) = request(&bytes) else {
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Ok(());
                }
                continue;
            };
            bytes.drain(..length);
            let (issuer, document) = path.trim_start_matches('/').split_once('/').unwrap();
            let issuer = issuer.parse().unwrap();
            if let Some(answer) = self.answer(issuer, document, &form, &mut stream).await? {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
                let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
                stream.write_all(answer.as_bytes()).await?;
            }
        }
    }

    /// What `issuer` says in its time; nothing where it says nothing until the other side has given up.
    async fn answer(
        &self,
        issuer: usize,
        document: &str,
        form: &str,
        stream: &mut TcpStream,
    ) -> io::Result<Option<String>> {
        let token = form.strip_prefix("token=");
        self.count(issuer, token);
        self.held
            .fetch_add(usize::from(token.is_some()), Ordering::Relaxed);
        let class = Class::of(issuer);
        let is_silent = class == Class::Down && self.are_down.load(Ordering::Relaxed);
        let answer = if is_silent {
            stream.read(&mut [0]).await.map(|_| None)
        } else if let Some(token) = token {
            sleep(if class == Class::Slow { SLOW } else { GOOD }).await;
            Ok(Some(about(token)))
        } else {
            Ok(Some(self.document(issuer, document).to_string()))
        };
        self.held
            .fetch_sub(usize::from(token.is_some()), Ordering::Relaxed);
        self.happened();
        answer
    }

    fn count(&self, issuer: usize, token: Option<&str>) {
        let seen = &mut self.seen.lock().unwrap()[issuer];
        let Some(token) = token else {
            seen.fetches += 1;
            return;
        };
        seen.introspections += 1;
        if let Some(before) = seen.last.insert(token.to_owned(), Instant::now()) {
            let pause = before.elapsed();
            seen.soonest = Some(seen.soonest.map_or(pause, |soonest| soonest.min(pause)));
        }
    }

    fn document(&self, issuer: usize, document: &str) -> Value {
        let url = self.url(issuer);
        match document {
            "jwks" => json!({"keys": [self.mint.jwk("EdDSA")]}),
            _ => json!({
                "issuer": url, "jwks_uri": format!("{url}/jwks"),
                "introspection_endpoint": format!("{url}/introspect"),
            }),
        }
    }
}

/// Whose a token is, and as much besides as real issuers say.
fn about(token: &str) -> String {
    let user = token.strip_prefix("opaque-").unwrap().parse().unwrap();
    let mut answer = json!({
        "active": true, "aud": "mail", "email": address(user), "exp": now() + 3600, "groups": "",
    });
    let length = answer.to_string().len();
    answer["groups"] = json!("g".repeat(ANSWER - length));
    answer.to_string()
}

/// Length, path and form of the request that `bytes` begin with, if it has come whole.
fn request(bytes: &[u8]) -> Option<(usize, String, String)> {
    let text = str::from_utf8(bytes).unwrap();
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?;
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    let form = rest.get(..length)?;
    Some((head.len() + 4 + length, path.to_owned(), form.to_owned()))
}
