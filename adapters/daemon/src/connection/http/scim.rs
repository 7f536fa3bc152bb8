//! SCIM over HTTP: sources push accounts. What a request means is in `gatepost-accounts`, and kept by `gatepost-store`.
//!
//! A body is read once the request has shown a secret of its source, and there is room for it in the source's share; the
//! store has it once it is its turn there.

use std::borrow::Cow;
use std::sync::Arc;

use gatepost_accounts::id::Id;
use gatepost_accounts::scim::limits::MAX_BODY;
use gatepost_accounts::scim::refusal::Refusal;
use gatepost_accounts::scim::{self, CONTENT_TYPE, Context, Effect, Response};
use gatepost_accounts::store::Unavailable;
use gatepost_core::dovecot::Origin;
use gatepost_store::{BearerSecret, Session, job};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, IF_MATCH, IF_NONE_MATCH, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::connection::{Answerer, Reply, Request, serve_admitted};
use super::content::Content;
use super::shares::{Shares, Taken};
use crate::accounts::gate::{Caller, Gate, Refused, is_good};
use crate::accounts::{Accounts, fresh, now};
use crate::connection::client::{Client, Remote};
use crate::connection::service::Service;
use crate::connection::slot::Slot;
use crate::connection::tls::Tls;
use crate::judging::guesses::Guesses;
use crate::log::audit;

/// Where every endpoint is: `/scim/<source>/v2`.
const ROOT: &str = "/scim/";

/// Where proxies say who has connected to them; the last says it of the last.
const FORWARDED: &str = "x-forwarded-for";

/// What answers sources.
pub(crate) struct Scim {
    accounts: Arc<Accounts>,
    gate: Gate,
    shares: Shares,
}

impl Scim {
    /// Answers from these accounts; wrong secrets wait as `guesses` says.
    pub(crate) fn new(accounts: &Arc<Accounts>, guesses: Guesses) -> Self {
        Self {
            accounts: Arc::clone(accounts),
            gate: Gate::new(guesses),
            shares: Shares::of(accounts.sources(), accounts.connections()),
        }
    }

    pub(crate) fn tls(&self) -> Option<Arc<Tls>> {
        self.accounts.tls()
    }
}

/// Answers sources over one connection.
pub(crate) async fn answer_sources(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    scim: &Arc<Scim>,
    service: &Arc<Service>,
    (client, slot): (Client, &Slot),
) {
    let connection = Connection {
        scim,
        service,
        client,
    };
    let stopping = service.stopping.clone();
    let served = serve_admitted(stream, service.line, stopping, slot, &connection).await;
    super::note_end(served, client.number);
}

struct Connection<'c> {
    scim: &'c Arc<Scim>,
    service: &'c Service,
    client: Client,
}

/// A request whose secret was good, and whose body has room.
struct Admitted {
    /// Which of the sources it is.
    source: usize,
    /// The path behind the endpoint.
    path: String,
    caller: Caller,
    _request: Taken,
    _room: Option<Taken>,
}

/// What came of a request.
enum Told {
    Answered(Box<scim::Answer>, String),
    /// The secret is good no more.
    Unauthorized,
}

impl Answerer for Connection<'_> {
    type Admitted = Admitted;

    const KNOWS: bool = true;

    async fn admit(&self, head: &Parts) -> Result<(usize, Admitted), Reply> {
        let (source, path) = self.endpoint(head.uri.path())?;
        let caller = self.authenticate(source, head).await?;
        let request = self.scim.shares.request(source);
        let request = request.ok_or_else(|| self.busy())?;
        let (most, room) = self.room(source, head).await?;
        let admitted = Admitted {
            source,
            path: path.to_owned(),
            caller,
            _request: request,
            _room: room,
        };
        Ok((most, admitted))
    }

    async fn answer(&self, request: Request, admitted: Admitted) -> Reply {
        let hash = match &admitted.caller {
            Caller::Secret(hash) => Some(*hash),
            Caller::Client(_) => None,
        };
        let Some(turn) = self.scim.shares.turn(admitted.source).await else {
            return self.busy();
        };
        let (sender, told) = oneshot::channel();
        self.hand_over(request, (admitted, turn), sender);
        match told.await.unwrap_or(Err(Unavailable)) {
            Ok(Told::Answered(answer, _)) => reply(answer.response),
            Ok(Told::Unauthorized) => {
                if let Some(hash) = hash {
                    self.scim.gate.forget(&hash);
                }
                refuse(401)
            }
            Err(Unavailable) => refuse(503),
        }
    }

    fn refusal(&self, status: u16) -> Reply {
        if status == 413 {
            tell_refusal(self, "body_too_long");
        }
        refuse(status)
    }
}

