//! Names of hosts, resolved as the system does.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use super::fault::NotResolved;

/// The system's resolver. That a name has no address is an error of its own, [`NotResolved`].
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is the URL's.
            let found = lookup_host((name.as_str(), 0)).await.map_err(NotResolved)?;
            let found: Vec<SocketAddr> = found.collect();
            let found: Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}
