//! Dovecot's dict protocol: local validation looks up keys, which are answered from memory.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use gatepost_mail::dict::{Answer, Connection, Event, KeyName};
use gatepost_tokio::WantedKey;

use crate::connection::peer::{Closed, Handler, Io, Output, Status};
use crate::connection::service::Service;

/// Longest name of a key or of a client that the log holds, in bytes; no key has a longer one.
const MAX_LOGGED: usize = 256;

/// One connection of a Dovecot.
pub(crate) struct Dict {
    service: Arc<Service>,
    protocol: Connection,
    /// Whether newer keys are being looked for: once at a time, however often an unknown one is asked for.
    is_looking: bool,
}

impl Dict {
    pub(crate) fn new(service: &Arc<Service>) -> (Self, Output) {
        let dict = Self {
            service: Arc::clone(service),
            protocol: Connection::new(),
            is_looking: false,
        };
        (dict, Output::default())
    }

    fn look_up(&mut self, name: &KeyName, io: &mut Io<()>) {
        let generation = Arc::clone(&self.service.generation.borrow());
        let Some(provider) = generation.told_provider() else {
            return Answer::NotFound.write(io.output.bytes());
        };
        let wanted = WantedKey {
            azp: &name.azp,
            algorithm: name.algorithm,
            kid: &name.kid,
        };
        let trust = generation.providers.trust();
        let key = trust.written_key(provider, &wanted);
        key.map_or(Answer::NotFound, Answer::Found)
            .write(io.output.bytes());
        self.service.metrics.lookup(key.is_some());
        tracing::info!(
            provider,
            azp = shortened(&name.azp),
            algorithm = name.algorithm.name(),
            kid = shortened(&name.kid),
            found = key.is_some(),
            "key looked up"
        );
        if key.is_none() && !self.is_looking {
            // Dovecot does not wait, and does not remember that there was no key: the next login will find it.
            let (generation, provider) = (Arc::clone(&generation), provider.to_owned());
            let looking = async move { generation.providers.look_again(&provider).await };
            self.is_looking = io.work.start(looking).is_none();
        }
    }
}

impl Handler for Dict {
    type Done = ();

    const PROTOCOL: &'static str = "dict";
    /// Longer than the 60 s that Dovecot is told to keep its own.
    const IDLE: Option<Duration> = Some(Duration::from_secs(75));

    fn receive(&mut self, input: &[u8], io: &mut Io<()>) -> Result<usize, Closed> {
        let (used, event) = self.protocol.receive(input);
        if event != Event::Incomplete {
            io.line_ended();
        }
        match event {
            Event::Incomplete | Event::Silent => {}
            Event::Lookup(name) => self.look_up(&name, io),
            Event::Answered(answer) => answer.write(io.output.bytes()),
            Event::Close(error) => return Err(Closed::protocol(error)),
        }
        Ok(used)
    }

    fn done(&mut self, (): (), _: &mut Io<()>) {
        self.is_looking = false;
    }

    fn status(&self) -> Status {
        Status {
            is_handshaken: true,
            is_line_begun: self.protocol.is_unfinished(),
            is_begun: false,
        }
    }
}

fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_LOGGED))
        .unwrap_or_default()
}
