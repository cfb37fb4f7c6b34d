use cached_aside::{Cache, cached_aside, invalidates};

use super::Subject;
use crate::origin::{self, Record};

#[cached_aside(ttl = "1h", key = "record:{id}")]
async fn record(id: u64) -> Record {
    origin::load(id).await
}

#[invalidates(record(id))]
async fn save(id: u64) {
    origin::save(id).await;
}

/// cached-aside, the cache installed for the process.
#[derive(Clone)]
pub struct Ours;

impl Subject for Ours {
    const NAME: &'static str = "cached-aside";

    async fn connect(url: &str) -> Self {
        let cache = Cache::builder().url(url).namespace("ours").build().await.expect("the URL is right");
        cache.ping().await.expect("the server answers");
        cache.install().expect("it is the first");
        Ours
    }

    async fn get(&self, id: u64) -> Record {
        record(id).await
    }

    async fn write(&self, id: u64) {
        save(id).await;
    }
}
