use std::sync::Arc;

use cacheable::cache::{CacheBackend, CacheLayer};
use redis::{AsyncCommands, Client, aio::MultiplexedConnection};

use super::{Subject, TTL};
use crate::origin::{self, Record};

/// cacheable's second tier. It comes with a cluster connection only, which is slower on a single server, so it is given
/// the same connection as the rest.
#[derive(Clone)]
pub struct Cacheable(Arc<CacheLayer>);

pub(super) struct Backend(pub(super) MultiplexedConnection);

#[async_trait::async_trait]
impl CacheBackend for Backend {
    async fn health_check(&self) -> anyhow::Result<()> {
        Ok(redis::cmd("PING").exec_async(&mut self.0.clone()).await?)
    }

    async fn get(&self, key: &str) -> anyhow::Result<Option<String>> {
        Ok(self.0.clone().get(key).await?)
    }

    async fn set(&self, key: &str, value: &str, ttl_ms: u64) -> anyhow::Result<()> {
        Ok(self.0.clone().pset_ex(key, value, ttl_ms).await?)
    }

    async fn delete(&self, key: &str) -> anyhow::Result<()> {
        Ok(self.0.clone().del(key).await?)
    }
}

impl Subject for Cacheable {
    const NAME: &'static str = "cacheable";

    async fn connect(url: &str) -> Self {
        let client = Client::open(url).expect("the URL is right");
        let connection = client.get_multiplexed_async_connection().await.expect("the server answers");
        Cacheable(Arc::new(CacheLayer::with_backend(Arc::new(Backend(connection)), TTL.as_secs(), 30)))
    }

    async fn get(&self, id: u64) -> Record {
        let load = || async { Ok(origin::load(id).await) };
        self.0.get_or_load(format!("cacheable:record:{id}"), load).await.expect("the origin answers")
    }

    async fn write(&self, id: u64) {
        origin::save(id).await;
        self.0.delete(&format!("cacheable:record:{id}")).await.expect("the server answers");
    }
}
