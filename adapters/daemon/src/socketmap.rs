//! A connection over which Postfix asks for recipients and senders.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gatepost_mail::master::{Found, Lookup};
use gatepost_mail::socketmap::{Map, Reply, Request, Requests, SocketmapError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{error::Elapsed, timeout};

use crate::connection::{Service, has_stopped};
use crate::upstream::{Upstream, UpstreamConnection};

/// How long Dovecot may take to look up a user. Postfix waits for 100 seconds (`ipc_timeout` and the like).
const PATIENCE: Duration = Duration::from_secs(30);

/// What Postfix is told meanwhile.
const UNAVAILABLE: &str = "users cannot be looked up now";

/// Why a connection was closed by us.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("protocol error: {0}")]
    Protocol(#[from] SocketmapError),
    #[error("timeout")]
    Timeout(#[from] Elapsed),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why a user cannot be looked up now.
#[derive(Debug, thiserror::Error)]
enum LookupError {
    #[error("Dovecot cannot look up the user")]
    Failed,
    #[error("Dovecot does not answer in time")]
    Timeout(#[from] Elapsed),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Serves one connection until either side has had enough.
pub(crate) async fn serve(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    (service, upstream): (&Arc<Service>, &Arc<Upstream>),
    number: u32,
) {
    let mut session = Session {
        upstream,
        reader,
        writer,
        requests: Requests::default(),
        connection: UpstreamConnection::default(),
        lookups: 0,
    };
    let mut stopping = service.stopping.clone();
    let ended = tokio::select! {
        ended = session.run(service.line) => ended,
        // Who has asked something asks the next daemon again.
        () = has_stopped(&mut stopping) => Ok(()),
    };
    if let Err(closed) = ended {
        let reason = closed.to_string();
        if let Closed::Io(_) = closed {
            tracing::debug!(connection = number, reason, "socketmap connection lost");
        } else {
            tracing::warn!(connection = number, reason, "socketmap connection closed");
        }
    }
}

struct Session<'s, R, W> {
    upstream: &'s Upstream,
    reader: R,
    writer: W,
    requests: Requests,
    connection: UpstreamConnection,
    lookups: u32,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Session<'_, R, W> {
    /// Answers one request after the other, as Postfix asks them.
    async fn run(&mut self, patience: Duration) -> Result<(), Closed> {
        let mut read = Vec::new();
        loop {
            while let Some(request) = self.requests.next_request()? {
                let answer = self.answer(request).await;
                timeout(patience, self.writer.write_all(&answer)).await??;
            }
            read.clear();
            read.reserve(1024);
            let reading = self.reader.read_buf(&mut read);
            // Between requests there is all the time in the world.
            let length = if self.requests.is_unfinished() {
                timeout(patience, reading).await??
            } else {
                reading.await?
            };
            if length == 0 {
                return Ok(());
            }
            self.requests.push(&read);
        }
    }

    async fn answer(&mut self, request: Request) -> Vec<u8> {
        let mut answer = Vec::new();
        let reply = match request {
            Request::UnknownMap => Reply::Permanent("there are the maps mailbox and sender_login"),
            Request::NoName => Reply::NotFound,
            // Said once, when it began.
            Request::Lookup { .. }
                if self.upstream.users().is_none() && self.connection.is_pausing() =>
            {
                Reply::Temporary(UNAVAILABLE)
            }
            Request::Lookup { map, key } => match self.find(map, &key).await {
                Ok(Some(user)) => {
                    Reply::Found(&user).write(&mut answer);
                    return answer;
                }
                Ok(None) => Reply::NotFound,
                Err(error) => {
                    tracing::warn!(error = error.to_string(), "user not looked up");
                    Reply::Temporary(UNAVAILABLE)
                }
            },
        };
        reply.write(&mut answer);
        answer
    }

    /// The name of the user whose address `key` is.
    async fn find(&mut self, map: Map, key: &str) -> Result<Option<String>, LookupError> {
        if let Some(users) = self.upstream.users() {
            return Ok(users.find(key).map(|user| user.name));
        }
        let service = match map {
            Map::Mailbox => "lmtp",
            Map::SenderLogin => "smtp",
        };
        self.lookups = self.lookups.wrapping_add(1).max(1);
        let lookup = Lookup::new(self.lookups, key, service);
        let was_open = self.connection.is_open();
        let mut found = self.ask_in_time(&lookup).await;
        if was_open && matches!(found, Err(LookupError::Io(_))) {
            // Dovecot may have gone since the last request.
            self.connection.close_for_now();
            found = self.ask_in_time(&lookup).await;
        }
        if matches!(found, Err(LookupError::Io(_) | LookupError::Timeout(_))) {
            self.connection.close();
        }
        found
    }

    async fn ask_in_time(&mut self, lookup: &Lookup) -> Result<Option<String>, LookupError> {
        timeout(PATIENCE, self.ask(lookup)).await?
    }

    async fn ask(&mut self, lookup: &Lookup) -> Result<Option<String>, LookupError> {
        let mut question = Vec::new();
        if !self.connection.is_open() {
            self.upstream.connect_master(&mut self.connection).await?;
            question.extend_from_slice(Lookup::VERSION);
        }
        lookup.write(&mut question);
        self.connection.write_all(&question).await?;
        loop {
            while let Some(line) = self.connection.next_line()? {
                self.connection.succeeded();
                match lookup.read(&line) {
                    Some(Found::User(name)) => return Ok(Some(name)),
                    Some(Found::Nobody) => return Ok(None),
                    Some(Found::Failed) => return Err(LookupError::Failed),
                    None => {}
                }
            }
            let (incoming, _) = self.connection.split();
            incoming.wait().await?;
        }
    }
}
