//! What a client is told.

use std::sync::Arc;

use serde_json::{Value, json};

use super::refusal::Refusal;
use super::schema::ResourceType;
use crate::store::Member;

/// The content type of every body.
pub const CONTENT_TYPE: &str = "application/scim+json";

/// The URN of errors.
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Members of one piece of a body.
const MEMBERS_A_CHUNK: usize = 1_000;

/// What of an HTTP response matters.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// The body, of [`CONTENT_TYPE`]; none if it is empty.
    pub body: Body,
}

impl Response {
    /// A status alone.
    pub(crate) fn of_status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// A value as the body.
    pub(crate) fn json(status: u16, value: &Value) -> Self {
        let mut response = Self::of_status(status);
        response.body.push_text(value.to_string());
        response
    }

    /// An error, as SCIM writes it: the status is a text.
    #[must_use]
    pub fn refusal(refusal: &Refusal) -> Self {
        let mut error = json!({
            "schemas": [ERROR],
            "status": refusal.status.to_string(),
            "detail": refusal.detail,
        });
        if let (Some(scim_type), Value::Object(error)) = (refusal.scim_type, &mut error) {
            error.insert("scimType".to_owned(), scim_type.as_str().into());
        }
        Self::json(refusal.status, &error)
    }

    /// Whoever sends the request could not be authenticated.
    #[must_use]
    pub fn unauthorized() -> Self {
        let detail = "the request has no token that opens this endpoint";
        Self::refusal(&Refusal::of_status(401, detail))
    }

    /// The store cannot be asked now.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::refusal(&crate::store::Unavailable.into())
    }
}

/// A body. A group can have more members than text should be made of at once, so it comes in chunks.
#[derive(Clone, Debug, Default)]
pub struct Body(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    /// The members of a group, without the brackets around them.
    Members(Arc<str>, Vec<Member>),
}

impl Body {
    pub(crate) fn push_text(&mut self, text: impl Into<String>) {
        self.0.push(Piece::Text(text.into()));
    }

    /// Adds members; their URLs begin with `base_url`.
    pub(crate) fn push_members(&mut self, base_url: &str, members: Vec<Member>) {
        self.0.push(Piece::Members(base_url.into(), members));
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its text, piece by piece.
    pub fn chunks(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(Piece::chunks)
    }

    /// Its text, piece by piece, each of which is made when it is asked for.
    pub fn into_chunks(self) -> impl Iterator<Item = String> + 'static {
        self.0.into_iter().flat_map(Piece::into_chunks)
    }

    /// Its whole text.
    #[must_use]
    pub fn text(&self) -> String {
        self.chunks().collect()
    }
}

impl Piece {
    fn chunks(&self) -> Box<dyn Iterator<Item = String> + '_> {
        match self {
            Self::Text(text) => Box::new(std::iter::once(text.clone())),
            Self::Members(base_url, members) => {
                let base_url = Value::from(&**base_url).to_string();
                let chunks = members.chunks(MEMBERS_A_CHUNK).enumerate();
                Box::new(chunks.map(move |(number, chunk)| chunk_text(&base_url, number, chunk)))
            }
        }
    }

    fn into_chunks(self) -> Box<dyn Iterator<Item = String>> {
        match self {
            Self::Text(text) => Box::new(std::iter::once(text)),
            Self::Members(base_url, members) => {
                let base_url = Value::from(&*base_url).to_string();
                let numbers = 0..members.len().div_ceil(MEMBERS_A_CHUNK);
                Box::new(numbers.map(move |number| {
                    let chunk = members.chunks(MEMBERS_A_CHUNK).nth(number);
                    chunk_text(&base_url, number, chunk.unwrap_or_default())
                }))
            }
        }
    }
}

/// The members of the chunk of that number; `base_url` is a JSON text.
fn chunk_text(base_url: &str, number: usize, chunk: &[Member]) -> String {
    let mut text = String::new();
    for (at, one) in chunk.iter().enumerate() {
        if number > 0 || at > 0 {
            text.push(',');
        }
        push_member(&mut text, base_url.trim_matches('"'), one);
    }
    text
}

/// Writes a member; `base_url` is escaped already.
fn push_member(text: &mut String, base_url: &str, member: &Member) {
    let Member { id, kind } = member;
    let ResourceType { name, endpoint, .. } = ResourceType::of(*kind);
    let id = id.to_string();
    let parts = [
        r#"{"value":""#,
        &id,
        r#"","$ref":""#,
        base_url,
        endpoint,
        "/",
        &id,
        r#"","type":""#,
        name,
        r#""}"#,
    ];
    text.extend(parts);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::model::Kind;

    #[test]
    fn a_body_that_is_given_away_has_the_same_chunks() {
        let members = (0..2_500_u128).map(|id| Member {
            id: Id::from_bytes(id.to_be_bytes()),
            kind: Kind::Account,
        });
        let mut body = Body::default();
        body.push_text("[");
        body.push_members("https://x/\"y", members.collect());
        body.push_text("]");
        let chunks: Vec<_> = body.chunks().collect();
        assert_eq!(chunks.len(), 5);
        assert_eq!(body.into_chunks().collect::<Vec<_>>(), chunks);
    }
}
