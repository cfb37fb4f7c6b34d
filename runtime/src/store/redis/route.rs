//! Which server a key is on.

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
    connection::{Common, For, Link},
    failure::{Failure, store_error},
    handshake::Target,
    sentinel::Sentinels,
    wire::FullKey,
};
use crate::store::answer::{Answer, boxed};

#[derive(Debug)]
pub(super) enum Route {
    One { link: Link, said_cluster: AtomicBool },
    Cluster(Cluster),
}

impl Route {
    /// Connects once, and goes on trying in the background.
    pub(super) async fn connect(address: Address, common: Common) -> Route {
        let target = match address {
            Address::Server(info) => Target::Server(info.into()),
            Address::Sentinels { sentinels, service, primary } => {
                Target::Sentinels(Arc::new(Sentinels::new(sentinels, service, primary)))
            }
            Address::Cluster(seeds) => {
                let common = Common { trial: common.trial.clustered(), ..common };
                return Route::Cluster(Cluster::connect(seeds, common).await);
            }
        };
        let link = Link::new(target, &common);
        link.connect().await;
        Route::One { link, said_cluster: AtomicBool::new(false) }
    }

    /// Where Redis is, without secrets.
    pub(super) fn place(&self) -> String {
        match self {
            Route::One { link, .. } => link.place(),
            Route::Cluster(cluster) => cluster.place(),
        }
    }

    /// The links of all servers that are known.
    pub(super) fn links(&self) -> Vec<Link> {
        match self {
            Route::One { link, .. } => vec![link.clone()],
            Route::Cluster(cluster) => cluster.links(),
        }
    }

    /// The link of the server that has a key.
    pub(super) fn owner(&self, key: FullKey<'_>) -> Answer<Cow<'_, Link>> {
        match self {
            Route::One { link, .. } => Ok(Cow::Borrowed(link)),
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

    /// The same for what a caller reads, over the connection of its runtime. What was not sent there is sent over the lasting one;
    /// what may have been is not sent twice.
    pub(super) async fn call_here<T>(&self, key: FullKey<'_>, command: &Cmd) -> Answer<T>
    where
        T: FromRedisValue + Send + 'static,
    {
        let owner = self.owner(key)?;
        self.call_at(owner.here_if_up(), command).await
    }

    /// Sends one command to a server, and on to where that says that the key is.
    pub(super) async fn call_at<T>(&self, link: &Link, command: &Cmd) -> Answer<T>
    where
        T: FromRedisValue + Send + 'static,
    {
        let error = match link.call(command).await {
            Err(Failure::Redis(error)) => error,
            answer => return Ok(answer?),
        };
        match self {
            Route::Cluster(cluster) => Ok(boxed(cluster.send_on(error, command, For::Reads)).await?),
            Route::One { .. } => {
                self.refused(link, &error);
                Err(store_error(&error))
            }
        }
    }

    /// The same with a command of a step of a write.
    pub(super) async fn call_of_write<T>(&self, link: &Link, command: &Cmd) -> Answer<T>
    where
        T: FromRedisValue + Send + 'static,
    {
        let error = match link.call_of_write(command).await {
            Err(Failure::Redis(error)) => error,
            answer => return Ok(answer?),
        };
        self.refused(link, &error);
        match self {
            Route::Cluster(cluster) => Ok(cluster.send_on(error, command, For::Writes).await?),
            Route::One { .. } => Err(store_error(&error)),
        }
    }

    /// Takes note of an error in the answer of several commands to a server.
    pub(super) fn refused(&self, link: &Link, error: &RedisError) {
        match self {
            Route::Cluster(cluster) => cluster.refused(error),
            Route::One { said_cluster, .. } => {
                let moved = error.kind() == ErrorKind::Server(ServerErrorKind::Moved);
                if moved && !said_cluster.swap(true, Relaxed) {
                    tracing::error!(
                        cache = link.place(),
                        "the server is part of a cluster, most keys are elsewhere and functions run uncached; write `redis-cluster://…`"
                    );
                }
            }
        }
    }
}

fn slot(key: FullKey<'_>) -> u16 {
    cluster::slot(key.to_string().as_bytes())
}
