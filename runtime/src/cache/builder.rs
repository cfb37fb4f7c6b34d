//! How a cache is made.

use std::{env, fmt, time::Duration};

use cached_aside_protocol::format;

use super::Cache;
#[cfg(feature = "tls")]
use crate::store::redis::Certificates;
use crate::{
    Error,
    engine::{local, shared::Shared},
    store::{Store, memory::MemoryStore},
};

mod made;

/// Keys of a shared Redis begin with this unless the builder says otherwise.
const NAMESPACE: &str = "cached-aside";
/// A call spends no more time than this on the cache.
const TIMEOUT: Duration = Duration::from_millis(250);

/// An attempt to connect takes no longer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum of both timeouts: a deadline that is further away than a clock can count to would panic.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);
/// Default maximum number of commands in flight to one server.
const MAX_IN_FLIGHT: usize = 4_096;

/// Maximum length of a value in Redis (bytes).
const MAX_VALUE_SIZE: usize = 16 << 20;

/// Why a cache in Redis has no capacity.
const IN_REDIS: &str =
    "it bounds a cache inside this process; in Redis set `maxmemory` and an eviction policy";

/// The URL of a cache inside this process.
const IN_PROCESS: &str = "in-process";

/// Settings of a cache: see [`Cache::builder`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct CacheBuilder {
    url: Option<String>,
    #[cfg(feature = "redis")]
    client: Option<redis::Client>,
    /// The environment variable that the URL is from.
    variable: Option<&'static str>,
    in_process: bool,
    capacity: Option<usize>,
    local_capacity: u64,
    namespace: String,
    timeout: Duration,
    connect_timeout: Duration,
    max_in_flight: usize,
    max_value_size: usize,
    verify: f64,
    #[cfg(feature = "redis")]
    publish_stats: bool,
    #[cfg(feature = "tls")]
    certificates: Certificates,
}

impl Default for CacheBuilder {
    fn default() -> Self {
        CacheBuilder {
            url: None,
            #[cfg(feature = "redis")]
            client: None,
            variable: None,
            in_process: false,
            capacity: None,
            local_capacity: local::CAPACITY,
            namespace: NAMESPACE.to_owned(),
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            max_in_flight: MAX_IN_FLIGHT,
            max_value_size: MAX_VALUE_SIZE,
            verify: 0.0,
            #[cfg(feature = "redis")]
            publish_stats: false,
            #[cfg(feature = "tls")]
            certificates: Certificates::default(),
        }
    }
}

/// Without secrets: the URL may hold a password.
impl fmt::Debug for CacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("namespace", &self.namespace)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_value_size", &self.max_value_size)
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}

impl CacheBuilder {
    /// Where Redis is. `in-process` as the URL is [`in_process`](CacheBuilder::in_process), for programs that are given theirs.
    ///
    /// | | |
    /// | --- | --- |
    /// | one server | `redis://[user:password@]host[:port][/database]` |
    /// | the same with TLS | `rediss://…` (feature `tls`) |
    /// | a unix socket | `redis+unix:///path[?db=…&user=…&pass=…]` |
    /// | a cluster, by some of its nodes | `redis-cluster://[user:password@]host:port,host:port` |
    /// | a primary that sentinels know | `redis-sentinel://[user:password@]host:port,host:port/service[/database]` |
    ///
    /// Clusters and sentinels with TLS are `rediss-cluster://…` and `rediss-sentinel://…`; `valkey` may stand for `redis` in
    /// each. The user and password of a sentinel URL are those of the servers; the sentinels' own are
    /// `?sentinel_user=…&sentinel_pass=…`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The Redis of a client that the application already has: its address, database, user, password and TLS. In the place of
    /// [`url`](CacheBuilder::url); clusters and sentinels are named by URL.
    ///
    /// The cache makes connections of its own; the client's are not used, nor its timeouts. `redis` has to be the version that
    /// [`cached_aside::redis`](crate::redis) is.
    ///
    /// ```
    /// # use cached_aside::{Cache, Error, redis};
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = redis::Client::open("redis://app:secret@127.0.0.1:6379/2")?;
    /// Cache::builder().client(client).namespace("shop").build().await?.install()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "redis")]
    pub fn client(mut self, client: redis::Client) -> Self {
        self.client = Some(client);
        self
    }

    /// The environment variable that the URL is from, for the log.
    pub(super) fn named_by(mut self, variable: &'static str) -> Self {
        self.variable = Some(variable);
        self
    }

