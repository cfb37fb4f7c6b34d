//! Routing: which server a key is on.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};

use super::{
    address::Address,
    cluster::{self, Cluster},
    connection::{Common, NodeConnection, Purpose},
    failure::{Failure, store_error},
    handshake::Target,
    sentinel::Sentinels,
    wire::FullKey,
};
use crate::{
    store::answer::{Answer, StoreError, boxed},
    telemetry::Node,
};

#[derive(Debug)]
pub(super) enum Route {
    One { node: NodeConnection, said_cluster: AtomicBool },
    Cluster(Cluster),
}

impl Route {
    /// Connects once, then keeps trying in the background.
    pub(super) async fn connect(address: Address, common: Common) -> Route {
        let target = match address {
            Address::Server(info) => Target::Server(info.into()),
            Address::Sentinels { sentinels, service, primary } => {
                Target::Sentinels(Arc::new(Sentinels::new(sentinels, service, primary)))
            }
            Address::Cluster(seeds) => {
                let common = Common { capabilities: common.capabilities.clustered(), ..common };
                return Route::Cluster(Cluster::connect(seeds, common).await);
            }
        };
        let node = NodeConnection::new(target, &common);
        node.connect().await;
        Route::One { node, said_cluster: AtomicBool::new(false) }
    }

    /// Where Redis is, without secrets.
    pub(super) fn describe(&self) -> String {
        match self {
            Route::One { node, .. } => node.describe(),
            Route::Cluster(cluster) => cluster.describe(),
        }
    }

    /// The connections to all known servers.
    pub(super) fn connections(&self) -> Vec<NodeConnection> {
        match self {
            Route::One { node, .. } => vec![node.clone()],
            Route::Cluster(cluster) => cluster.connections(),
        }
    }

    /// Why no server is known.
    pub(super) fn why_no_node(&self) -> StoreError {
        let failure = match self {
            Route::One { .. } => None,
            Route::Cluster(cluster) => cluster.why_no_node(),
        };
        failure.unwrap_or_else(|| Failure::Down("no node of the cluster is known".to_owned())).into()
    }

    /// Whether a server is unreachable, or the log does not say yet that it is reachable again.
    pub(super) fn is_in_outage(&self) -> bool {
        let of_cluster = matches!(self, Route::Cluster(cluster) if cluster.is_in_outage());
        of_cluster || self.connections().iter().any(NodeConnection::is_in_outage)
    }

    /// The state of each server and its counters.
    pub(super) fn stats(&self) -> Vec<Node> {
        let connections = self.connections();
        match self {
            Route::Cluster(cluster) if connections.is_empty() => {
                cluster.stats_without_nodes().into_iter().collect()
            }
            _ => connections.iter().map(NodeConnection::stats).collect(),
        }
    }

    /// The connection to the server that has every key; none in a cluster.
    pub(super) fn sole(&self) -> Option<&NodeConnection> {
        match self {
            Route::One { node, .. } => Some(node),
            Route::Cluster(_) => None,
        }
    }

    /// The connection to the server that has a key.
    pub(super) fn owner(&self, key: FullKey<'_>) -> Answer<Cow<'_, NodeConnection>> {
        match self {
            Route::One { node, .. } => Ok(Cow::Borrowed(node)),
            Route::Cluster(cluster) => Ok(Cow::Owned(cluster.owner(slot(key))?)),
        }
    }

    /// Sends one command to the server that has a key.
    pub(super) async fn call<T>(&self, key: FullKey<'_>, command: &Cmd) -> Answer<T>
    where
        T: FromRedisValue + Send + 'static,
    {
        let owner = self.owner(key)?;
        self.call_at(&owner, command).await
    }

    /// The same for a read, over the connection of the caller's runtime if that is up, else over the main one. What may have been sent is
    /// not sent again.
    pub(super) async fn call_local<T>(&self, key: FullKey<'_>, command: &Cmd) -> Answer<T>
    where
        T: FromRedisValue + Send + 'static,
    {
        let owner = self.owner(key)?;
        self.call_at(owner.local_if_up(), command).await
    }

    /// Sends one command to a server, and to where that redirects it.
    pub(super) async fn call_at<T>(&self, node: &NodeConnection, command: &Cmd) -> Answer<T>
    where
        T: FromRedisValue + Send + 'static,
    {
        let error = match node.call(command).await {
            Err(Failure::Redis(error)) => error,
            answer => return Ok(answer?),
        };
        match self {
            Route::Cluster(cluster) => {
                Ok(boxed(cluster.follow_redirects(error, command, Purpose::Reads)).await?)
            }
            Route::One { .. } => {
                self.note_error(node, &error);
                Err(store_error(&error))
            }
        }
    }

    /// The same with a command of a step of a write.
    pub(super) async fn call_write<T>(&self, node: &NodeConnection, command: &Cmd) -> Answer<T>
    where
        T: FromRedisValue + Send + 'static,
    {
        let error = match node.call_write(command).await {
            Err(Failure::Redis(error)) => error,
            answer => return Ok(answer?),
        };
        self.note_error(node, &error);
        match self {
            Route::Cluster(cluster) => Ok(cluster.follow_redirects(error, command, Purpose::Writes).await?),
            Route::One { .. } => Err(store_error(&error)),
        }
    }

    /// Takes note of an error in the answer of several commands to a server.
    pub(super) fn note_error(&self, node: &NodeConnection, error: &RedisError) {
        match self {
            Route::Cluster(cluster) => cluster.note_error(error),
            Route::One { said_cluster, .. } => {
                let moved = error.kind() == ErrorKind::Server(ServerErrorKind::Moved);
                if moved && !said_cluster.swap(true, Relaxed) {
                    tracing::error!(
                        cache = node.describe(),
                        "the server is part of a cluster, most keys are on other nodes and functions run uncached; write `redis-cluster://…`"
                    );
                }
            }
        }
    }
}

fn slot(key: FullKey<'_>) -> u16 {
    cluster::slot(key.to_string().as_bytes())
}
