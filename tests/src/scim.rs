//! A SCIM service without sockets: the real one over a store in memory, for what is compared or drawn by thousands.

use gatepost_accounts::id::Id;
use gatepost_accounts::memory::Memory;
use gatepost_accounts::model::{Source, SourceId};
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::{self, Context, Effect, Request};
use gatepost_accounts::store::Record;
use gatepost_accounts::time::Timestamp;
use serde_json::{Value, json};

/// What every URL begins with.
pub const BASE: &str = "https://mail.example.org/scim/idp/v2";

/// The domain in which addresses are mailboxes.
pub const DOMAIN: &str = "example.org";

/// A service with one source.
#[derive(Clone, Debug)]
pub struct Service {
    store: Memory,
    drawn: u128,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body; `null` where there is none.
    pub body: Value,
}

impl Default for Service {
    fn default() -> Self {
        Self::new()
    }
}

impl Service {
    /// One that knows nobody.
    #[must_use]
    pub fn new() -> Self {
        Self {
            store: Memory::new(),
            drawn: 0,
        }
    }

    /// Sends a request.
    ///
    /// # Panics
    /// Where something stays of a request that was refused, a password is kept or told, or a body is no JSON.
    pub fn send(&mut self, method: &str, url: &str, body: &[u8]) -> Reply {
        // Nothing of a question is kept, which the number of changes shows; a copy would take longer than its answer.
        let before = (method != "GET").then(|| self.store.clone());
        let changes = self.store.changes().len();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let source = Source {
            id: SourceId(1),
            name: "idp".to_owned(),
            domains: [DOMAIN].into_iter().collect(),
        };
        let request = Request {
            method,
            path,
            query,
            body,
            ..Request::default()
        };
        self.drawn += 1;
        let context = Context {
            source: &source,
            base_url: BASE,
            routes: &Routes::new(),
            now: Timestamp::from_millis(1_796_000_000_000),
            fresh: Id::from_bytes((self.drawn << 64 | 0xabcd).to_be_bytes()),
        };
        let answer = scim::answer(request, context, &mut self.store);
        let status = answer.response.status;
        match before {
            Some(before) if answer.effect == Effect::RollBack => self.store = before,
            Some(before) if status >= 300 => {
                assert!(before == self.store, "something stays of a {status}");
            }
            Some(_) => {}
            None => assert_eq!(changes, self.store.changes().len(), "a question writes"),
        }
        let text = answer.response.body.text();
        let body = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).expect("a body is JSON"),
        };
        assert!(body.get("password").is_none(), "a password is told");
        let is_named = |record: &&Record| record.document.contains("password");
        for record in self.store.records().filter(is_named) {
            let kept: Value = serde_json::from_str(&record.document).expect("it is JSON");
            assert!(kept.get("password").is_none(), "a password is kept");
        }
        Reply { status, body }
    }

    /// Sends a request whose body is JSON.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub fn push(&mut self, method: &str, url: &str, body: &Value) -> Reply {
        self.send(method, url, body.to_string().as_bytes())
    }

    /// Creates a resource, and gives its id.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn create(&mut self, endpoint: &str, body: &Value) -> String {
        let reply = self.push("POST", endpoint, body);
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.body["id"].as_str().unwrap_or_default().to_owned()
    }

    /// A PATCH of these operations.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub fn patch(&mut self, url: &str, operations: &Value) -> Reply {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        self.push(
            "PATCH",
            url,
            &json!({"schemas": schemas, "Operations": operations}),
        )
    }
}