    /// Keeps the entries inside this process, as [`Cache::in_process`] does. Other processes, other replicas of this program
    /// among them, neither see these entries nor invalidate them.
    ///
    /// ```
    /// # use cached_aside::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cached_aside::Error> {
    /// let cache = Cache::builder().in_process().capacity(16 << 20).build().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn in_process(mut self) -> Self {
        self.in_process = true;
        self
    }

    /// Maximum number of bytes that a cache inside this process holds, keys and bookkeeping included. Beyond it the values go
    /// that were not used for the longest time; one that is larger than all of it is not stored. Guards and leases of calls that
    /// are under way always have room. 128 MiB by default.
    ///
    /// For a cache in Redis the bound is the server's own (`maxmemory`), and this is an error.
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.capacity = Some(bytes);
        self
    }

    /// Maximum number of bytes that the local copies of this process take, by the length of their entries and keys: decoded, most types
    /// take somewhat more. Beyond it the copies go that are asked for least. 64 MiB by default. It is about functions with
    /// [`local`](crate::docs::local_copies) alone.
    pub fn local_capacity(mut self, bytes: usize) -> Self {
        self.local_capacity = u64::try_from(bytes).unwrap_or(u64::MAX);
        self
    }

    /// What every key in Redis begins with, followed by `:`. Applications that share a Redis need one each; those that share
    /// entries, the same. `cached-aside` by default.
    ///
    /// No namespace is inside another: a `:` of its own is written `%3A` in Redis, and a `%` is written `%25`. So the keys of
    /// `shop:eu` begin with `shop%3Aeu:`, and the pattern `shop:*` (in an ACL or a `SCAN`) covers those of `shop` alone.
    ///
    /// It may not be empty nor contain `{`, `}`, `#`, white space or control characters: [`build`](CacheBuilder::build) refuses
    /// that.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How much time a read may spend on the cache in all, body and waiting for another's load not counted, and each of a
    /// write's steps (guard, release, deletion of keys that its result names). 250 ms by default.
    ///
    /// Time in which this process stood still does not count: stopped, moved with its machine, throttled, or with tasks that block
    /// every thread of its runtime. More than an hour is taken for an hour.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// How long an attempt to connect may take. One second by default. More than an hour is taken for an hour.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Maximum number of commands in flight to one server. Calls beyond it run uncached, counted as `errors`, so that a server that
    /// hangs does not fill the memory. 4,096 by default. The steps of writes have a limit of the same size of their own, and wait for
    /// room within `timeout`.
    pub fn max_in_flight(mut self, commands: usize) -> Self {
        self.max_in_flight = commands;
        self
    }

    /// Maximum size of a value in Redis, in bytes as its codec writes it: 16 MiB by default, at most 64 MiB. A larger one is not
    /// stored, counts as `unencodable`, and is logged once for each function.
    ///
    /// A value has to come through within `timeout` to be of use: in 250 ms that is about 30 MB at 1 Gbit/s, 3 MB at 100 Mbit/s.
    pub fn max_value_size(mut self, bytes: usize) -> Self {
        self.max_value_size = bytes;
        self
    }

    /// The share of hits that also run the body, to find entries that are not what it gives: from 0.0 (none, the default) to 1.0 (all),
    /// for functions that do not say so themselves. See [verification](crate::docs::verification).
    pub fn verify(mut self, share: f64) -> Self {
        self.verify = share;
        self
    }

    /// Writes the counts of this process ([`Cache::stats`]) to Redis every two seconds, where `cached-aside top` and the inspector's page
    /// add up those of all processes. One small command reads whether the key is still this process's, one writes it, in the background;
    /// while nothing is counted it is written every ten seconds. The key is in the namespace, expires after thirty seconds, and is
    /// deleted by [`Cache::shutdown`]. At most 512 processes of a namespace can publish. A cache inside this process has nobody to
    /// publish to. Off by default: the names of functions and their counts are then seen by whoever reads Redis.
    #[cfg(feature = "redis")]
    pub fn publish_stats(mut self, publish: bool) -> Self {
        self.publish_stats = publish;
        self
    }

    /// The certificate authority that signed the server's certificate, in PEM, instead of those that the system trusts.
    #[cfg(feature = "tls")]
    pub fn tls_ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.authority = Some(pem.into());
        self
    }

    /// The certificate that this program shows to the server, and its key, in PEM.
    #[cfg(feature = "tls")]
    pub fn tls_client(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.certificates.client = Some((certificate.into(), key.into()));
        self
    }

    /// The cache. See [`Cache::connect`].
    ///
    /// # Errors
    ///
    /// [`Error::Url`] or [`Error::Option`] for what can never work; also where nothing says where the entries are kept, which
    /// takes [`url`](CacheBuilder::url) or [`in_process`](CacheBuilder::in_process).
    pub async fn build(self) -> Result<Cache, Error> {
        let refuse = |option, reason: &str| Err(Error::Option { option, reason: reason.to_owned() });
        if self.namespace.is_empty() {
            return refuse("namespace", "it is empty; give the application a name of its own");
        }
        if self.namespace.contains(is_refused_in_namespaces) {
            return refuse(
                "namespace",
                "it may not contain `{`, `}`, `#`, white space or control characters; use letters, digits, `-` and `:`",
            );
        }
        if self.timeout.is_zero() {
            return refuse("timeout", "it is zero; give the cache time to answer, such as 250 ms");
        }
        if self.connect_timeout.is_zero() {
            return refuse("connect_timeout", "it is zero; give Redis time to answer, such as 1 s");
        }
        if self.max_in_flight == 0 {
            return refuse("max_in_flight", "it is zero; let some commands through, such as 4,096");
        }
        if self.max_value_size == 0 || self.max_value_size > format::MAX_PAYLOAD {
            return refuse(
                "max_value_size",
                "it has to be between 1 byte and 64 MiB (67,108,864), such as 1 << 20 for 1 MiB",
            );
        }
        if self.capacity == Some(0) {
            return refuse("capacity", "it is zero; give the cache room, such as 64 MiB (`64 << 20`)");
        }
        if self.local_capacity == 0 {
            return refuse("local_capacity", "it is zero; give the copies room, such as 64 MiB (`64 << 20`)");
        }
        if !(0.0..=1.0).contains(&self.verify) {
            return refuse("verify", "a share of the hits is from 0.0 (none) to 1.0 (all), such as 0.001");
        }
        #[cfg(feature = "redis")]
        if let Some(client) = &self.client {
            return self.build_of_client(client).await;
        }
        match &self.url {
            Some(url) if url.trim() != IN_PROCESS => {
                if self.in_process {
                    return refuse("in_process", "there is a URL as well; keep one of the two");
                }
                if self.capacity.is_some() {
                    return refuse("capacity", IN_REDIS);
                }
                Ok(self.build_redis(url).await?.announced(self.variable))
            }
            None if !self.in_process => refuse(
                "url",
                "there is none; write `.url(\"redis://…\")`, or `.in_process()` for a cache that other processes neither share \
                 nor invalidate",
            ),
            _ => {
                let store = self.capacity.map_or_else(MemoryStore::new, MemoryStore::with_capacity);
                Ok(self.cache_in(Store::Memory(store)).announced(self.variable))
            }
        }
    }
}

