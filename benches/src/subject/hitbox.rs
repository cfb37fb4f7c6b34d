use std::sync::Arc;

use hitbox::{CacheKey, policy::PolicyConfig};
use hitbox_backend::Backend;
use hitbox_fn::{Cache, prelude::cached};
use hitbox_redis::{ConnectionMode, RedisBackend};

use super::{Subject, TTL};
use crate::origin::{self, Record};

#[cached(prefix = "record")]
async fn record(id: u64) -> Record {
    origin::load(id).await
}

/// hitbox's `#[cached]` with its Redis backend.
#[derive(Clone)]
pub struct Hitbox(Arc<Cache<RedisBackend>>);

impl Subject for Hitbox {
    const NAME: &'static str = "hitbox";

    async fn connect(url: &str) -> Self {
        let backend = RedisBackend::builder().connection(ConnectionMode::single(url)).build();
        let policy = PolicyConfig::builder().ttl(TTL).build();
        let cache = Cache::builder().backend(backend.expect("the URL is right")).policy(policy).build();
        Hitbox(Arc::new(cache))
    }

    async fn get(&self, id: u64) -> Record {
        record(id).cache(&*self.0).await
    }

    async fn write(&self, id: u64) {
        origin::save(id).await;
        // It has no invalidation of functions: this is the key that its macro makes.
        let key = CacheKey::from_slice(&[("fn", Some("record")), ("id", Some(&id.to_string()))]);
        self.0.backend().remove(&key).await.expect("the server answers");
    }
}
