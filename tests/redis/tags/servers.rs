//! What tags cost, and where they are in a cluster.

use cached_aside_tests::{RedisCluster, RedisServer};

use super::*;
use crate::support::{eventually, patient};

#[tokio::test]
async fn a_hit_is_one_command_and_an_invalidation_costs_the_same_however_many_carry_the_tag() {
    let server = RedisServer::start();
    let cache = patient(server.url()).namespace("cost").build().await.unwrap();
    let db = Db::default();
    cache
        .scope(async {
            let mut costs = Vec::new();
            // From then on the server knows the scripts.
            cache.invalidate_tag(catalog(7)).await.unwrap();
            for entries in [1, 300] {
                for id in 0..entries {
                    price(&db, 7, id).await;
                }
                carried_out(&cache).await;
                server.reset_stats();
                assert_eq!(are_hits(&db, [price(&db, 7, 0)]).await, [0]);
                let hit = server.commands();
                assert_eq!((hit.get("mget"), hit.get("get")), (Some(&1), None), "{hit:?}");
                server.reset_stats();
                cache.invalidate_tag(catalog(7)).await.unwrap();
                costs.push(
                    server.commands().into_iter().filter(|(name, _)| name != "ping").collect::<Vec<_>>(),
                );
                price(&db, 7, 0).await;
            }
            assert_eq!(costs[0], costs[1]);
            // Hits at once travel together.
            carried_out(&cache).await;
            server.reset_stats();
            let at_once = (0..64).map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move { cache.scope(price(&Db::default(), 7, 0)).await })
            });
            for hit in at_once.collect::<Vec<_>>() {
                hit.await.unwrap();
            }
            assert!(server.command_count() < 40, "{:?}", server.commands());
        })
        .await;
}

#[cached_aside(ttl = "5m", key = "apart:{id}:{tag}", skip(db), tags("{tag}"))]
async fn apart(db: &Db, id: u64, tag: &str) -> u64 {
    db.read()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_and_its_tag_on_two_nodes_of_a_cluster_and_one_of_them_away() {
    let cluster = RedisCluster::start();
    let cache = Cache::builder()
        .url(cluster.url())
        .namespace("apart")
        .timeout(Duration::from_millis(500))
        .build()
        .await
        .unwrap();
    // On another node than the entry.
    let node = |key: String| cluster.primary_of(&key);
    let tag = (0..).map(|number| format!("t{number}"));
    let tag = tag.filter(|tag| node(format!("apart:#{tag}")) != node(format!("apart:apart:1:{tag}")));
    let tag = tag.into_iter().next().unwrap();
    let db = Db::default();
    cache
        .scope(async {
            let call = async || apart_of(&db, &tag).await;
            assert_eq!(call().await, 0);
            carried_out(&cache).await;
            db.reads();
            assert_eq!((call().await, db.reads()), (0, 0), "a hit");
            db.change();
            cache.invalidate_tag(&*tag).await.unwrap();
            assert_eq!(call().await, 1);
            carried_out(&cache).await;
            db.reads();
            assert_eq!((call().await, db.reads()), (1, 0), "a hit again");
            let dead = &cluster.nodes()[cluster.primary_of(&format!("apart:#{tag}"))];
            dead.pause();
            db.change();
            let begun = std::time::Instant::now();
            assert_eq!(call().await, 2, "without its tag an entry is not given");
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
            dead.resume();
            cluster.wait_until_whole();
            // Nothing announced the change: the entry is what it was, and is given once its tag can be read.
            let mut seen = 2;
            for _ in 0..2_000 {
                seen = call().await;
                if seen == 1 {
                    break;
                }
                sleep(Duration::from_millis(10)).await;
            }
            assert!(seen == 1 || seen == 2, "{seen}");
            cache.invalidate_tag(&*tag).await.ok();
            eventually("it is delivered", || cache.stats().recovering == 0);
            assert_eq!(call().await, 2);
        })
        .await;
}

async fn apart_of(db: &Db, tag: &str) -> u64 {
    apart(db, 1, tag).await
}
