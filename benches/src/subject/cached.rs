use std::sync::OnceLock;

use cached::{AsyncRedisCache, ConcurrentCachedAsync, macros::concurrent_cached};

use super::{Subject, TTL};
use crate::origin::{self, Record};

static URL: OnceLock<String> = OnceLock::new();

#[concurrent_cached(
    map_error = r##"|error| format!("{error:?}")"##,
    ty = "AsyncRedisCache<u64, Record>",
    create = r##" {
        AsyncRedisCache::builder("cached")
            .ttl(TTL)
            .connection_string(URL.get().expect("it is connected"))
            .build()
            .await
            .expect("the server answers")
    } "##
)]
async fn record(id: u64) -> Result<Record, String> {
    Ok(origin::load(id).await)
}

/// cached's `#[concurrent_cached]` with its Redis store.
#[derive(Clone)]
pub struct Cached;

impl Subject for Cached {
    const NAME: &'static str = "cached";

    async fn connect(url: &str) -> Self {
        URL.set(url.to_owned()).expect("it is the first");
        Cached
    }

    async fn get(&self, id: u64) -> Record {
        record(id).await.expect("the server answers")
    }

    async fn write(&self, id: u64) {
        origin::save(id).await;
        let cache = RECORD.get().expect("it has been read");
        cache.async_cache_remove(&id).await.expect("the server answers");
    }
}
