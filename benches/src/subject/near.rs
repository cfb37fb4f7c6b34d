//! The same cached function with copies in this process.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use cached_aside::{Cache, cached_aside, invalidates};
use cacheable::{CacheRuntimeGuard, cache::CacheLayer};
use multi_tier_cache::{
    CacheManager, CacheStrategy, InvalidationConfig, L1Cache, L2Cache, MokaCacheConfig,
};
use redis::{AsyncCommands, Client, aio::MultiplexedConnection};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{TTL, cacheable::Backend};
use crate::origin::{Record, record};

static VERSION: AtomicU64 = AtomicU64::new(1);

/// The version of all rows of the origin.
pub fn version() -> u64 {
    VERSION.load(SeqCst)
}

/// The origin is written.
pub fn next_version() -> u64 {
    VERSION.fetch_add(1, SeqCst) + 1
}

/// A record whose id is the version of the origin, and whose clones cost nothing.
#[derive(Debug, Clone)]
pub struct Row(Arc<Record>);

impl Row {
    pub fn version(&self) -> u64 {
        self.0.id
    }

    fn load(id: u64) -> Row {
        Row(Arc::new(Record { id: version(), ..record(id) }))
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Record::deserialize(deserializer).map(|record| Row(Arc::new(record)))
    }
}

/// One way to keep copies in the process.
pub trait Near: Clone + Send + Sync + 'static {
    const NAME: &'static str;

    fn get(&self, id: u64) -> impl Future<Output = Row> + Send;

    /// Another process writes to the origin and invalidates the entry. Gives the version that it has written.
    fn write_elsewhere(&self, id: u64) -> impl Future<Output = u64> + Send;
}

#[cached_aside(ttl = "1h", key = "near:{id}", local = "1s")]
async fn row(id: u64) -> Row {
    Row::load(id)
}

#[invalidates(row(id))]
async fn save(id: u64) -> u64 {
    let _ = id;
    next_version()
}

/// cached-aside with `local`, the cache installed for the process. Another one stands for another process.
#[derive(Clone)]
pub struct OursNear(Cache);

impl OursNear {
    pub async fn connect(url: &str) -> Self {
        let cache = async || {
            let cache = Cache::builder().url(url).namespace("near").build().await.expect("the URL is right");
            cache.ping().await.expect("the server answers");
            cache
        };
        cache().await.install().expect("it is the first");
        OursNear(cache().await)
    }
}

impl Near for OursNear {
    const NAME: &'static str = "cached-aside, `local`";

    async fn get(&self, id: u64) -> Row {
        row(id).await
    }

    async fn write_elsewhere(&self, id: u64) -> u64 {
        self.0.scope(save(id)).await
    }
}

/// quick_cache by itself: nothing is ever loaded again.
#[derive(Clone)]
pub struct QuickCache(Arc<quick_cache::sync::Cache<String, Row>>);

impl QuickCache {
    pub fn new(ids: impl Iterator<Item = u64>) -> Self {
        let cache = quick_cache::sync::Cache::new(20_000);
        ids.for_each(|id| cache.insert(format!("near:{id}"), Row::load(id)));
        QuickCache(Arc::new(cache))
    }
}

impl Near for QuickCache {
    const NAME: &'static str = "quick_cache";

    async fn get(&self, id: u64) -> Row {
        self.0.get(&*format!("near:{id}")).expect("it was stored")
    }

    async fn write_elsewhere(&self, _id: u64) -> u64 {
        next_version()
    }
}

const SCENE: &str = "near";

/// cacheable's two tiers with its messages. Another process deletes the entry and sends the message that its `invalidate` sends.
#[derive(Clone)]
pub struct CacheableNear {
    connection: MultiplexedConnection,
    _tiers: Arc<CacheRuntimeGuard>,
}

impl CacheableNear {
    pub async fn connect(url: &str) -> Self {
        let client = Client::open(url).expect("the URL is right");
        let connection = client.get_multiplexed_async_connection().await.expect("the server answers");
        let layer = CacheLayer::with_backend(Arc::new(Backend(connection.clone())), TTL.as_secs(), 30);
        let guard = CacheRuntimeGuard::start(Arc::new(layer), Some(url)).await.expect("the server answers");
        CacheableNear { connection, _tiers: Arc::new(guard) }
    }
}

impl Near for CacheableNear {
    const NAME: &'static str = "cacheable, two tiers";

    async fn get(&self, id: u64) -> Row {
        let load = move || async move { Ok(Row::load(id)) };
        let millis = TTL.as_millis() as u64;
        cacheable::get_or_load_2level(SCENE, format!("cacheable:near:{id}"), millis, millis, load)
            .await
            .expect("the origin answers")
    }

    async fn write_elsewhere(&self, id: u64) -> u64 {
        let version = next_version();
        let (mut connection, key) = (self.connection.clone(), format!("cacheable:near:{id}"));
        let () = connection.del(&key).await.expect("the server answers");
        let message = format!(r#"{{"scene":"{SCENE}","key":"{key}"}}"#);
        let () = connection.publish("cacheable:invalidate", message).await.expect("the server answers");
        version
    }
}

/// multi-tier-cache's two tiers with its messages. The second manager stands for another process.
#[derive(Clone)]
pub struct MultiTierNear(Arc<CacheManager>, Arc<CacheManager>);

impl MultiTierNear {
    pub async fn connect(url: &str) -> Self {
        let manager = async || {
            let config = MokaCacheConfig { max_capacity: 20_000, ..MokaCacheConfig::default() };
            let here = Arc::new(L1Cache::new(config).expect("the settings are right"));
            let redis = Arc::new(L2Cache::with_url(url).await.expect("the server answers"));
            let manager = CacheManager::new_with_invalidation(here, redis, url, InvalidationConfig::default());
            Arc::new(manager.await.expect("the server answers"))
        };
        MultiTierNear(manager().await, manager().await)
    }
}

impl Near for MultiTierNear {
    const NAME: &'static str = "multi-tier-cache, two tiers";

    async fn get(&self, id: u64) -> Row {
        let load = move || async move { Ok(Row::load(id)) };
        let key = format!("multi:near:{id}");
        self.0.get_or_compute_typed(&key, CacheStrategy::Custom(TTL), load).await.expect("the origin answers")
    }

    async fn write_elsewhere(&self, id: u64) -> u64 {
        let version = next_version();
        self.1.invalidate(&format!("multi:near:{id}")).await.expect("the server answers");
        version
    }
}

/// A way without copies: every read asks Redis.
#[derive(Clone)]
pub struct Far<S>(pub S);

impl<S: super::Subject> Near for Far<S> {
    const NAME: &'static str = S::NAME;

    async fn get(&self, id: u64) -> Row {
        Row(Arc::new(self.0.get(id).await))
    }

    async fn write_elsewhere(&self, id: u64) -> u64 {
        self.0.write(id).await;
        next_version()
    }
}
