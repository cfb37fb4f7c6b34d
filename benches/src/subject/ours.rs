use std::collections::HashMap;

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

#[cached_aside(ttl = "1h", key = "tagged:{id}", tags("records"))]
async fn tagged(id: u64) -> Record {
    origin::load(id).await
}

/// Several of them.
#[cached_aside(tagged(id) for id in ids)]
pub async fn all_tagged(ids: &[u64]) -> HashMap<u64, Record> {
    origin::load_all(ids).await
}

#[invalidates(tags("records"))]
async fn save_tagged(id: u64) {
    origin::save(id).await;
}

/// The same with entries that carry a tag.
#[derive(Clone)]
pub struct OursTagged;

impl Subject for OursTagged {
    const NAME: &'static str = "cached-aside, one tag";

    async fn connect(url: &str) -> Self {
        let cache = Cache::builder().url(url).namespace("ours").build().await.expect("the URL is right");
        cache.ping().await.expect("the server answers");
        // In a process where the other one is measured too, its cache is in use.
        drop(cache.install());
        OursTagged
    }

    async fn get(&self, id: u64) -> Record {
        tagged(id).await
    }

    async fn write(&self, id: u64) {
        save_tagged(id).await;
    }
}
