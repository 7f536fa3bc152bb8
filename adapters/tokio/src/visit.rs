//! Asking a URL once, as a stranger would who knows no more than it: for whoever looks for a fault.

use tokio::runtime::Handle;

use crate::http::{Fault, Gate, HttpClient, HttpError, Outgoing};
use crate::settings::HttpSettings;
use crate::statistics::EndpointKind;

/// What answers at a URL.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The status.
    pub status: u16,
    /// The media type of the body.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Asks for `url` with the system's authorities, and shows `bearer` there, if anything.
///
/// # Errors
/// [`HttpError`]: nothing can be asked; the inner [`Fault`]: nothing answers.
pub async fn visit(url: &str, bearer: Option<&str>) -> Result<Result<Visit, Fault>, HttpError> {
    let settings = HttpSettings::default();
    let gate = Gate::new("doctor", settings.concurrency);
    let client = HttpClient::new("doctor", &settings, Handle::current(), &gate, (None, None))?;
    let mut outgoing = Outgoing::get(EndpointKind::Metadata, url);
    outgoing.authorization = bearer.map(|bearer| format!("Bearer {bearer}"));
    let visited = client.ask(outgoing).await;
    Ok(visited.map(|incoming| Visit {
        status: incoming.status,
        content_type: incoming.content_type,
        body: incoming.body,
    }))
}
