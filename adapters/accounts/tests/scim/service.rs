//! A service with a store in memory and an index beside it, and what must hold after every request.

use gatepost_accounts::id::Id;
use gatepost_accounts::index::Index;
use gatepost_accounts::memory::Memory;
use gatepost_accounts::model::{Source, SourceId};
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::{self, Context, Effect, Note, Request};
use gatepost_accounts::time::Timestamp;
use serde_json::{Value, json};

/// What every URL begins with.
pub(crate) const BASE: &str = "https://mail.example.org/scim/idp";

/// URNs that clients send.
pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(crate) const MAIL: &str = "urn:gatepost:params:scim:schemas:extension:mail:2.0:User";
pub(crate) const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The source that sends, unless another is named.
pub(crate) const IDP: SourceId = SourceId(1);

/// Another source.
pub(crate) const OTHER: SourceId = SourceId(2);

pub(crate) struct Service {
    pub(crate) store: Memory,
    pub(crate) index: Index,
    pub(crate) routes: Routes,
    pub(crate) if_match: Option<&'static str>,
    pub(crate) if_none_match: Option<&'static str>,
    /// In which every source may give addresses.
    pub(crate) domains: Vec<&'static str>,
    source: SourceId,
    now: i64,
    drawn: u128,
    fed: usize,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) etag: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) notes: Vec<Note>,
    pub(crate) effect: Effect,
}

impl Reply {
    /// The id of the resource in the body.
    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().expect("a resource").to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Expects an error as SCIM writes it.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, scim_type: &str) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.body["status"], json!(status.to_string()));
        assert_eq!(
            reply.body["scimType"].as_str().unwrap_or_default(),
            scim_type,
            "{}",
            reply.body
        );
        assert!(reply.body["detail"].is_string());
        assert_eq!(
            reply.body["schemas"],
            json!(["urn:ietf:params:scim:api:messages:2.0:Error"])
        );
        reply
    }

    /// The user names, or display names, of a list.
    pub(crate) fn names(&self) -> Vec<&str> {
        let resources = self.body["Resources"].as_array().expect("a list");
        let name = |one: &'_ Value| {
            if one["userName"].is_null() {
                "displayName"
            } else {
                "userName"
            }
        };
        resources
            .iter()
            .map(|one| one[name(one)].as_str().unwrap_or_default())
            .collect()
    }
}

impl Service {
    pub(crate) fn new() -> Self {
        Self {
            store: Memory::new(),
            index: Index::default(),
            routes: Routes::new(),
            if_match: None,
            if_none_match: None,
            domains: vec!["example.org", "example.net"],
            source: IDP,
            now: 1_796_000_000_000,
            drawn: 0,
            fed: 0,
        }
    }

    /// Sends as another source.
    pub(crate) fn be(&mut self, source: SourceId) -> &mut Self {
        self.source = source;
        self
    }

    /// Sends a request; a body of `null` is none.
    #[track_caller]
    pub(crate) fn send(&mut self, method: &str, url: &str, body: Value) -> Reply {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send_bytes(method, url, text.as_bytes())
    }

    #[track_caller]
    pub(crate) fn send_bytes(&mut self, method: &str, url: &str, body: &[u8]) -> Reply {
        let before = self.store.clone();
        let reply = self.answer(method, url, body);
        if reply.status >= 300 {
            assert!(
                before == self.store,
                "a request that failed left something: {reply:?}"
            );
        }
        self.check_index();
        reply
    }