fn is_refused_in_namespaces(character: char) -> bool {
    matches!(character, '{' | '}' | '#') || character.is_whitespace() || character.is_control()
}

impl Cache {
    /// A cache in Redis, with everything else at its default: `Cache::builder().url(url).build()`.
    ///
    /// Tries to connect once before it returns. A Redis that does not answer is logged, and connected to when it comes back;
    /// until then annotated functions run their bodies.
    ///
    /// # Errors
    ///
    /// [`Error::Url`] for a URL that can never work.
    pub async fn connect(url: &str) -> Result<Cache, Error> {
        Cache::builder().url(url).build().await
    }

    /// The same behaviour inside this process, with nothing to install: for development and tests. Entries live in memory, 128 MiB
    /// of them at the most (see [`CacheBuilder::capacity`]). Other processes neither see them nor invalidate them.
    #[must_use]
    pub fn in_process() -> Cache {
        Cache::with_store(Store::Memory(MemoryStore::new()), TIMEOUT, NAMESPACE.to_owned()).announced(None)
    }

    /// The cache that the environment names: `CACHED_ASIDE_URL`, else `REDIS_URL`. The log says which. Its namespace is `cached-aside`:
    /// applications that share a Redis give theirs by [`CacheBuilder::namespace`].
    ///
    /// Where neither is set, the cache is inside this process, and a warning says what that means: replicas of a program do not
    /// invalidate each other's entries. `CACHED_ASIDE_URL=in-process` asks for that by name, and is not warned of.
    ///
    /// # Errors
    ///
    /// [`Error::Url`] for a URL that can never work.
    pub async fn from_env() -> Result<Cache, Error> {
        for variable in ["CACHED_ASIDE_URL", "REDIS_URL"] {
            let Ok(url) = env::var(variable) else { continue };
            if url.trim().is_empty() {
                continue;
            }
            return Cache::builder().url(url.trim()).named_by(variable).build().await;
        }
        tracing::warn!(
            "caching in this process alone, because neither CACHED_ASIDE_URL nor REDIS_URL is set: other processes do not see what \
             this one stores or invalidates, and read old values until their TTLs end; set `CACHED_ASIDE_URL=redis://…`, or \
             `CACHED_ASIDE_URL=in-process` if there is only one process"
        );
        Ok(Cache::in_process())
    }

    /// The same cache, after a line in the log that says which one it is, and which variable named it.
    fn announced(self, variable: Option<&'static str>) -> Cache {
        let Shared { store, switch, namespace, .. } = &*self.inner;
        tracing::info!(
            cache = store.describe(),
            namespace,
            in_process = !store.is_remote(),
            version = env!("CARGO_PKG_VERSION"),
            caching = if switch.is_all_off() { "off" } else { "on" },
            variable,
            "the cache is made"
        );
        self
    }

    /// A cache with other settings than the default ones.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::default()
    }
}

#[cfg(test)]
mod tests;
