//! Batches of reads on a real server.

use super::{
    over_redis::{LIMITS, connect, connect_with, rules, until},
    *,
};
use crate::store::redis::Limits;
use cached_aside_tests::RedisServer;
use futures_util::{FutureExt, future::join_all};
use redis::cmd;
use std::{iter::repeat_n, pin::pin};
use tokio::{runtime::Builder, time::timeout};

/// Number of commands that `reads` took, by name.
async fn commands(server: &RedisServer, reads: impl Future) -> (u64, u64) {
    server.reset_stats();
    reads.await;
    let commands = server.commands();
    let count = |name| commands.get(name).copied().unwrap_or_default();
    (count("get"), count("mget"))
}

#[tokio::test]
async fn many_reads_are_few_commands_and_a_lone_one_is_a_get() {
    let server = RedisServer::start();
    let store = connect(&server.url(), "few").await;
    let key = stored(&store, "kept").await;
    assert_eq!(commands(&server, store.read(&key, WITHIN)).await, (1, 0));
    let (get, mget) = commands(&server, async {
        for there in join_all((0..90).map(|_| store.read(&key, WITHIN))).await {
            assert!(there.unwrap().is_some());
        }
    })
    .await;
    assert!(get <= 8 && (1..10).contains(&mget), "{get} GET, {mget} MGET");
}

#[tokio::test]
async fn foreign_data_among_them_is_found_by_who_acquires() {
    let server = RedisServer::start();
    let store = connect(&server.url(), "strange").await;
    let kept = stored(&store, "kept").await;
    server.run::<()>(cmd("LPUSH").arg("strange:list").arg("element"));
    server.run::<()>(cmd("SET").arg("strange:text").arg("hello"));
    // The first few are sent alone.
    let keys = repeat_n("a", 10).chain(["list", kept.as_str(), "text"]);
    let seen = join_all(keys.map(|key| store.read(key, WITHIN))).await.split_off(8);
    assert_eq!((&seen[2], seen[3].as_ref().unwrap().is_some()), (&Ok(None), true));
    assert_eq!(seen[4], Ok(Some("hello".into())));
    assert_eq!(
        store.run("list", Acquire { expected: Bytes::new(), token: token(1), lease: LONG }, WITHIN).await,
        Err(StoreError::Foreign)
    );
    assert_eq!(server.run::<u64>(cmd("LLEN").arg("strange:list")), 1);
}

#[tokio::test]
async fn a_user_who_may_not_call_mget_reads_one_by_one() {
    let server = RedisServer::builder().user("app", "pass", &(rules("old", &[]) + " -mget")).start();
    let store = connect(&server.url_as("app", "pass"), "old").await;
    let keys: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    server.run::<()>(cmd("SET").arg("old:7").arg("seven"));
    let read = || async {
        let there = join_all(keys.iter().map(|key| store.read(key, WITHIN))).await;
        let there: Vec<_> = there.into_iter().map(Result::unwrap).collect();
        assert_eq!((there[6].as_deref(), there[7].as_deref()), (None, Some(&b"seven"[..])));
    };
    read().await;
    // The connection of this runtime is checked when it is made, which sends `GET`s too.
    until(|| server.commands().get("evalsha").is_some_and(|checks| *checks >= 2), "both are checked").await;
    // What the checks have left, and a read that is sent again, may be counted with the first ones.
    for _ in 0..10 {
        let (get, mget) = commands(&server, read()).await;
        assert_eq!(mget, 0);
        if get == 50 {
            return;
        }
    }
    panic!("fifty reads are not fifty commands");
}

/// Values of 64 KiB fill a batch by themselves.
#[tokio::test]
async fn large_values_travel_apart() {
    let server = RedisServer::start();
    let store = connect_with(&server.url(), "large", Limits { in_flight: 1_000, ..LIMITS }).await;
    server.run::<()>(cmd("SET").arg("large:value").arg(vec![b'x'; 64 << 10]));
    for _ in 0..100 {
        store.read("value", WITHIN).await.unwrap();
    }
    let reads = join_all((0..100).map(|_| store.read("value", WITHIN)));
    assert_eq!(commands(&server, async { assert_eq!(reads.await.len(), 100) }).await, (100, 0));
}

#[tokio::test]
async fn callers_that_go_away_take_nobody_with_them() {
    let server = RedisServer::start();
    let store = connect(&server.url(), "gone").await;
    let key = stored(&store, "kept").await;
    for round in 0..200 {
        // Every third caller gives up early, whether or not it sends for others.
        let reads = (0..60).map(|number| {
            let read = store.read(&key, WITHIN);
            async move {
                if number % 3 != round % 3 {
                    return assert!(read.await.unwrap().is_some());
                }
                let _ = timeout(Duration::from_micros(number * 20), read).await;
            }
        });
        join_all(reads).await;
    }
    assert_eq!(store.nodes()[0].in_flight, 0);
}

/// The task of a batch runs on the runtime where the batch was opened, and there it may never run.
#[tokio::test]
async fn a_runtime_that_nobody_drives_keeps_nobody_waiting() {
    let server = RedisServer::start();
    let store = connect(&server.url(), "idle").await;
    server.pause();
    let mut busy = pin!(join_all((0..8).map(|_| store.read("k", WITHIN))));
    assert_eq!(busy.as_mut().now_or_never(), None, "they are on their way");
    let idle = std::thread::scope(|scope| {
        let begin = || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            assert_eq!(runtime.block_on(async { store.read("k", WITHIN).now_or_never() }), None);
            runtime
        };
        scope.spawn(begin).join().unwrap()
    });
    let mut other = pin!(store.read("k", WITHIN));
    assert_eq!(other.as_mut().now_or_never(), None, "it travels with others of its own runtime");
    server.resume();
    assert_eq!(tokio::join!(busy, other), (vec![Ok(None); 8], Ok(None)));
    idle.shutdown_background();
}

#[tokio::test]
async fn a_lost_connection_is_told_to_all_who_wait() {
    let server = RedisServer::start();
    let store = connect(&server.url(), "lost").await;
    server.pause();
    let reads = join_all((0..50).map(|_| store.read("k", WITHIN)));
    let (reads, ()) = tokio::join!(reads, async {
        until(|| store.nodes()[0].in_flight > 0, "the first is on its way").await;
        server.kill();
    });
    for read in reads {
        assert!(matches!(read, Err(StoreError::Unreachable(_))), "{read:?}");
    }
}
