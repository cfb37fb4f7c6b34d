//! How a cache is made.

use std::{fmt, time::Duration};

use super::{Cache, NAMESPACE, TIMEOUT};
#[cfg(feature = "tls")]
use crate::store::redis::Certificates;
#[cfg(feature = "redis")]
use crate::store::redis::{Address, Limits, RedisStore};
use crate::{
    Error,
    store::{Store, memory::MemoryStore},
};

/// An attempt to connect takes no longer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// No more commands are on their way to one server at once.
const MAX_IN_FLIGHT: usize = 4_096;

/// Settings of a cache: see [`Cache::builder`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct CacheBuilder {
    url: Option<String>,
    namespace: String,
    timeout: Duration,
    connect_timeout: Duration,
    max_in_flight: usize,
    #[cfg(feature = "tls")]
    certificates: Certificates,
}

impl Default for CacheBuilder {
    fn default() -> Self {
        CacheBuilder {
            url: None,
            namespace: NAMESPACE.to_owned(),
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            max_in_flight: MAX_IN_FLIGHT,
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
            .finish_non_exhaustive()
    }
}

impl CacheBuilder {
    /// Where Redis is. Without a URL the cache is inside this process.
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

    /// What every key in Redis begins with, followed by `:`. Applications that share a Redis need one each; those that share
    /// entries, the same. `cached-aside` by default.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How much time a read may spend on the cache in all, body and waiting for another's load not counted, and each of a
    /// write's steps (guard, release, deletion of keys that its result names). 250 ms by default.
    ///
    /// Time in which this process stood still does not count: stopped, moved with its machine, throttled, or with tasks that block
    /// every thread of its runtime.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long an attempt to connect may take. One second by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// No more commands than this are on their way to one server at once; calls beyond it run uncached, counted as `errors`,
    /// so that a server that hangs does not fill the memory. 4,096 by default. The steps of writes have as much room of their own,
    /// and wait for it within `timeout`.
    pub fn max_in_flight(mut self, commands: usize) -> Self {
        self.max_in_flight = commands;
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
    /// [`Error::Url`] or [`Error::Option`] for what can never work.
    pub async fn build(self) -> Result<Cache, Error> {
        let refuse = |option, reason: &str| Err(Error::Option { option, reason: reason.to_owned() });
        if self.namespace.is_empty() {
            return refuse("namespace", "it is empty; give the application a name of its own");
        }
        if self.namespace.contains(['{', '}', '#']) || self.namespace.contains(char::is_whitespace) {
            return refuse(
                "namespace",
                "it may not contain `{`, `}`, `#` or white space; use letters, digits, `-` and `:`",
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
        let Some(url) = &self.url else {
            return Ok(Cache::with_store(Store::Memory(MemoryStore::new()), self.timeout, self.namespace));
        };
        self.build_redis(url).await
    }

    #[cfg(feature = "redis")]
    async fn build_redis(&self, url: &str) -> Result<Cache, Error> {
        let address = Address::parse(url).map_err(|reason| Error::Url { reason })?;
        if let Err(reason) = crate::engine::start() {
            return Err(Error::Option {
                option: "url",
                reason: format!("{reason}; let the process have one more"),
            });
        }
        #[cfg(feature = "tls")]
        let address = self.certificates.apply(address)?;
        let limits =
            Limits { connect: self.connect_timeout, call: self.timeout, in_flight: self.max_in_flight };
        let store = RedisStore::connect(address, self.namespace.clone(), limits).await;
        Ok(Cache::with_store(Store::Redis(Box::new(store)), self.timeout, self.namespace.clone()))
    }

    #[cfg(not(feature = "redis"))]
    async fn build_redis(&self, _: &str) -> Result<Cache, Error> {
        let reason =
            "cached-aside was built without its feature `redis`; enable it, or use `Cache::in_process()`";
        Err(Error::Url { reason: reason.to_owned() })
    }
}
