//! What the tests of connections have in common.

mod client;

use std::cell::Cell;
use std::fs;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gatepost_core::dovecot::Endpoint;
use gatepost_mail::http::{Responder, Shape};
use gatepost_mail::socketmap::Delimiters;
use gatepost_tests::mint::Issuer;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncRead, DuplexStream, ReadBuf, ReadHalf, WriteHalf, split};
use tokio::sync::watch;

use crate::config::Config;
use crate::connection::client::{Client, Remote};
use crate::connection::peer::{Reader, Stage};
use crate::connection::service::Service;
use crate::connection::upstream::Upstream;
use crate::judging::generation::Generation;
use crate::judging::guesses::Guesses;
use crate::metrics::Metrics;
pub(crate) use client::{TestClient, run};

/// A daemon without sockets, with one provider whose keys are known.
pub(crate) struct World {
    pub(crate) service: Arc<Service>,
    pub(crate) upstream: Option<Arc<Upstream>>,
    pub(crate) stop: watch::Sender<Stage>,
    pub(crate) issuer: Issuer,
    _generations: watch::Sender<Arc<Generation>>,
    _root: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    /// One without a Dovecot upstream, and one whose Dovecot is away.
    pub(crate) fn both() -> [Self; 2] {
        let away = crate::config::Upstream::default();
        let upstream = Upstream::new(
            &away,
            watch::channel(None).1,
            None,
            Delimiters::default(),
            0,
        );
        [Self::new(), Self::with(Some(upstream))]
    }

    fn with(upstream: Option<Arc<Upstream>>) -> Self {
        let root = TempDir::new().unwrap();
        let issuer = Issuer::new();
        let keys = root.path().join("jwks.json");
        fs::write(&keys, issuer.jwk_set().to_string()).unwrap();
        let config = format!(
            "[[listener]]\naddress = \"unix:/x\"\n[dict]\naddress = \"unix:/y\"\n[[provider]]\nname = \"p\"\nissuer = \"i\"\n\
             audience = [\"mail\"]\nkeys = [{keys:?}]\nusername_claims = [\"email\"]\n"
        );
        let config = Config::parse(&config).unwrap();
        let generation = Arc::new(Generation::load(&config, None).unwrap());
        let (generations, generation) = watch::channel(generation);
        let (stop, stopping) = watch::channel(Stage::Serving);
        let service = Arc::new(Service {
            generation,
            stopping,
            metrics: Metrics::new(),
            handshake: Duration::from_secs(30),
            line: Duration::from_secs(30),
            guesses: Guesses::new(Duration::from_secs(15), Vec::new()),
            accounts: None,
        });
        Self {
            service,
            upstream,
            stop,
            issuer,
            _generations: generations,
            _root: root,
        }
    }

    /// A good token of Alice's.
    pub(crate) fn token(&self) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let claims = json!({
            "iss": "i", "sub": "1", "aud": "mail", "email": "alice@example.com", "exp": now + 600,
        });
        self.issuer.sign("ES256", &claims)
    }
}

/// A mail server that is believed.
pub(crate) const fn client() -> Client {
    Client {
        number: 1,
        cookie: [0; 16],
        remote: Remote::Told(Endpoint {
            address: None,
            port: None,
        }),
    }
}

/// What answers Dovecot's questions over HTTP.
pub(crate) fn responder() -> Responder {
    Responder::new(Shape::Dovecot, vec!["email".to_owned()], None, [7; 16])
}

/// A reading half that ends, as a socket's does, once no more may come.
pub(crate) struct Refusable {
    reader: ReadHalf<DuplexStream>,
    is_refused: Cell<bool>,
}

/// The halves of a stream.
pub(crate) fn halves(stream: DuplexStream) -> (Refusable, WriteHalf<DuplexStream>) {
    let (reader, writer) = split(stream);
    let reader = Refusable {
        reader,
        is_refused: Cell::new(false),
    };
    (reader, writer)
}

impl AsyncRead for Refusable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.reader).poll_read(context, buffer) {
            Poll::Pending if self.is_refused.get() => Poll::Ready(Ok(())),
            other => other,
        }
    }
}

impl Reader for Refusable {
    fn refuse_more(&self) {
        self.is_refused.set(true);
    }
}
