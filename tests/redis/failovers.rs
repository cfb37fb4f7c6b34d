//! Programs that live through failovers: of a cluster's nodes, of a primary that sentinels watch over, and slots that move.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cached_aside::{Cache, cached_aside, invalidates};
use cached_aside_tests::{
    RedisCluster, RedisServer, Sentinels,
    faults::{
        cell::{BACK, SLACK},
        operation::WRITE_BOUND,
        origin::{App, Origin, ROWS, load, save, save_all},
        setup::TIMEOUT,
    },
};
use redis::cmd;
use tokio::time::sleep;

use crate::support::{carried_out, eventually};

async fn cache(url: &str, namespace: &str) -> Cache {
    let cache = Cache::builder().url(url).namespace(namespace).timeout(TIMEOUT).build().await.unwrap();
    cache.ping().await.unwrap();
    cache
}

/// Waits until reads of these rows are hits, right all the while.
async fn in_use(what: &str, cache: &Cache, origin: &Arc<Origin>, rows: &[u64]) {
    let (app, begun) = (App::new(origin), Instant::now());
    for row in rows {
        loop {
            let loads = origin.loads();
            assert_eq!(cache.scope(load(&app, *row)).await, origin.version(*row), "{what}: row {row}");
            if origin.loads() == loads {
                break;
            }
            assert!(begun.elapsed() < BACK, "{what}: row {row} is not in use: {}", cache.stats());
            sleep(Duration::from_millis(2)).await;
        }
    }
    println!("{what}: in use after {:?}", begun.elapsed());
}

async fn nothing_is_owed(what: &str, cache: &Cache) {
    let begun = Instant::now();
    while cache.stats().recovering > 0 {
        assert!(begun.elapsed() < BACK, "{what}: {}", cache.stats());
        sleep(Duration::from_millis(2)).await;
    }
}

