//! Codecs, and what two releases store in one cache.

use super::*;
use crate::support::filled;

#[tokio::test]
async fn every_codec() {
    use cached_aside::{Json, MessagePack, Postcard};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Loose {
        id: u64,
        #[serde(flatten)]
        rest: HashMap<String, String>,
    }

    #[cached_aside(ttl = "5m", key = "json:{id}", codec = Json)]
    async fn json(id: u64) -> Loose {
        Loose { id, rest: HashMap::from([("a".to_owned(), "b".to_owned())]) }
    }

    #[cached_aside(ttl = "5m", key = "messagepack:{id}", codec = MessagePack)]
    async fn messagepack(id: u64) -> Loose {
        json::uncached(id).await
    }

    #[cached_aside(ttl = "5m", key = "postcard:{id}", codec = Postcard)]
    async fn postcard(id: u64) -> User {
        user(id, "Ada")
    }

    #[cached_aside(ttl = "5m", key = "lost:{id}")]
    async fn never_readable(id: u64) -> Loose {
        json::uncached(id).await
    }

    let _ = (Json, MessagePack, Postcard);
    on_both_stores("codecs", async |cache| {
        for _ in 0..2 {
            assert_eq!(json(1).await, json::uncached(1).await);
            assert_eq!(messagepack(1).await, json::uncached(1).await);
            assert_eq!(postcard(1).await, user(1, "Ada"));
            assert_eq!(never_readable(1).await, json::uncached(1).await);
        }
        assert_eq!(cache.stats().total.hits, 3);
        let uncached = cache.stats().function("never_readable");
        assert_eq!(
            (uncached.bypassed, uncached.stored),
            (2, 0),
            "bincode can't read it back, so it is not written"
        );
    })
    .await;
}

/// A changed type, and a changed version: two releases share one cache.
#[tokio::test]
async fn two_releases_share_a_cache() {
    mod before {
        #[cached_aside::cached_aside(ttl = "5m", key = "release:{id}")]
        pub(super) async fn load(id: u64) -> (u64, u32) {
            (id, 1)
        }
    }
    mod after {
        #[cached_aside::cached_aside(ttl = "5m", key = "release:{id}", version = 2)]
        pub(super) async fn load(id: u64) -> (u64, u32) {
            (id, 2)
        }
    }
    mod swapped {
        #[cached_aside::cached_aside(ttl = "5m", key = "release:{id}")]
        pub(super) async fn load(id: u64) -> (u32, u64) {
            (3, id)
        }
    }
    on_both_stores("releases", async |cache| {
        for _ in 0..2 {
            assert_eq!(before::load(1).await, (1, 1));
            assert_eq!(after::load(1).await, (1, 2));
            assert_eq!(swapped::load(1).await, (3, 1));
        }
        filled(&cache, 6).await;
        let total = cache.stats().total;
        assert_eq!((total.hits, total.unusable, total.stored), (0, 5, 6), "each replaces the other's entry");
        // An invalidation reaches what the other release stored.
        before::load::key(1).invalidate().await.unwrap();
        swapped::load(1).await;
        before::load::key(1).invalidate().await.unwrap();
        assert_eq!(swapped::load::key(1).peek().await.unwrap(), None);
    })
    .await;
}
