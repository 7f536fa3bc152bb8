//! What the tests of connections have in common.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gatepost_mail::http::{Responder, Shape};
use gatepost_tests::mint::Issuer;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::config::Config;
use crate::connection::Service;
use crate::generation::Generation;
use crate::metrics::Metrics;
use crate::penalty::Penalties;
use crate::upstream::Upstream;

/// A daemon without sockets, with one provider whose keys are known.
pub(crate) struct World {
    pub(crate) service: Arc<Service>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) issuer: Issuer,
    _generations: watch::Sender<Arc<Generation>>,
    _root: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    /// One without a Dovecot behind, and one whose Dovecot is away.
    pub(crate) fn both() -> [Self; 2] {
        let away = crate::config::Upstream::default();
        let upstream = Upstream::new(&away, watch::channel(None).1, 0);
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
        let (stop, stopping) = watch::channel(false);
        let service = Arc::new(Service {
            generation,
            stopping,
            metrics: Metrics::new(),
            handshake: Duration::from_secs(30),
            line: Duration::from_secs(30),
            http: Some(http()),
            upstream,
            penalties: Penalties::new(Duration::from_secs(15)),
        });
        Self {
            service,
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

fn http() -> Responder {
    Responder::new(Shape::Dovecot, vec!["email".to_owned()], None, [7; 16])
}
