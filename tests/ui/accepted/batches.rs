//! Batches give no warning, whatever is denied around them.
#![deny(warnings, clippy::all, clippy::pedantic, unused, missing_docs, unreachable_pub)]
#![allow(clippy::unused_async, clippy::used_underscore_binding, reason = "the bodies wait for nothing, and the list is named")]

use std::collections::{BTreeMap, HashMap};

use cached_aside::{Cache, cached_aside, invalidates};
use indexmap::IndexMap;

mod users {
    use super::{HashMap, cached_aside};

    /// One.
    #[cached_aside(ttl = "5m", key = "user:{id}")]
    pub(crate) async fn load_user(id: u64) -> Option<String> {
        Some(id.to_string())
    }

    /// Several.
    #[cached_aside(load_user(id) for id in ids)]
    pub(crate) async fn load_users(ids: &[u64]) -> HashMap<u64, String> {
        ids.iter().map(|id| (*id, id.to_string())).collect()
    }
}

use users::{load_user, load_users};

/// In the order of the ids, by a function that nobody else calls.
#[cached_aside(load_user(id) for id in ids, wait = "1s")]
async fn in_order(ids: Vec<u64>) -> Result<IndexMap<u64, String>, std::io::Error> {
    Ok(ids.into_iter().map(|id| (id, id.to_string())).collect())
}

/// Sorted; unused but for its body.
#[cached_aside(load_user(*id) for id in _ids)]
async fn sorted(_ids: &[u64]) -> BTreeMap<u64, String> {
    BTreeMap::new()
}

#[invalidates(load_user(id) for id in ids)]
async fn save_users(ids: &[u64]) {
    let _ = ids;
}

struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", key = "{tenant}:{id}", skip(self))]
    async fn user(&self, tenant: u64, id: u64) -> u64 {
        tenant * 100 + id
    }

    #[cached_aside(self.user(tenant, id) for id in ids, skip(self))]
    async fn users(&self, tenant: u64, ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, tenant * 100 + id)).collect()
    }
}

pub(super) fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cache = Cache::in_process();
    runtime.block_on(cache.scope(async {
        assert_eq!(load_users(&[1, 2]).await.len(), 2);
        save_users(&[1]).await;
        let keys: Vec<u64> = in_order(vec![2, 1]).await.unwrap().into_keys().collect();
        assert_eq!(keys, [2, 1]);
        assert_eq!(sorted(&[1, 2]).await.len(), 2);
        assert_eq!(load_user(1).await.as_deref(), Some("1"));
        assert_eq!(Repo.users(7, &[1]).await[&1], 701);
        assert_eq!(Repo.user(7, 1).await, 701);
    }));
    assert_eq!(cache.stats().total.loads, 4);
}
