//! The store on Redis.

mod address;
mod away;
mod cluster;
mod connection;
mod failure;
mod gather;
mod handshake;
mod large;
mod limits;
mod poll;
mod reads;
mod replicas;
mod route;
mod script;
mod sentinel;
mod steps;
#[cfg(feature = "tls")]
mod tls;
mod trial;
mod wire;

use std::{
    iter,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use redis::RedisResult;
use tokio::{runtime::Handle, sync::Notify};

#[cfg(feature = "tls")]
pub(crate) use self::tls::Certificates;
pub(crate) use self::{address::Address, limits::Limits};
use self::{
    connection::{Common, Link},
    failure::store_error,
    large::LargeValues,
    route::Route,
    trial::Trial,
    wire::{FullKey, Time},
};
use super::{
    answer::{Answer, StoreError, Watched},
    watches::Watches,
};
use crate::{owed::Owed, telemetry::Node, thread::Clock};

#[derive(Debug)]
pub(crate) struct RedisStore {
    namespace: String,
    route: Route,
    watches: Watches,
    /// Told when a connection is there again.
    back: Arc<Notify>,
    /// The keys whose invalidations could not be delivered, counted.
    owed: Arc<Owed>,
    /// The keys whose values travel apart from the others.
    large: LargeValues,
    /// Maximum length of a value.
    max_value: usize,
    /// The server is older than 7.0 and does not know `SET … NX GET`.
    no_nx_get: AtomicBool,
}

impl RedisStore {
    pub(crate) async fn connect(address: Address, namespace: String, limits: Limits) -> RedisStore {
        let (watches, back, owed) = (Watches::default(), Arc::default(), Arc::<Owed>::default());
        // Where time is paused, a connection that is driven there would be taken for silent.
        let home = Handle::try_current().ok().filter(|_| !Clock::Callers.is_paused()).map(|home| home.id());
        let trial = Trial::new(&namespace);
        let common = Common {
            limits,
            watches: Watches::clone(&watches),
            back: Arc::clone(&back),
            owed: Arc::clone(&owed),
            trial,
            home,
        };
        let route = Route::connect(address.tuned(), common).await;
        join_all(route.links().iter().map(Link::connect_own)).await;
        let (large, max_value, no_nx_get) = (LargeValues::default(), limits.value, AtomicBool::new(false));
        RedisStore { namespace, route, watches, back, owed, large, max_value, no_nx_get }
    }

    /// Maximum length of a value.
    pub(crate) fn max_value(&self) -> usize {
        self.max_value
    }

    pub(crate) fn place(&self) -> String {
        self.route.place()
    }

    pub(crate) fn nodes(&self) -> Vec<Node> {
        self.route.links().iter().map(Link::node).collect()
    }

    pub(crate) fn back(&self) -> &Arc<Notify> {
        &self.back
    }

    pub(crate) fn owed(&self) -> &Arc<Owed> {
        &self.owed
    }

    /// Whether a server is known not to be there.
    pub(crate) fn is_away(&self) -> bool {
        self.route.links().iter().any(|link| !link.is_up())
    }

    async fn read_timed_at(&self, link: &Link, full: FullKey<'_>) -> Answer<(Option<Bytes>, Duration)> {
        let mut pipeline = redis::pipe();
        // Asked afterwards, the time makes an entry rather older than younger than it is.
        pipeline.cmd("GET").arg(full).cmd("TIME");
        let (there, now): (RedisResult<Option<Bytes>>, RedisResult<Time>) =
            link.call_all(&mut pipeline).await?;
        match (there, now) {
            (Ok(there), Ok(now)) => Ok((there, now.since_the_epoch())),
            (Err(error), _) if error.redirect_node().is_some() => {
                self.route.refused(link, &error);
                let there = self.route.call(full, redis::cmd("GET").arg(full)).await?;
                Ok((there, self.time(full).await?))
            }
            (Err(error), _) | (_, Err(error)) => {
                self.route.refused(link, &error);
                Err(store_error(&error))
            }
        }
    }

    /// The time of the server that has this key.
    async fn time(&self, full: FullKey<'_>) -> Answer<Duration> {
        let now: Time = self.route.owner(full)?.call(&redis::cmd("TIME")).await?;
        Ok(now.since_the_epoch())
    }

    pub(crate) async fn watch(&self, key: &str) -> Answer<Watched> {
        let full = self.full(key);
        let (link, reading) = self.way(key).await?;
        let told = link.tracking();
        let mut watch = self.watches.watch(&full.to_string(), told);
        let mut pipeline = redis::pipe();
        if told {
            // The server remembers that this connection reads the key next, and says so once when it changes.
            pipeline.cmd("CLIENT").arg("CACHING").arg("YES").ignore();
        }
        pipeline.cmd("GET").arg(full).cmd("PTTL").arg(full).cmd("TIME");
        let (there, left, now): (RedisResult<Option<Bytes>>, RedisResult<i64>, RedisResult<Time>) =
            link.call_all(&mut pipeline).await?;
        let (there, left, now) = match there {
            Ok(there) => {
                let now = now.map_err(|error| store_error(&error))?.since_the_epoch();
                (there, left.unwrap_or_default(), now)
            }
            Err(error) => {
                self.route.refused(&link, &error);
                if error.redirect_node().is_none() {
                    return Err(store_error(&error));
                }
                // The key is moving to another node: nobody will announce its change here.
                watch = self.watches.watch(&full.to_string(), false);
                let there = self.route.call(full, redis::cmd("GET").arg(full)).await?;
                let left = self.route.call(full, redis::cmd("PTTL").arg(full)).await?;
                (there, left, self.time(full).await?)
            }
        };
        // Negative where the key has no expiry, or is gone.
        let left = u64::try_from(left).map(Duration::from_millis).unwrap_or_default();
        reading.end(there.as_ref());
        Ok(Watched { watch, there, left, now })
    }

    /// Asks every server.
    pub(crate) async fn ping(&self) -> Answer<()> {
        let links = self.route.links();
        if links.is_empty() {
            return Err(StoreError::Unreachable("no node of the cluster is known".to_owned()));
        }
        // What this caller has sent is behind it, over whichever connection it was.
        let ways = links.iter().flat_map(|link| {
            let here = link.here_if_up();
            iter::once(link).chain((!here.is(link)).then_some(here))
        });
        for answer in join_all(ways.map(Link::ping)).await {
            answer?;
        }
        Ok(())
    }

    fn full<'a>(&'a self, key: &'a str) -> FullKey<'a> {
        FullKey { namespace: &self.namespace, key }
    }
}
