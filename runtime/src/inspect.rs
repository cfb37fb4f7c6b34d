//! What the tools around this library ask of the servers of a cache. It may change with any release.

use std::future::Future;

use redis::{Cmd, ConnectionInfo, FromRedisValue};

pub use crate::store::redis::inspect::{Inspected, STEP, Scanned};
use crate::store::redis::published;
use crate::{
    Cache, Error,
    function::templates,
    key,
    store::{Answer, Store, redis::RedisStore},
};

/// Whether a template, or the name of a [`Cached`](crate::Cached) with everything behind it, can give this key.
#[must_use]
pub fn can_give(template: &str, key: &str) -> bool {
    // Only the start of a long key is kept.
    let start = key::kept_of(key);
    templates::can_give(template, start.unwrap_or(key), start.is_some())
}

/// Whether what stands under this key are the counts that a process publishes, and no entry.
#[must_use]
pub fn is_published(key: &str) -> bool {
    published::is_published(key)
}

/// The counts of a cache in this process, as it publishes them: JSON.
#[must_use]
pub fn counts_of(cache: &Cache) -> String {
    format!("{{\"schema\":1,{}}}", cache.inner.stats().to_published())
}

/// Keys on the recovery list of a cache in this process, without the namespace, and at most so many: first those whose invalidations are
/// tried next.
#[must_use]
pub fn owed_of(cache: &Cache, at_most: usize) -> Vec<String> {
    cache.inner.recovery.first(at_most).iter().map(ToString::to_string).collect()
}

/// Where a cache is, without secrets.
#[must_use]
pub fn place_of(cache: &Cache) -> String {
    cache.inner.store.describe()
}

/// The namespace of a cache.
#[must_use]
pub fn namespace_of(cache: &Cache) -> &str {
    &cache.inner.namespace
}

/// The servers of a cache.
#[derive(Debug, Clone)]
pub struct Servers {
    cache: Cache,
}

impl Servers {
    /// `None` for a cache in this process.
    #[must_use]
    pub fn of(cache: &Cache) -> Option<Servers> {
        matches!(cache.inner.store, Store::Redis(_)).then(|| Servers { cache: cache.clone() })
    }

    /// The number of servers that hold entries: one, or the primaries of a cluster.
    #[must_use]
    pub fn count(&self) -> usize {
        self.store().map_or(0, RedisStore::servers)
    }

    /// Whether they are the nodes of a cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.store().is_some_and(RedisStore::is_cluster)
    }

    /// What every key begins with in Redis: the namespace and a `:`.
    #[must_use]
    pub fn prefix(&self) -> String {
        self.store().map(RedisStore::prefix).unwrap_or_default()
    }

    /// How to connect to each of them.
    pub async fn infos(&self) -> Vec<ConnectionInfo> {
        match self.store() {
            Some(store) => store.infos().await,
            None => Vec::new(),
        }
    }

    /// Sends a command to one of them, by its number.
    ///
    /// # Errors
    ///
    /// Its error, or none of its answers in time.
    pub async fn ask<T>(&self, server: usize, command: &Cmd) -> Result<T, Error>
    where
        T: FromRedisValue + Send + 'static,
    {
        self.within("ask", async |store| store.ask(server, command).await).await
    }

    /// One step of a search of one server for keys that match a pattern of `SCAN`, all without the namespace.
    ///
    /// # Errors
    ///
    /// Its error, or none of its answers in time.
    pub async fn scan(&self, server: usize, cursor: u64, pattern: &str) -> Result<Scanned, Error> {
        self.within("scan", async |store| store.scan(server, cursor, pattern).await).await
    }

    /// The first `bytes` (at least one) of what stands under each of these keys, without the namespace.
    ///
    /// # Errors
    ///
    /// An error of a server, or no answer in time.
    pub async fn inspect(&self, keys: &[String], bytes: usize) -> Result<Vec<Option<Inspected>>, Error> {
        self.within("inspect", async |store| store.inspect(keys, bytes).await).await
    }

    /// What each process publishes of its counts ([`CacheBuilder::publish_stats`](crate::CacheBuilder::publish_stats)): JSON.
    ///
    /// # Errors
    ///
    /// An error of the server, or no answer in time.
    pub async fn published(&self) -> Result<Vec<Vec<u8>>, Error> {
        self.within("read published counts", async |store| store.published().await).await
    }

    fn store(&self) -> Option<&RedisStore> {
        if let Store::Redis(store) = &self.cache.inner.store { Some(store) } else { None }
    }

    async fn within<'a, T, F>(
        &'a self,
        doing: &'static str,
        step: impl FnOnce(&'a RedisStore) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Answer<T>>,
    {
        let within = self.cache.inner.timeout;
        let timed_out = Error::Timeout { doing, within };
        let Some(store) = self.store() else { return Err(timed_out) };
        let answer = tokio::time::timeout(within, step(store)).await.map_err(|_elapsed| timed_out)?;
        answer.map_err(|error| error.into_error(doing, ""))
    }
}
