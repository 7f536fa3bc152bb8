//! A throw-away identity provider over HTTP: metadata, a JWK Set, and introspection.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::issuer::Issuer;
use super::{AUDIENCE, USER, daemon::free_port};
use crate::web::{self, Reply, Request};

/// Who asks about tokens, and its secret.
pub(super) const CLIENT: (&str, &str) = ("gatepost", "throw-away");

pub(super) struct Provider {
    runtime: Runtime,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: Option<JoinHandle<()>>,
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
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let address = free_port()?;
        let url = format!("http://{address}");
        let state = State {
            issuer: Issuer::new(&url, "key-1")?,
            url,
            generation: 1,
            tokens: HashMap::new(),
        };
        let mut provider = Self {
            runtime,
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
        if let Some(server) = self.server.take() {
            server.abort();
            // Waits until its socket is closed.
            let _ = self.runtime.block_on(server);
        }
    }

    /// Takes connections again, at the same address.
    pub(super) fn come_back(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind(self.address)?;
        listener.set_nonblocking(true)?;
        let state = Arc::clone(&self.state);
        let answer = move |request: Request| {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.answer(&request)
        };
        let _inside = self.runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        self.server = Some(self.runtime.spawn(web::serve(listener, answer)));
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&self, request: &Request) -> Reply {
        match (request.method.as_str(), request.path.as_str()) {
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
        if request.authorization.as_deref() != Some(&expected) {
            return Reply::json(401, &json!({"error": "invalid_client"}));
        }
        let token = request.body.strip_prefix("token=").unwrap_or_default();
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
