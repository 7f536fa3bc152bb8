//! Postfix's socketmap: recipients and senders are looked up, one after the other.

use std::sync::Arc;
use std::time::Duration;

use gatepost_mail::socketmap::{Addresses, Connection, Sources};

use crate::connection::peer::{Closed, Handler, Io, Output, Relayed, Status};
use crate::connection::upstream::{Socket, Upstream};

/// How long Dovecot may take to look up a user. Postfix waits for 100 seconds (`ipc_timeout` and the like).
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection of Postfix.
pub(crate) struct Socketmap {
    upstream: Arc<Upstream>,
    protocol: Connection,
}

impl Socketmap {
    pub(crate) fn new(upstream: &Arc<Upstream>) -> (Self, Output) {
        let socketmap = Self {
            upstream: Arc::clone(upstream),
            protocol: Connection::new(),
        };
        (socketmap, Output::default())
    }

    fn tell(&mut self, output: &mut Output) {
        output.bytes().append(&mut self.protocol.client);
    }
}

impl Handler for Socketmap {
    type Done = ();

    const PROTOCOL: &'static str = "socketmap";

    fn receive(&mut self, input: &[u8], io: &mut Io<()>) -> Result<usize, Closed> {
        let users = self.upstream.users();
        let addresses = self.upstream.accounts();
        let sources = Sources {
            addresses: addresses.map(|held| &**held as &dyn Addresses),
            users: users.as_deref(),
            has_upstream: addresses.is_none() || self.upstream.has_master(),
            delimiters: self.upstream.delimiters(),
        };
        let used = self
            .protocol
            .receive_from(input, &sources)
            .map_err(Closed::protocol)?;
        if !self.protocol.is_unfinished() {
            io.line_ended();
        }
        self.tell(&mut io.output);
        Ok(used)
    }

    fn upstream(&self) -> Option<&Arc<Upstream>> {
        Some(&self.upstream)
    }

    fn status(&self) -> Status {
        Status {
            is_handshaken: true,
            is_line_begun: self.protocol.is_unfinished(),
            is_begun: self.protocol.is_asking(),
        }
    }

    fn has_room(&self) -> bool {
        !self.protocol.is_asking()
    }

    fn relayed(&mut self) -> Option<&mut dyn Relayed<()>> {
        Some(self)
    }
}

impl Relayed<()> for Socketmap {
    fn wanted(&self) -> Option<Socket> {
        self.protocol.needs_upstream().then_some(Socket::Master)
    }

    fn connected(&mut self, _: u32) {
        self.protocol.upstream_connected();
    }

    fn lost(&mut self, io: &mut Io<()>) {
        self.protocol.upstream_lost();
        self.tell(&mut io.output);
    }

    fn line(&mut self, line: &[u8], io: &mut Io<()>) -> bool {
        if let Err(error) = self.protocol.upstream_line(line) {
            tracing::warn!(error = error.to_string(), "user not looked up");
        }
        self.tell(&mut io.output);
        true
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.protocol.upstream
    }

    fn is_awaited(&self) -> bool {
        self.protocol.is_asking()
    }

    fn patience(&self) -> Option<Duration> {
        Some(PATIENCE)
    }
}