impl Connection<'_> {
    /// Which source the path is of, and what is behind its endpoint.
    fn endpoint<'p>(&self, path: &'p str) -> Result<(usize, &'p str), Reply> {
        let named = path
            .strip_prefix(ROOT)
            .and_then(|rest| rest.split_once('/'));
        let (name, rest) = named
            .and_then(|(name, rest)| Some((name, rest.strip_prefix("v2")?)))
            .filter(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
            .ok_or_else(|| self.no_endpoint())?;
        let served = self.scim.accounts.served().ok_or_else(|| refuse(503))?;
        let mut sources = served.sources.iter().zip(&served.urls);
        let found = sources.position(|(source, url)| source.name == name && url.is_some());
        Ok((found.ok_or_else(|| self.no_endpoint())?, rest))
    }

    fn no_endpoint(&self) -> Reply {
        tell_refusal(self, "no_such_endpoint");
        refuse(404)
    }

    async fn authenticate(&self, source: usize, head: &Parts) -> Result<Caller, Reply> {
        let served = self.scim.accounts.served();
        let known = served.and_then(|served| {
            let client = served.clients.get(source)?.as_ref();
            Some((served.sources.get(source)?, client))
        });
        let (source, client) = known.ok_or_else(|| refuse(503))?;
        let gate = &self.scim.gate;
        let admitted = match (secret(head), client) {
            (None, _) => Err(Refused::Unauthorized),
            (Some(token), Some(client)) if !BearerSecret::has_form(token) => {
                let shown = (token, &self.origin(head));
                let (service, number) = (self.service, self.client.number);
                let admitted = gate.admit_client(service, client, shown, number).await;
                admitted.map(Caller::Client)
            }
            (Some(secret), _) => {
                let shown = (secret, &self.origin(head));
                let admitted = gate.admit(&self.scim.accounts, source.id, shown).await;
                admitted.map(Caller::Secret)
            }
        };
        admitted.map_err(|refused| match refused {
            Refused::Unauthorized => {
                tell_refusal(self, "unknown_caller");
                refuse(401)
            }
            Refused::Busy => {
                tell_refusal(self, "busy");
                refuse(429)
            }
            Refused::Unavailable => refuse(503),
        })
    }

    /// Who shows a secret: whoever has connected, or whom a proxy that is believed names.
    fn origin(&self, head: &Parts) -> Origin {
        let mut origin = Origin::default();
        origin.remote = match self.client.remote {
            Remote::Told(peer) => {
                let forwarded = head.headers.get_all(FORWARDED).iter().next_back();
                let forwarded = forwarded.and_then(|value| value.to_str().ok());
                forwarded.and_then(Remote::forwarded).unwrap_or(peer)
            }
            Remote::Peer(peer) => peer,
        };
        origin
    }

    /// How long the body may be, and room for it.
    async fn room(&self, source: usize, head: &Parts) -> Result<(usize, Option<Taken>), Reply> {
        let length = head.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let has_body = head.headers.contains_key(TRANSFER_ENCODING);
        let length = length.unwrap_or(if has_body { MAX_BODY } else { 0 });
        if length > MAX_BODY {
            return Err(self.refusal(413));
        }
        if length == 0 {
            return Ok((0, None));
        }
        let room = self.scim.shares.room(source, length).await;
        let room = room.ok_or_else(|| self.busy())?;
        Ok((length, Some(room)))
    }

    /// The source has taken its share already.
    fn busy(&self) -> Reply {
        tell_refusal(self, "busy");
        refuse(503)
    }

    /// Has the store answer a request; what it kept has its lines in the log, whoever is left to hear of it.
    fn hand_over(
        &self,
        request: Request,
        (admitted, turn): (Admitted, Taken),
        sender: oneshot::Sender<Result<Told, Unavailable>>,
    ) {
        let Ok(fresh) = fresh() else {
            tracing::error!("no random numbers");
            drop(sender);
            return;
        };
        let (accounts, index) = (Arc::clone(&self.scim.accounts), admitted.source);
        let work = move |session: &mut dyn Session| {
            let answered = answer(&accounts, (&request, &admitted, fresh), session);
            answered.map_or_else(
                |refused| (Effect::Nothing, refused),
                |(answer, label)| {
                    let effect = answer.effect;
                    (effect, Ok(Told::Answered(Box::new(answer), label)))
                },
            )
        };
        let accounts = Arc::clone(&self.scim.accounts);
        self.scim.accounts.submit(job(work, move |result| {
            drop(turn);
            let told = result.flatten();
            if let Ok(Told::Answered(answer, label)) = &told {
                note(&accounts, index, label, answer);
            }
            // Nobody waits any more if this fails.
            let _ = sender.send(told);
        }));
    }
}