/// Writes all rows, in time.
async fn write_all(cache: &Cache, app: &App) {
    let begun = Instant::now();
    cache.scope(save_all(app)).await;
    assert!(begun.elapsed() <= WRITE_BOUND + SLACK, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_dies_and_a_slot_moves() {
    let cluster = RedisCluster::start();
    let key = |namespace: &str, row: u64| format!("{namespace}:{}", load::key(row));
    // One whose rows 1 and 2 are on different nodes.
    let mut namespaces = (0..).map(|number| format!("failovers-{number}"));
    let apart = |space: &String| cluster.primary_of(&key(space, 1)) != cluster.primary_of(&key(space, 2));
    let namespace = namespaces.find(apart).unwrap();
    let (origin, here) = (Arc::default(), cache(&cluster.url(), &namespace).await);
    let elsewhere = cache(&cluster.url(), &namespace).await;
    let app = App::new(&origin);
    in_use("at first", &here, &origin, &ROWS).await;

    let dead = cluster.kill_primary_of(&key(&namespace, 1));
    write_all(&here, &app).await;
    assert!(here.stats().recovering > 0, "what the dead node should have heard is owed");
    in_use("the other nodes, meanwhile", &here, &origin, &[2]).await;
    cluster.wait_for_promotion(&key(&namespace, 1), dead);
    nothing_is_owed("after the promotion", &here).await;
    in_use("after the promotion", &here, &origin, &ROWS).await;
    in_use("after the promotion, elsewhere", &elsewhere, &origin, &ROWS).await;
    cluster.restart_as_replica(dead);

    let migration = cluster.begin_migration(&key(&namespace, 1));
    write_all(&here, &app).await;
    in_use("while a slot moves", &elsewhere, &origin, &[2, 3]).await;
    assert_eq!(here.scope(load(&app, 1)).await, origin.version(1));
    migration.finish();
    in_use("after the slot has moved", &here, &origin, &ROWS).await;
    write_all(&elsewhere, &app).await;
    in_use("written elsewhere", &here, &origin, &ROWS).await;
    for node in cluster.nodes() {
        assert_eq!(node.keys_without_ttl(""), [""; 0]);
    }
}

#[cached_aside(ttl = "1m", key = "{{{tenant}}}:user:{id}")]
async fn user(tenant: &str, id: u64) -> String {
    format!("{tenant} {id}")
}

#[invalidates(user(tenant, 1), user(tenant, 2))]
async fn rename(tenant: &str) {
    let _ = tenant;
}

/// What a hash tag keeps together is in one slot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hash_tags_keep_keys_on_one_node() {
    let cluster = RedisCluster::start();
    let cache = cache(&cluster.url(), "tags").await;
    let slot = |tenant: &str, id| cluster.slot(&format!("tags:{}", user::key(tenant, id)));
    assert_eq!(slot("acme", 1), slot("acme", 2));
    assert_ne!(slot("acme", 1), slot("other", 1));
    for _ in 0..2 {
        for id in [1, 2] {
            assert_eq!(cache.scope(user("acme", id)).await, format!("acme {id}"));
        }
        carried_out(&cache).await;
    }
    assert_eq!(cache.stats().total.hits, 2, "{}", cache.stats());
    cache.scope(rename("acme")).await;
    cache.scope(user("acme", 1)).await;
    assert_eq!(cache.stats().total.misses, 3, "{}", cache.stats());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_follows_the_primary_without_a_restart() {
    let service = Sentinels::start();
    let (origin, here) = (Arc::default(), cache(&service.url(), "followed").await);
    let app = App::new(&origin);
    in_use("at first", &here, &origin, &ROWS).await;

    let dead = service.kill_primary();
    write_all(&here, &app).await;
    assert!(here.stats().recovering > 0);
    service.wait_for_promotion(dead);
    nothing_is_owed("after the promotion", &here).await;
    in_use("after the promotion", &here, &origin, &ROWS).await;
    service.restart_as_replica(dead);

    service.fail_over();
    // The old primary goes on answering until it is told, and whoever uses it until they are.
    let new = service.primary().addr().to_string();
    let begun = Instant::now();
    while !here.stats().nodes.iter().any(|node| node.address == new) {
        assert!(begun.elapsed() < BACK, "{:?}", here.stats().nodes);
        here.scope(save(&app, 1)).await;
        assert_eq!(here.scope(load(&app, 1)).await, origin.version(1));
        sleep(Duration::from_millis(5)).await;
    }
    println!("the new primary: in use after {:?}", begun.elapsed());
    write_all(&here, &app).await;
    nothing_is_owed("after a failover by command", &here).await;
    in_use("after a failover by command", &here, &origin, &ROWS).await;
}

/// Each read of what has moved already is sent on, over a connection that lasts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_to_a_new_node_takes_one_connection_to_it() {
    const CALLS: u64 = 30;
    let cluster = RedisCluster::start();
    let new =
        RedisServer::builder().args(["--cluster-enabled", "yes", "--cluster-node-timeout", "1500"]).start();
    let cache = cache(&cluster.url(), "new-node").await;
    let full = format!("new-node:{}", user::key("acme", 1));
    let (slot, owner) = (cluster.slot(&full), &cluster.nodes()[cluster.primary_of(&full)]);
    new.run::<()>(cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(owner.port()));
    let id = |node: &RedisServer| node.run::<String>(cmd("CLUSTER").arg("MYID"));
    let (new_id, owner_id) = (id(&new), id(owner));
    let knows = |node: &RedisServer, id: &str| {
        let nodes: String = node.run(cmd("CLUSTER").arg("NODES"));
        nodes
            .lines()
            .any(|line| line.starts_with(id) && line.contains(" connected") && !line.contains("handshake"))
    };
    let is_well =
        |node: &RedisServer| node.run::<String>(cmd("CLUSTER").arg("INFO")).contains("cluster_state:ok");
    eventually("they know each other", || {
        knows(owner, &new_id) && knows(&new, &owner_id) && is_well(&new) && is_well(owner)
    });
    new.run::<()>(cmd("CLUSTER").arg("SETSLOT").arg(slot).arg("IMPORTING").arg(&owner_id));
    owner.run::<()>(cmd("CLUSTER").arg("SETSLOT").arg(slot).arg("MIGRATING").arg(&new_id));
    let connections = || {
        let stats: String = new.run(cmd("INFO").arg("stats"));
        let count = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().trim().parse::<u64>().unwrap()
    };
    let before = connections();
    for _ in 0..CALLS {
        cache.scope(user("acme", 1)).await;
    }
    let stats: String = new.run(cmd("INFO").arg("commandstats"));
    assert!(stats.contains("cmdstat_asking"), "nothing was sent on: {stats}");
    // Two for the questions here.
    let taken = connections() - before - 2;
    assert!(taken <= 3, "{taken} connections for {CALLS} calls");
}
