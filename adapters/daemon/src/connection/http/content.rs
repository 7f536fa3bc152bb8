//! The body of an answer, whole or piece by piece.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// Bytes of a body that are sent together; a shorter body is sent whole.
const FRAME: usize = 64 << 10;

/// A body. Of one in pieces nothing is made before it is sent.
pub(crate) enum Content {
    Whole(Option<Bytes>),
    Pieces(Box<dyn Iterator<Item = String>>),
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        let bytes = Bytes::from(text);
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Content {
    /// A body of these pieces.
    pub(crate) fn of(mut pieces: impl Iterator<Item = String> + 'static) -> Self {
        let first = gathered(&mut pieces);
        // Most are short, and the client is told their length.
        if first.len() < FRAME {
            return first.into();
        }
        Self::Pieces(Box::new(std::iter::once(first).chain(pieces)))
    }
}

/// The next pieces: as many as make a frame, or all that are left.
fn gathered(pieces: &mut dyn Iterator<Item = String>) -> String {
    let mut text = String::new();
    while text.len() < FRAME
        && let Some(piece) = pieces.next()
    {
        text += &piece;
    }
    text
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut *self {
            Self::Whole(bytes) => bytes.take(),
            Self::Pieces(pieces) => {
                let text = gathered(pieces);
                (!text.is_empty()).then(|| text.into())
            }
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Pieces(_) => SizeHint::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn sent(pieces: &[&str]) -> (Option<u64>, String) {
        let pieces: Vec<String> = pieces.iter().map(ToString::to_string).collect();
        let content = Content::of(pieces.into_iter());
        let length = content.size_hint().exact();
        let body = content.collect().await.unwrap().to_bytes();
        (length, String::from_utf8(body.into()).unwrap())
    }

    #[tokio::test]
    async fn a_body_in_one_piece_has_a_length_and_others_come_piece_by_piece() {
        assert_eq!(sent(&[]).await, (Some(0), String::new()));
        assert_eq!(sent(&["ab"]).await, (Some(2), "ab".to_owned()));
        assert_eq!(sent(&["a", "", "b", ""]).await, (Some(2), "ab".to_owned()));
        let long = "x".repeat(FRAME);
        let all = format!("a{long}{long}b");
        assert_eq!(sent(&["a", &long, "", &long, "b"]).await, (None, all));
    }
}
