//! A throw-away identity provider over HTTP: metadata, a JWK Set, and introspection.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::header::AUTHORIZATION;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};

use super::issuer::Issuer;
use super::{AUDIENCE, USER, daemon::free_port};
use crate::connection::http::{self, Reply, Request};
use crate::connection::peer::{Stage, has_stopped};
use crate::connection::slot::Slot;

/// Who asks about tokens, and its secret.
pub(super) const CLIENT: (&str, &str) = ("gatepost", "throw-away");

/// How long a request may take to arrive, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Provider {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: Option<Server>,
}

/// The thread that answers, until it is told to stop.
struct Server {
    stop: watch::Sender<Stage>,
    thread: JoinHandle<()>,
}

struct State {
    url: String,
    issuer: Issuer,
    generation: u32,
    /// Opaque tokens, and whether each is still good.
    tokens: HashMap<String, bool>,
}

impl Provider {
    /// Starts it on a free port.
    pub(super) fn start() -> io::Result<Self> {
        let address = free_port()?;
        let url = format!("http://{address}");
        let state = State {
            issuer: Issuer::new(&url, "key-1")?,
            url,
            generation: 1,
            tokens: HashMap::new(),
        };
        let mut provider = Self {
            address,
            state: Arc::new(Mutex::new(state)),
            server: None,
        };
        provider.come_back()?;
        Ok(provider)
    }

    pub(super) fn url(&self) -> String {
        self.state().url.clone()
    }

    /// A JWT, signed with the newest key.
    pub(super) fn jwt(&self) -> String {
        self.state().issuer.token(USER, AUDIENCE, 300)
    }

    /// An opaque token.
    pub(super) fn opaque(&self) -> String {
        let mut state = self.state();
        let token = format!("opaque-{}", state.tokens.len() + 1);
        state.tokens.insert(token.clone(), true);
        token
    }

    pub(super) fn revoke(&self, token: &str) {
        self.state().tokens.insert(token.to_owned(), false);
    }

    /// Replaces the key.
    pub(super) fn rotate(&self) -> io::Result<()> {
        let mut state = self.state();
        state.generation += 1;
        let kid = format!("key-{}", state.generation);
        state.issuer = Issuer::new(&state.url, &kid)?;
        Ok(())
    }

    /// Refuses connections from now on.
    pub(super) fn go_away(&mut self) {
        if let Some(Server { stop, thread }) = self.server.take() {
            stop.send_replace(Stage::Now);
            // Waits until its socket is closed.
            let _ = thread.join();
        }
    }

    /// Takes connections again, at the same address.
    pub(super) fn come_back(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind(self.address)?;
        listener.set_nonblocking(true)?;
        let state = Arc::clone(&self.state);
        let (stop, stopping) = watch::channel(Stage::Serving);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = thread::spawn(move || {
            let serving = serve(listener, state, stopping);
            if let Err(error) = LocalSet::new().block_on(&runtime, serving) {
                tracing::error!(error = error.to_string(), "no provider");
            }
        });
        self.server = Some(Server { stop, thread });
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers every connection until it is told to stop.
async fn serve(
    listener: TcpListener,
    state: Arc<Mutex<State>>,
    mut stopping: watch::Receiver<Stage>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            () = has_stopped(&mut stopping) => return Ok(()),
        };
        let (state, stopping) = (Arc::clone(&state), stopping.clone());
        spawn_local(async move {
            let answer = async |request: Request| {
                let state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.answer(&request)
            };
            // A client that leaves is none of our business.
            let slot = Slot::default();
            let _ = http::serve(stream, PATIENCE, stopping, &slot, answer).await;
        });
    }
}

impl State {
    fn answer(&self, request: &Request) -> Reply {
        match (request.head.method.as_str(), request.head.uri.path()) {
            ("GET", "/.well-known/openid-configuration") => Reply::json(200, &self.metadata()),
            ("GET", "/jwks") => Reply::of(200, "application/jwk-set+json", self.issuer.jwk_set()),
            ("POST", "/introspect") => self.introspect(request),
            _ => Reply::json(404, &json!({"error": "not_found"})),
        }
    }

    fn metadata(&self) -> Value {
        let url = |path: &str| format!("{}{path}", self.url);
        json!({
            "issuer": self.url, "jwks_uri": url("/jwks"), "introspection_endpoint": url("/introspect"),
        })
    }

    /// RFC 7662 section 2.
    fn introspect(&self, request: &Request) -> Reply {
        let (id, secret) = CLIENT;
        let expected = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        if request.header(AUTHORIZATION) != Some(&expected) {
            return Reply::json(401, &json!({"error": "invalid_client"}));
        }
        let body = String::from_utf8_lossy(&request.body);
        let token = body.strip_prefix("token=").unwrap_or_default();
        Reply::json(
            200,
            &match self.tokens.get(token) {
                Some(true) => json!({
                    "active": true, "iss": self.url, "aud": AUDIENCE, "sub": "1", "email": USER,
                }),
                _ => json!({"active": false}),
            },
        )
    }
}
