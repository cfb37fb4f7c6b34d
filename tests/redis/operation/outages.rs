//! The lines of an outage: one when the server is away, and one when it is back.

use std::{future::poll_fn, pin::pin, task::Poll};

use cached_aside::NodeState;
use cached_aside_tests::{Mode, Proxy, RedisCluster};

use super::*;

/// The write asked before the server went away, and its caller hears of the failure only when the server is back and what the outage left
/// behind is still being delivered.
#[tokio::test]
async fn a_write_that_failed_in_an_outage_and_is_told_of_later_is_no_line_of_its_own() {
    const OWED: u64 = 30_000;

    #[invalidates(load(id) for id in 2..end)]
    async fn save_many(end: u64) {}

    for _ in 0..10 {
        let server = RedisServer::start();
        let log = Log::listen().and_of_the_library(server.addr().to_string());
        let cache =
            Cache::builder().url(server.url()).timeout(Duration::from_secs(10)).build().await.unwrap();
        cache.ping().await.unwrap();
        // Its guard is asked for, and is not answered.
        server.pause();
        let mut told_later = pin!(cache.scope(save(1)));
        assert!(poll_fn(|context| Poll::Ready(told_later.as_mut().poll(context).is_pending())).await);
        server.kill();
        let mut told = until_said(&log, "cache unreachable", 1).await;
        cache.scope(save_many(OWED)).await;
        server.restart();
        let begun = Instant::now();
        while cache.stats().nodes[0].state != NodeState::Up {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", cache.stats());
            sleep(Duration::from_millis(1)).await;
        }
        told_later.await;
        told += &log.take();
        if !said(&told, "cache reachable again").is_empty() {
            continue;
        }
        told += &until_said(&log, "cache reachable again", 1).await;
        let warnings = warnings(&told);
        assert_eq!(warnings.len(), 2, "{warnings:#?}");
        return;
    }
    panic!("what was owed was always delivered before the write was told");
}

/// Killed and restarted, or stopped and continued.
#[tokio::test]
async fn outages_are_two_lines_each_whatever_the_number_of_writes() {
    const KEYS: u64 = 50;
    let server = RedisServer::start();
    let log = Log::listen().and_of_the_library(server.addr().to_string());
    let cache = Cache::builder().url(server.url()).timeout(Duration::from_millis(50)).build().await.unwrap();
    let writes = AtomicU64::new(0);
    let writing = async |first: u64| -> ! {
        let mut id = first;
        loop {
            cache.scope(async { (save(id % KEYS).await, load(id % KEYS).await) }).await;
            writes.fetch_add(1, Relaxed);
            id += 1;
            tokio::task::yield_now().await;
        }
    };
    let outages = async {
        let mut told = String::new();
        for outage in 0..5 {
            // Both pauses are the scene: the server is there for so long, and then away.
            sleep(Duration::from_millis(200)).await;
            let killed = outage < 3;
            if killed {
                server.kill();
            } else {
                server.pause();
            }
            sleep(Duration::from_secs(1)).await;
            // On a busy machine it takes longer until a silent server is known to be away.
            told += &until_said(&log, "cache unreachable", 1).await;
            if killed {
                server.restart();
            } else {
                server.resume();
            }
            told += &until_said(&log, "cache reachable again", 1).await;
            if killed {
                let failed: Vec<&str> =
                    warnings(&told).into_iter().filter(|line| line.contains("error=Unreachable")).collect();
                assert!(failed.is_empty(), "the two lines say what it means for writes: {failed:#?}");
                // Every write knew at once that it is not there.
                let lines = warnings(&told).len();
                // A write that times out on a busy machine is a line of its own, of each kind once in ten seconds.
                let expected = 2 * (outage + 1);
                assert!((expected..=expected + 4).contains(&lines), "{:#?}", warnings(&told));
            }
        }
        told
    };
    let told = tokio::select! {
        told = outages => told,
        _ = writing(0) => unreachable!(),
        _ = writing(10) => unreachable!(),
        _ = writing(20) => unreachable!(),
        _ = writing(30) => unreachable!(),
    };
    let (stats, writes) = (cache.stats(), writes.load(Relaxed));
    // Thousands, and hundreds on a busy machine.
    assert!(writes > 300 && stats.undelivered > 150, "{writes} writes, {stats}");
    let warnings = warnings(&told);
    println!("five outages and {writes} writes:\n{}", warnings.join("\n"));
    let (away, back) = (said(&told, "cache unreachable"), said(&told, "cache reachable again"));
    assert_eq!((away.len(), back.len()), (5, 5), "{warnings:#?}");
    // A server that is stopped is known not to be there only after some have waited for it.
    assert!(warnings.len() <= 14, "{warnings:#?}");
    for line in back {
        assert!(
            line.contains("WARN") && line.contains(" away=") && line.contains(&server.addr().to_string()),
            "{line}"
        );
        let (owed, delivered) = (number(line, "owed"), number(line, "delivered"));
        // Of keys, not of writes: a write that was in flight fails once more beside the delivery, and its key is owed again.
        assert!((1..2 * KEYS).contains(&owed) && owed == delivered, "{line}");
    }
    for line in away {
        assert!(line.contains("WARN") && line.contains(" reason="), "{line}");
    }
}

