//! The store on Redis.

mod address;
mod batch;
mod capabilities;
mod closed_window;
mod cluster;
mod connection;
mod failure;
mod handshake;
pub(crate) mod inspect;
mod large;
mod limits;
mod outage;
mod poll;
pub(crate) mod published;
mod reads;
mod replicas;
mod route;
mod scatter;
mod script;
mod sentinel;
mod sole_task;
mod steps;
#[cfg(feature = "tls")]
mod tls;
mod wire;

use std::{
    iter,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use redis::{RedisError, RedisResult};
use tokio::{runtime::Handle, sync::Notify};

#[cfg(feature = "tls")]
pub(crate) use self::tls::Certificates;
pub(crate) use self::{address::Address, limits::Limits};
use self::{
    capabilities::Capabilities,
    connection::{Common, NodeConnection},
    failure::{Failure, store_error},
    large::LargeValues,
    route::Route,
    wire::{FullKey, Time},
};
use super::{
    answer::{Answer, Watched},
    changes::ChangeListeners,
};
use crate::{owed::Owed, telemetry::Node, thread::Clock};

/// What stands under a key, the time that is left of it, and the time of the server.
type Looked = (RedisResult<Option<Bytes>>, RedisResult<i64>, RedisResult<Time>);

#[derive(Debug)]
pub(crate) struct RedisStore {
    namespace: String,
    route: Route,
    listeners: ChangeListeners,
    /// Notified when a connection is up again.
    reconnected: Arc<Notify>,
    /// Counts the invalidations that could not be delivered.
    owed: Arc<Owed>,
    /// The keys whose values have a dedicated connection.
    large: LargeValues,
    /// Maximum length of a value (bytes).
    max_value: usize,
    /// The server is older than 7.0 and does not know `SET … NX GET`.
    no_nx_get: AtomicBool,
    /// The server has refused a script with keys of several slots.
    one_key_scripts: AtomicBool,
}

impl RedisStore {
    pub(crate) async fn connect(address: Address, namespace: String, limits: Limits) -> RedisStore {
        let (listeners, reconnected, owed) =
            (ChangeListeners::default(), Arc::default(), Arc::<Owed>::default());
        // With paused time a connection driven there would seem silent.
        let home = Handle::try_current().ok().filter(|_| !Clock::Callers.is_paused()).map(|home| home.id());
        let capabilities = Capabilities::new(&namespace);
        let common = Common {
            limits,
            listeners: ChangeListeners::clone(&listeners),
            reconnected: Arc::clone(&reconnected),
            owed: Arc::clone(&owed),
            capabilities,
            home,
        };
        let route = Route::connect(address.with_socket_options(), common).await;
        join_all(route.connections().iter().map(NodeConnection::connect_own)).await;
        RedisStore {
            namespace,
            route,
            listeners,
            reconnected,
            owed,
            large: LargeValues::default(),
            max_value: limits.value,
            no_nx_get: AtomicBool::new(false),
            one_key_scripts: AtomicBool::new(false),
        }
    }

    /// Maximum length of a value (bytes).
    pub(crate) fn max_value(&self) -> usize {
        self.max_value
    }

    pub(crate) fn describe(&self) -> String {
        self.route.describe()
    }

    pub(crate) fn nodes(&self) -> Vec<Node> {
        self.route.stats()
    }

    pub(crate) fn reconnected(&self) -> &Arc<Notify> {
        &self.reconnected
    }

    /// How many times changes may have been missed.
    pub(crate) fn losses(&self) -> u64 {
        self.listeners.losses()
    }

    pub(crate) fn owed(&self) -> &Arc<Owed> {
        &self.owed
    }

    /// Whether a server is known to be unreachable.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.route.connections().iter().any(|node| !node.is_up())
    }

    /// Whether a server is unreachable, or the log does not say yet that it is reachable again.
    pub(crate) fn is_in_outage(&self) -> bool {
        self.route.is_in_outage()
    }

    async fn read_timed_at(
        &self,
        node: &NodeConnection,
        full: FullKey<'_>,
    ) -> Answer<(Option<Bytes>, Duration)> {
        let mut pipeline = redis::pipe();
        // Taken afterwards, the time makes an entry look older rather than younger than it is.
        pipeline.cmd("GET").arg(full).cmd("TIME");
        let (there, now): (RedisResult<Option<Bytes>>, RedisResult<Time>) =
            node.call_all(&mut pipeline).await?;
        match (there, now) {
            (Ok(there), Ok(now)) => Ok((there, now.since_the_epoch())),
            (Err(error), _) => self.read_where_redirected(node, full, &error).await,
            (_, Err(error)) => {
                self.route.note_error(node, &error);
                Err(store_error(&error))
            }
        }
    }

    /// The same where an error says that the key is, if it says so.
    async fn read_where_redirected(
        &self,
        node: &NodeConnection,
        full: FullKey<'_>,
        error: &RedisError,
    ) -> Answer<(Option<Bytes>, Duration)> {
        self.route.note_error(node, error);
        if error.redirect_node().is_none() {
            return Err(store_error(error));
        }
        let there = self.route.call(full, redis::cmd("GET").arg(full)).await?;
        Ok((there, self.time(full).await?))
    }

    /// The time of the server that has this key.
    async fn time(&self, full: FullKey<'_>) -> Answer<Duration> {
        let now: Time = self.route.owner(full)?.call(&redis::cmd("TIME")).await?;
        Ok(now.since_the_epoch())
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        let full = self.full(key);
        let (node, reading) = self.read_connection(key).await?;
        let push = node.tracking();
        let mut watch = self.listeners.listen(&full.to_string(), push);
        let (announced, (there, left, now)) = look(&node, full, push).await?;
        if push && !announced {
            // The right was taken away, or the connection is another one by now.
            watch = self.listeners.listen(&full.to_string(), false);
        }
        let (there, left, now) = match there {
            Ok(there) => {
                let now = now.map_err(|error| store_error(&error))?.since_the_epoch();
                (there, left.unwrap_or_default(), now)
            }
            Err(error) => {
                // The key is moving to another node: nobody announces its changes here.
                watch = self.listeners.listen(&full.to_string(), false);
                let (there, now) = self.read_where_redirected(&node, full, &error).await?;
                (there, self.route.call(full, redis::cmd("PTTL").arg(full)).await?, now)
            }
        };
        // Negative if the key has no expiry, or does not exist.
        let left = u64::try_from(left).map(Duration::from_millis).unwrap_or_default();
        reading.end(there.as_ref());
        Ok(Watched { watch, there, left, now })
    }

    /// Pings every server.
    pub(crate) async fn ping(&self) -> Answer<()> {
        let connections = self.route.connections();
        if connections.is_empty() {
            return Err(self.route.why_no_node());
        }
        // Also over the own connection, so that everything that this caller has sent before is answered before.
        let ways = connections.iter().flat_map(|node| {
            let here = node.local_if_up();
            iter::once(node).chain((!here.is(node)).then_some(here))
        });
        for answer in join_all(ways.map(NodeConnection::ping)).await {
            answer?;
        }
        Ok(())
    }

    fn full<'a>(&'a self, key: &'a str) -> FullKey<'a> {
        FullKey { namespace: &self.namespace, key }
    }
}

/// Looks at a key, and whether the server will announce its next change, which it is asked for with `push`.
async fn look(node: &NodeConnection, full: FullKey<'_>, push: bool) -> Result<(bool, Looked), Failure> {
    let mut pipeline = redis::pipe();
    if push {
        // The server remembers that this connection reads the next key, and pushes one message when it changes.
        pipeline.cmd("CLIENT").arg("CACHING").arg("YES");
    }
    pipeline.cmd("GET").arg(full).cmd("PTTL").arg(full).cmd("TIME");
    if !push {
        return Ok((false, node.call_all(&mut pipeline).await?));
    }
    let (announced, there, left, now): (RedisResult<()>, _, _, _) = node.call_all(&mut pipeline).await?;
    Ok((announced.is_ok(), (there, left, now)))
}