    /// As [`send_bytes`](Self::send_bytes), of a store that is too large to be copied.
    pub(crate) fn answer(&mut self, method: &str, url: &str, body: &[u8]) -> Reply {
        self.now += 1_000;
        self.drawn += 1;
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let source = Source {
            id: self.source,
            name: format!("source {}", self.source.0),
            domains: self.domains.iter().collect(),
        };
        let request = Request {
            method,
            path,
            query,
            content_type: (!body.is_empty()).then_some("application/scim+json; charset=utf-8"),
            if_match: self.if_match,
            if_none_match: self.if_none_match,
            body,
        };
        let context = Context {
            source: &source,
            base_url: BASE,
            routes: &self.routes,
            now: Timestamp::from_millis(self.now),
            fresh: Id::from_bytes((self.drawn << 64 | 0xabcd).to_be_bytes()),
        };
        let answer = scim::answer(request, context, &mut self.store);
        let text = answer.response.body.text();
        assert!(!text.contains("\"password\":"), "{text}");
        let body = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).expect("a body is JSON"),
        };
        let response = answer.response;
        for change in &self.store.changes()[self.fed..] {
            self.index.apply(change);
        }
        self.fed = self.store.changes().len();
        Reply {
            status: response.status,
            body,
            etag: response.etag,
            location: response.location,
            notes: answer.notes,
            effect: answer.effect,
        }
    }

    /// The index says what the store does, and no record holds a password.
    #[track_caller]
    fn check_index(&self) {
        let mut living = 0;
        for record in self.store.records() {
            assert!(!record.document.contains("password"), "{}", record.document);
            let resource = &record.resource;
            if resource.life().deleted.is_some() {
                continue;
            }
            for address in resource.addresses() {
                let found = self
                    .index
                    .by_address(address.as_str())
                    .expect("it is found");
                assert_eq!(found.id(), resource.id());
            }
            if self.index.account(resource.id()).is_some() {
                living += 1;
            }
        }
        assert_eq!(self.index.len(), living);
    }

    pub(crate) fn get(&mut self, url: &str) -> Reply {
        self.send("GET", url, Value::Null)
    }

    /// A GET with a filter, which is percent-encoded as clients do.
    pub(crate) fn filter(&mut self, path: &str, filter: &str) -> Reply {
        let filter: String = filter
            .bytes()
            .map(|c| match c {
                b' ' => "%20".to_owned(),
                c if c.is_ascii_alphanumeric() => char::from(c).to_string(),
                c => format!("%{c:02X}"),
            })
            .collect();
        self.get(&format!("{path}?filter={filter}"))
    }

    /// A PATCH of these operations.
    #[track_caller]
    pub(crate) fn patch(&mut self, url: &str, operations: Value) -> Reply {
        let body = json!({"schemas": [PATCH_OP], "Operations": operations});
        self.send("PATCH", url, body)
    }

    /// Creates a user of that name, who has that address; gives the id.
    pub(crate) fn user(&mut self, name: &str) -> String {
        let body = json!({
            "schemas": [USER],
            "userName": name,
            "externalId": format!("ext-{name}"),
            "emails": [{"value": format!("{name}@example.org"), "type": "work", "primary": true}],
            "active": true,
        });
        self.send("POST", "/Users", body).expect(201).id()
    }

    /// Creates a group of these members; gives the id.
    pub(crate) fn group(&mut self, name: &str, members: &[&str]) -> String {
        let members: Vec<_> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({"schemas": [GROUP], "displayName": name, "members": members});
        self.send("POST", "/Groups", body).expect(201).id()
    }

    /// The names of a group's members, in order.
    pub(crate) fn members(&mut self, group: &str) -> Vec<String> {
        let body = self.get(&format!("/Groups/{group}")).expect(200).body;
        let members = body["members"]
            .as_array()
            .expect("there is always a list")
            .clone();
        let mut names: Vec<_> = members
            .iter()
            .map(|member| {
                assert!(member["$ref"].as_str().unwrap().starts_with(BASE));
                let kind = if member["type"] == "User" {
                    "Users"
                } else {
                    "Groups"
                };
                let one = self.get(&format!("/{kind}/{}", member["value"].as_str().unwrap()));
                let body = one.expect(200).body;
                let name = body.get("userName").or(body.get("displayName"));
                name.and_then(Value::as_str).unwrap().to_owned()
            })
            .collect();
        names.sort();
        names
    }
}