/// As of a server, while no node of it is known.
#[tokio::test]
async fn a_cluster_that_can_not_be_reached_is_an_outage_with_its_reason() {
    let cluster = RedisCluster::start();
    let proxy = Proxy::start(cluster.nodes()[0].addr());
    proxy.set(Mode::Refuse);
    let seed = proxy.addr().to_string();
    let log = Log::listen().and_of_the_library(&*seed);
    let url = format!("redis-cluster://{seed}");
    let cache = Cache::builder().url(url).timeout(Duration::from_secs(1)).build().await.unwrap();
    let mut told = until_said(&log, "cache unreachable", 1).await;
    for id in 0..50 {
        cache.scope(async { (save(id).await, load(id).await) }).await;
    }
    let node = cache.stats().nodes.remove(0);
    assert!(
        matches!(node.state, NodeState::Down { .. }) && node.address == seed && node.outages == 1,
        "{node:?}"
    );
    let error = cache.ping().await.unwrap_err().to_string();
    assert!(error.contains(&seed) && error.contains("no node of the cluster is known"), "{error}");
    proxy.set(Mode::Pass);
    told += &until_said(&log, "cache reachable again", 1).await;
    let lines = warnings(&told);
    let [away, back] = lines[..] else { panic!("{lines:#?}") };
    assert!(
        away.contains(" reason=") && number(back, "owed") == 50 && number(back, "delivered") == 50,
        "{lines:#?}"
    );
    assert!(
        cache.stats().nodes.len() > 1 && cache.stats().nodes.iter().all(|node| node.state == NodeState::Up)
    );
}

#[tokio::test]
async fn why_a_cluster_can_not_be_reached_is_said() {
    let server = RedisServer::builder().user("app", "s3cret", "~* +@all").start();
    for (login, reason) in [("app:s3cret@", "write `redis://"), ("app:wr0ng@", "authentication failed")] {
        let log = Log::listen().and_of_the_library(server.addr().to_string());
        let url = format!("redis-cluster://{login}{}", server.addr());
        let cache = Cache::builder().url(url).timeout(Duration::from_secs(1)).build().await.unwrap();
        let told = until_said(&log, "cache unreachable", 1).await;
        let error = cache.ping().await.unwrap_err().to_string();
        for said in [warnings(&told)[0], &error] {
            assert!(said.contains(reason) && !said.contains("wr0ng") && !said.contains("s3cret"), "{said}");
        }
    }
}

/// Only the connection was lost: nobody was told that the server is away.
#[tokio::test]
async fn a_connection_that_is_made_again_at_once_is_one_line_also_if_something_is_owed() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let log = Log::listen().and_of_the_library(proxy.addr().to_string());
    let cache = patient(proxy.url()).build().await.unwrap();
    cache.ping().await.unwrap();
    let begun = Instant::now();
    let mut told = String::new();
    // Until a write falls between the two connections.
    while said(&told, " owed=").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{told}");
        let mut writes = JoinSet::new();
        for id in 0..50 {
            let cache = cache.clone();
            writes.spawn(async move { cache.scope(save(id)).await });
        }
        tokio::task::yield_now().await;
        proxy.drop_all();
        writes.join_all().await;
        cache.scope(save(50)).await;
        told += &until_said(&log, " used_in=", 1).await;
    }
    // On a busy machine an attempt to connect may fail after all. A write that is told before the connection is known to be lost is a line.
    let (away, back) = (said(&told, "cache unreachable"), said(&told, "cache reachable again"));
    assert_eq!(away.len(), back.len(), "{:#?}", warnings(&told));
}

/// It does not come back: another node has its slots, and is told what the dead one should have heard.
#[tokio::test]
async fn a_node_of_a_cluster_that_is_replaced_is_two_lines_too() {
    let cluster = RedisCluster::start();
    let cache = patient(cluster.url()).namespace("replaced").build().await.unwrap();
    cache.ping().await.unwrap();
    let key = format!("replaced:{}", load::key(1));
    let address = cluster.nodes()[cluster.primary_of(&key)].addr().to_string();
    let log = Log::listen().and_of_the_library(&*address);
    let dead = cluster.kill_primary_of(&key);
    let mut told = until_said(&log, "cache unreachable", 1).await;
    cache.scope(save(1)).await;
    assert_eq!(cache.stats().recovering, 1, "{}", cache.stats());
    cluster.wait_for_promotion(&key, dead);
    told += &until_said(&log, "replaced by another node", 1).await;
    let lines = warnings(&told);
    let [away, replaced] = lines[..] else { panic!("{lines:#?}") };
    assert!(
        away.contains(&address) && replaced.contains(&address) && replaced.contains(" away="),
        "{lines:#?}"
    );
    assert_eq!((number(replaced, "owed"), number(replaced, "delivered")), (1, 1), "{replaced}");
}
