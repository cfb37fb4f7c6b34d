use std::sync::Arc;

use multi_tier_cache::{CacheManager, CacheStrategy, CacheTier, L2Cache};

use super::{Subject, TTL};
use crate::origin::{self, Record};

/// multi-tier-cache with Redis as its only tier.
#[derive(Clone)]
pub struct MultiTier(Arc<CacheManager>);

impl Subject for MultiTier {
    const NAME: &'static str = "multi-tier-cache";

    async fn connect(url: &str) -> Self {
        let redis = L2Cache::with_url(url).await.expect("the server answers");
        let tier = CacheTier::new(Arc::new(redis), 1, false, 1, 1.0);
        MultiTier(Arc::new(CacheManager::new_with_tiers(vec![tier], None).expect("there is one tier")))
    }

    async fn get(&self, id: u64) -> Record {
        let load = || async move { Ok(origin::load(id).await) };
        let key = format!("multi:record:{id}");
        self.0.get_or_compute_typed(&key, CacheStrategy::Custom(TTL), load).await.expect("the origin answers")
    }

    async fn write(&self, id: u64) {
        origin::save(id).await;
        self.0.invalidate(&format!("multi:record:{id}")).await.expect("the server answers");
    }
}
