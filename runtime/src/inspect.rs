//! What the tools around this library ask of the servers of a cache. It may change with any release.

use std::future::Future;

use redis::{Cmd, ConnectionInfo, FromRedisValue};

pub use crate::store::redis::inspect::{Inspected, STEP, Scanned};
use crate::store::redis::{inspect::escaped, published};
use crate::{
    Cache, Error,
    function::templates,
    key,
    store::{Answer, Store, redis::RedisStore},
};

/// Whether a template can give this key.
#[must_use]
pub fn can_give(template: &str, key: &str) -> bool {
    // Only the start of a long key is kept.
    let start = key::kept_of(key);
    templates::can_give(template, start.unwrap_or(key), start.is_some())
}

/// Whether the [`Cached`](crate::Cached) of this name can give this key.
#[must_use]
pub fn family_can_give(name: &str, key: &str) -> bool {
    let start = key::kept_of(key);
    if start.is_some_and(|start| name.starts_with(start)) {
        return true;
    }
    let rest = start.unwrap_or(key).strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// A pattern of `SCAN` that matches every key of a template, and others.
#[must_use]
pub fn pattern_of(template: &str) -> String {
    pattern_of_family(&templates::literal_start(template))
}

/// A pattern of `SCAN` that matches every key of the [`Cached`](crate::Cached) of this name, and others.
#[must_use]
pub fn pattern_of_family(name: &str) -> String {
    // What follows may be cut off, so that nothing can be said of it.
    escaped(key::kept_of_all(name)) + "*"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AnyKey, Cached};

    static BRACES: Cached<u64> = Cached::new("{{eu}}:user", std::time::Duration::from_secs(1));

    #[test]
    fn a_pattern_is_what_keys_begin_with_and_a_star() {
        for (template, pattern) in [
            ("user:{id}", "user:*"),
            ("search:{query}:{page}", "search:*"),
            ("{kind}:{id}", "*"),
            ("{{{tenant}}}:{id}", "{*"),
            ("{{eu}}:*[a]?:{id:04}", "{eu}:\\*\\[a\\]\\?:*"),
            ("rate", "rate*"),
            ("", "*"),
        ] {
            assert_eq!(pattern_of(template), pattern, "{template}");
        }
        assert_eq!(pattern_of_family("{{eu}}:user"), "{{eu}}:user*");
        assert_eq!(pattern_of_family("a*b"), "a\\*b*");
    }

    #[test]
    fn shortened_keys_are_found() {
        let found = |pattern: String, key: &AnyKey| {
            let start = pattern.strip_suffix('*').expect("a star");
            key.as_str().starts_with(start)
        };
        for literal in ["", "search:", &"a".repeat(150), &"a".repeat(170), &"€".repeat(60)] {
            let template = format!("{literal}{{query}}:{{page}}");
            let key = AnyKey::new(&format!("{literal}{}:1", "x".repeat(200)));
            assert!(key::kept_of(key.as_str()).is_some());
            assert!(found(pattern_of(&template), &key) && can_give(&template, key.as_str()), "{key}");
        }
        for name in ["search", "{{eu}}:user", &"a".repeat(159), &"a".repeat(160), &"a".repeat(300)] {
            for rest in ["", ":1", &format!(":{}", "x".repeat(200))] {
                let key = AnyKey::new(&format!("{name}{rest}"));
                assert!(found(pattern_of_family(name), &key) && family_can_give(name, key.as_str()), "{key}");
            }
        }
    }

    #[test]
    fn the_keys_of_a_family_are_told_from_others() {
        let key = BRACES.key(7);
        assert!(family_can_give("{{eu}}:user", key.as_str()));
        assert!(!can_give("{{eu}}:user", key.as_str()), "a name is no template");
        for other in ["{{eu}}:users", "{eu}:user", "{{eu}}:users:7", "{{eu}}"] {
            assert!(!family_can_give("{{eu}}:user", other), "{other}");
        }
        let long = AnyKey::new(&format!("user:{}", "x".repeat(200)));
        assert!(!family_can_give("users", long.as_str()) && !family_can_give("use", long.as_str()));
        assert!(!can_give("users:{name}", long.as_str()));
    }
}
