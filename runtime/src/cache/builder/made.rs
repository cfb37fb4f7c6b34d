//! What a builder makes: a cache in Redis, or inside this process.

use std::sync::Arc;

use super::CacheBuilder;
#[cfg(feature = "redis")]
use super::IN_REDIS;
use crate::{
    Cache, Error,
    engine::{local, shared::Shared, verification::Verification},
    store::Store,
};
#[cfg(feature = "redis")]
use crate::{
    engine::publishing,
    store::redis::{Address, Limits, RedisStore},
};

impl CacheBuilder {
    pub(super) fn cache_in(&self, store: Store) -> Cache {
        let mut shared = Shared::new(store, self.timeout, self.namespace.clone());
        shared.verification = Verification::new(self.verify);
        shared.local = local::LocalCopies::new(self.local_capacity);
        let cache = Cache { inner: Arc::new(shared) };
        #[cfg(feature = "redis")]
        if self.publish_stats {
            publishing::begin(&cache.inner);
        }
        cache
    }

    #[cfg(feature = "redis")]
    pub(super) async fn build_redis(&self, url: &str) -> Result<Cache, Error> {
        let address = Address::parse(url).map_err(|reason| Error::Url { reason })?;
        #[cfg(feature = "tls")]
        let address = self.certificates.apply(address)?;
        self.build_at(address, "url").await
    }

    #[cfg(feature = "redis")]
    pub(super) async fn build_of_client(&self, client: &redis::Client) -> Result<Cache, Error> {
        let refuse = |option, reason: &str| Err(Error::Option { option, reason: reason.to_owned() });
        if self.url.is_some() || self.in_process {
            return refuse("client", "there is a `url`, or `in_process`, as well; keep one of them");
        }
        if self.capacity.is_some() {
            return refuse("capacity", IN_REDIS);
        }
        let address = Address::Server(client.get_connection_info().clone());
        #[cfg(feature = "tls")]
        let address = self.certificates.of_client(address)?;
        #[cfg(not(feature = "tls"))]
        if address.is_tls() {
            return refuse(
                "client",
                "it uses TLS, and cached-aside was built without; enable its feature `tls`",
            );
        }
        Ok(self.build_at(address, "client").await?.announced(None))
    }

    #[cfg(feature = "redis")]
    async fn build_at(&self, address: Address, option: &'static str) -> Result<Cache, Error> {
        if let Err(reason) = crate::thread::start() {
            return Err(Error::Option { option, reason: format!("{reason}; let the process have one more") });
        }
        let limits = Limits {
            connect: self.connect_timeout,
            call: self.timeout,
            value: self.max_value_size,
            in_flight: self.max_in_flight,
        };
        let store = RedisStore::connect(address, prefix(&self.namespace), limits).await;
        Ok(self.cache_in(Store::Redis(Box::new(store))))
    }

    #[cfg(not(feature = "redis"))]
    pub(super) async fn build_redis(&self, _: &str) -> Result<Cache, Error> {
        let reason =
            "cached-aside was built without its feature `redis`; enable it, or use `Cache::in_process()`";
        Err(Error::Url { reason: reason.to_owned() })
    }
}

/// The namespace as keys begin with it: without a `:`, which ends it.
#[cfg(feature = "redis")]
fn prefix(namespace: &str) -> String {
    namespace.replace('%', "%25").replace(':', "%3A")
}
