//! Batches of entries that carry tags.

use cached_aside::{only_cached, refresh};

use super::*;
use crate::support::carried_out;

cached_aside::tags! {
    fn shelf(shop: u64) = "batch-shelf:{shop}";
}

// The lease outlasts a machine that stands still.
#[cached_aside(
    ttl = "5m",
    none_ttl = "5m",
    lease = "20s",
    key = "batch-product:{shop}:{id}",
    skip(db),
    tags(shelf(shop), "batch-products")
)]
async fn product(db: &Db, shop: u64, id: u64) -> Option<User> {
    db.select(&[id]).remove(0)
}

#[cached_aside(product(shop, id) for id in ids, skip(db))]
async fn products(db: &Db, shop: u64, ids: &[u64]) -> HashMap<u64, User> {
    db.select(ids).into_iter().flatten().map(|product| (product.id, product)).collect()
}

/// A tag of their own for each: in a cluster they are on all nodes.
#[cached_aside(ttl = "5m", key = "batch-item:{id}", skip(db), tags("batch-item-tag:{id}"))]
async fn item(db: &Db, id: u64) -> User {
    db.select(&[id]).remove(0).unwrap()
}

#[cached_aside(item(id) for id in ids, skip(db))]
async fn items(db: &Db, ids: &[u64]) -> HashMap<u64, User> {
    db.select(ids).into_iter().flatten().map(|item| (item.id, item)).collect()
}

#[invalidates(tags(shelf(shop)))]
async fn restock(db: &Db, shop: u64) {
    let _ = shop;
    db.version.fetch_add(1, SeqCst);
}

fn versions(products: &HashMap<u64, User>) -> Vec<(u64, u64)> {
    ids_of(products).into_iter().map(|id| (id, products[&id].version)).collect()
}

#[tokio::test]
async fn a_batch_and_single_calls_share_entries_that_carry_tags() {
    on_both_stores("batches-of-tags", |cache| async move {
        let db = Db::default();
        product(&db, 7, 2).await;
        carried_out(&cache).await;
        db.queries();
        assert_eq!(ids_of(&products(&db, 7, &[3, 2, 1_000, 1]).await), [1, 2, 3]);
        assert_eq!(ids_of(&products(&db, 8, &[1, 2]).await), [1, 2]);
        assert_eq!(db.queries(), [vec![3, 1_000, 1], vec![1, 2]]);
        carried_out(&cache).await;
        assert_eq!(product(&db, 7, 3).await.map(|product| product.version), Some(0));
        assert_eq!(product(&db, 7, 1_000).await, None, "it was stored that there is none");
        assert_eq!(versions(&products(&db, 7, &[1_000, 3, 2]).await), [(2, 0), (3, 0)]);
        assert_eq!(db.queries(), [[0_u64; 0]; 0], "all of it was there");

        restock(&db, 7).await;
        assert_eq!(only_cached(products(&db, 7, &[1, 2, 1_000])).await, HashMap::new());
        assert_eq!(versions(&products(&db, 7, &[1, 2, 1_000]).await), [(1, 1), (2, 1)]);
        assert_eq!(versions(&products(&db, 8, &[1, 2]).await), [(1, 0), (2, 0)]);
        assert_eq!(db.queries(), [[1, 2, 1_000]], "those of the other shop are hits");
        carried_out(&cache).await;
        db.version.store(5, SeqCst);
        cache.invalidate_tag("batch-products").await.unwrap();
        assert_eq!(versions(&products(&db, 8, &[1, 2]).await), [(1, 5), (2, 5)]);
        carried_out(&cache).await;
        db.version.store(6, SeqCst);
        assert_eq!(versions(&refresh(products(&db, 8, &[2, 3])).await), [(2, 6), (3, 6)]);
        carried_out(&cache).await;
        db.queries();
        assert_eq!(versions(&products(&db, 8, &[1, 2, 3]).await), [(1, 5), (2, 6), (3, 6)]);
        assert_eq!(db.queries(), [[0_u64; 0]; 0]);
        restock(&db, 8).await;
        assert_eq!(versions(&products(&db, 8, &[1, 2, 3]).await), [(1, 7), (2, 7), (3, 7)]);
    })
    .await;
}

#[tokio::test]
async fn the_tags_of_a_batch_are_read_once_for_all_that_carry_them() {
    let server = RedisServer::start();
    let cache = Cache::builder().url(server.url()).namespace("once").timeout(LONG).build().await.unwrap();
    let db = Db::default();
    let ids: Vec<u64> = (0..60).collect();
    cache
        .scope(async {
            // From then on the server knows the scripts.
            products(&db, 7, &ids).await;
            restock(&db, 7).await;
            carried_out(&cache).await;
            server.reset_stats();
            products(&db, 7, &ids).await;
            carried_out(&cache).await;
            let load = server.commands();
            // One script replaces the values that are there, one the leases; two tags.
            assert_eq!(load.get("mget"), Some(&1), "{load:?}");
            assert_eq!(load["evalsha"] + load["eval"], 1 + 2 + 1, "{load:?}");
            server.reset_stats();
            db.queries();
            assert_eq!(products(&db, 7, &ids).await.len(), 60);
            assert_eq!(db.queries(), [[0_u64; 0]; 0]);
            let hits = server.commands();
            assert_eq!((hits.get("mget"), hits.get("get")), (Some(&1), None), "{hits:?}");
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_and_tags_of_a_batch_on_all_nodes_of_a_cluster_and_one_of_them_away() {
    let cluster = RedisCluster::start();
    let timeout = Duration::from_millis(500);
    let url = cluster.url();
    let cache = Cache::builder().url(url).namespace("spread").timeout(timeout).build().await.unwrap();
    let db = Db::default();
    let ids: Vec<u64> = (0..40).collect();
    cache
        .scope(async {
            item(&db, 3).await;
            assert_eq!(items(&db, &ids).await.len(), 40);
            carried_out(&cache).await;
            db.queries();
            assert_eq!(items(&db, &ids).await.len(), 40);
            assert_eq!(db.queries(), [[0_u64; 0]; 0]);
            db.version.store(1, SeqCst);
            cache.invalidate_tag("batch-item-tag:3").await.unwrap();
            let given = items(&db, &ids).await;
            assert_eq!((given[&3].version, given[&4].version), (1, 0));
            assert_eq!(db.queries(), [[3]]);
            carried_out(&cache).await;

            let away = |key: String| cluster.primary_of(&key) == 0;
            let mut missing = ids.clone();
            missing.retain(|id| {
                away(format!("spread:batch-item:{id}")) || away(format!("spread:#batch-item-tag:{id}"))
            });
            cluster.nodes()[0].pause();
            let begun = Instant::now();
            let given = items(&db, &ids).await;
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
            let loaded: Vec<u64> = ids.iter().copied().filter(|id| given[id].version == 1).collect();
            assert!(missing.iter().all(|id| loaded.contains(id)), "{missing:?} {loaded:?}");
            assert_eq!(db.queries(), [missing], "each key needs its own nodes, and no other");
            cluster.nodes()[0].resume();
            cluster.wait_until_whole();
        })
        .await;
}
