//! Everything that is listened at, and what is spoken there.

use std::sync::Arc;

use gatepost_mail::http::Responder;

use crate::config::{Config, Listener, ListenerProtocol};
use crate::connection::acceptor::Acceptor;
use crate::connection::http::Scim;
use crate::connection::listener::{self, BindError, Bound};
use crate::connection::upstream::Upstream;
use crate::connection::worker::{Protocol, Workers};

/// What answers, where it is configured.
pub(super) struct Answerers {
    pub(super) upstream: Option<Arc<Upstream>>,
    pub(super) responder: Option<Responder>,
    pub(super) scim: Option<Arc<Scim>>,
}

/// The sockets of one listener: its connections are counted by themselves, for whoever reaches it may reach no other.
pub(super) struct Endpoint {
    protocol: Protocol,
    connections: u32,
    bound: Vec<Bound>,
}

impl Endpoint {
    fn bind(protocol: Protocol, connections: u32, listener: &Listener) -> Result<Self, BindError> {
        let bound = listener::bind(listener)?;
        Ok(Self {
            protocol,
            connections,
            bound,
        })
    }

    pub(super) fn open(self, workers: &Arc<Workers>) -> Acceptor {
        let (protocol, has_logins) = (self.protocol.name(), self.protocol.has_logins());
        let mut acceptor = Acceptor::new(self.connections, self.protocol, workers);
        for listener in self.bound {
            tracing::info!(
                address = listener.address(),
                protocol,
                trust_client_address = has_logins.then(|| listener.is_believed()),
                "listening"
            );
            acceptor.open(listener);
        }
        acceptor
    }
}

impl Answerers {
    /// Those of logins and tokens.
    pub(super) fn of(upstream: Option<&Arc<Upstream>>, responder: Option<Responder>) -> Self {
        Self {
            upstream: upstream.map(Arc::clone),
            responder,
            scim: None,
        }
    }
}

/// Binds every socket that the configuration names, each with the protocol that is spoken there.
pub(super) fn endpoints(config: &Config, answerers: Answerers) -> Result<Vec<Endpoint>, BindError> {
    let Answerers {
        upstream,
        responder,
        scim,
    } = answerers;
    let connections = config.limits.connections.get();
    let auth = upstream.as_ref().map_or(Protocol::Auth, |upstream| {
        Protocol::RelayedAuth(Arc::clone(upstream))
    });
    let mut protocols = vec![(ListenerProtocol::Auth, auth)];
    if let Some(upstream) = upstream {
        let socketmap = Protocol::Socketmap(Arc::clone(&upstream));
        protocols.push((ListenerProtocol::Master, Protocol::Master(upstream)));
        protocols.push((ListenerProtocol::Socketmap, socketmap));
    }
    let mut endpoints = Vec::new();
    let mut bind = |protocol: &Protocol, connections, listeners: &[Listener]| {
        for listener in listeners {
            endpoints.push(Endpoint::bind(protocol.clone(), connections, listener)?);
        }
        Ok(())
    };
    for (written, protocol) in protocols {
        let listeners = config.listeners.iter();
        let listeners = listeners.filter(|listener| listener.protocol == written);
        let listeners: Vec<_> = listeners.cloned().collect();
        bind(&protocol, connections, &listeners)?;
    }
    if let (Some(http), Some(responder)) = (&config.http, responder) {
        let protocol = Protocol::Questions(Arc::new(responder));
        bind(&protocol, http.connections.get(), &http.listeners())?;
    }
    if let Some(dict) = &config.dict {
        bind(&Protocol::Dict, dict.connections.get(), &[dict.listener()])?;
    }
    if let (Some(accounts), Some(scim)) = (&config.accounts, scim) {
        let protocol = Protocol::Scim(scim);
        bind(&protocol, accounts.connections.get(), &accounts.listeners())?;
    }
    if let Some(metrics) = &config.metrics {
        bind(&Protocol::Metrics, super::WATCHERS, &[metrics.listener()])?;
    }
    Ok(endpoints)
}