/// None of the request's path or body is told: a path holds names.
fn tell_refusal(connection: &Connection<'_>, reason: &'static str) {
    connection.service.metrics.refusal(reason);
    tracing::warn!(
        connection = connection.client.number,
        protocol = "scim",
        reason,
        "request refused"
    );
}

/// An answer without a resource.
fn refuse(status: u16) -> Reply {
    let detail = match status {
        401 => return refused_secret(),
        400 => "the body did not come to its end",
        404 => "there is no endpoint of that path",
        408 => "the body took too long to come",
        413 => "the body is longer than 4 MiB",
        429 => "too many wrong secrets came lately",
        _ => "the accounts cannot be reached now",
    };
    let mut reply = reply(Response::refusal(&Refusal {
        status,
        scim_type: None,
        detail: detail.into(),
    }));
    if matches!(status, 429 | 503) {
        reply.headers.push(("retry-after", "1".into()));
    }
    reply
}

fn refused_secret() -> Reply {
    let mut reply = reply(Response::unauthorized());
    reply.headers.push(("www-authenticate", "Bearer".into()));
    reply
}

/// What `Authorization` holds, if it is one bearer token (RFC 6750 section 2.1).
fn secret(head: &Parts) -> Option<&str> {
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_one = values.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    is_one.then(|| token.trim())
}

/// Answers within a transaction, if a secret is still good; with who asks, for the log.
fn answer(
    accounts: &Accounts,
    (request, admitted, fresh): (&Request, &Admitted, Id),
    session: &mut dyn Session,
) -> Result<(scim::Answer, String), Result<Told, Unavailable>> {
    let served = accounts.served().ok_or(Err(Unavailable))?;
    let source = served.sources.get(admitted.source);
    let url = served.urls.get(admitted.source).and_then(Option::as_deref);
    let (source, base_url) = source.zip(url).ok_or(Err(Unavailable))?;
    let label = match &admitted.caller {
        Caller::Client(subject) => subject.clone(),
        Caller::Secret(hash) => {
            let secret = session.secret(hash).map_err(Err)?;
            let secret = secret.filter(|secret| is_good(Some(secret), source.id));
            secret.ok_or(Ok(Told::Unauthorized))?.label
        }
    };
    let header = |name| request.header(name);
    let asked = scim::Request {
        method: request.head.method.as_str(),
        path: &admitted.path,
        query: request.head.uri.query().unwrap_or_default(),
        content_type: header(hyper::header::CONTENT_TYPE),
        if_match: header(IF_MATCH),
        if_none_match: header(IF_NONE_MATCH),
        body: &request.body,
    };
    let context = Context {
        source,
        base_url,
        routes: &served.routes,
        now: now(),
        fresh,
    };
    Ok((scim::answer(asked, context, session), label))
}

/// Writes what an operator should know of an answer that holds.
fn note(accounts: &Accounts, index: usize, label: &str, answer: &scim::Answer) {
    let Some(served) = accounts.served() else {
        return;
    };
    let source = served.sources.get(index).map(|source| &*source.name);
    let by = audit::By {
        source: source.unwrap_or_default(),
        actor: label,
        sources: &served.sources,
    };
    for note in &answer.notes {
        audit::note(&by, note);
    }
}

fn reply(response: Response) -> Reply {
    let headers = [("etag", response.etag), ("location", response.location)];
    let headers = headers
        .into_iter()
        .filter_map(|(name, value)| Some((name, Cow::from(value?))));
    let headers = headers.chain([("cache-control", Cow::from("no-store"))]);
    Reply {
        status: response.status,
        content_type: if response.body.is_empty() {
            ""
        } else {
            CONTENT_TYPE
        },
        headers: headers.collect(),
        body: Content::of(response.body.into_chunks()),
    }
}
