//! What a fault is tried on: a server, a network, and two programs that use them.

use super::{
    fault::{Fault, Kind},
    origin::Origin,
};
use crate::{Proxy, RedisServer};
use cached_aside::Cache;
use redis::cmd;
use std::{sync::Arc, time::Duration};

/// What every key begins with.
pub const NAMESPACE: &str = "faults";
/// How long a call may spend on the cache.
pub const TIMEOUT: Duration = Duration::from_millis(250);
/// How long it may where the server answers all the while: more than a busy machine takes for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A server, and the network to it.
#[derive(Debug)]
pub struct Setup {
    /// The server.
    pub server: RedisServer,
    /// The network.
    pub proxy: Proxy,
    /// The database.
    pub origin: Arc<Origin>,
}

impl Setup {
    /// A server that this fault can be brought about at.
    pub fn set(fault: &Fault) -> Self {
        let server = fault.server().start();
        let proxy = Proxy::start(server.addr());
        Self { server, proxy, origin: Arc::default() }
    }

    /// The cache that the fault happens to.
    pub async fn here(&self, fault: &Fault) -> Cache {
        let url = match fault.kind {
            Kind::Network(_) => self.proxy.url(),
            Kind::WrongPassword => self.server.url().replace("right", "wrong"),
            Kind::WrongDatabase => format!("{}/1", self.server.url()),
            Kind::NoSuchHost => "redis://cached-aside.invalid".to_owned(),
            _ => self.server.url(),
        };
        cache(&url, fault.timeout()).await
    }

    /// A cache that is reached by the network, whatever the fault.
    pub async fn behind_proxy(&self) -> Cache {
        cache(&self.proxy.url(), TIMEOUT).await
    }

    /// Another program's cache. The network is no trouble to it.
    pub async fn elsewhere(&self, fault: &Fault) -> Cache {
        match fault.kind {
            Kind::WrongDatabase => self.here(fault).await,
            _ => cache(&self.server.url(), fault.timeout()).await,
        }
    }

    /// How many clients the server has, not counting who asks.
    pub fn clients(&self) -> usize {
        let clients: String = self.server.run(cmd("CLIENT").arg("LIST").arg("TYPE").arg("NORMAL"));
        clients.lines().count() - 1
    }
}

async fn cache(url: &str, timeout: Duration) -> Cache {
    let cache = Cache::builder().url(url).namespace(NAMESPACE).timeout(timeout).build().await;
    cache.expect("the URL could work")
}
