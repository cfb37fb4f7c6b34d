//! Outages of the server, which every process notices: nobody is given, and nobody stores, what others wrote meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cached_aside::{Cache, NodeState, cached_aside, invalidates, observe};
use cached_aside_tests::{Mode, Proxy, RedisServer};
use redis::cmd;
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

use crate::{
    pauses::Pair,
    support::{carried_out, filled},
};

/// How soon the cache must be in use again: a guard that a late answer has left behind ends after ten seconds.
const BACK: Duration = Duration::from_secs(30);

#[cached_aside(ttl = "1m", key = "row", skip(row))]
async fn load(row: &AtomicU64) -> u64 {
    row.load(SeqCst)
}

#[invalidates(load())]
async fn save(row: &AtomicU64) -> u64 {
    row.fetch_add(1, SeqCst) + 1
}

/// A write that takes its time.
#[invalidates(load())]
async fn save_slowly(row: &AtomicU64, go_on: &Semaphore) -> u64 {
    let _permit = go_on.acquire().await;
    row.fetch_add(1, SeqCst) + 1
}

async fn cache(url: &str, namespace: &str) -> Cache {
    Cache::builder().url(url).namespace(namespace).build().await.unwrap()
}

fn is_up(cache: &Cache) -> bool {
    cache.stats().nodes[0].state == NodeState::Up
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < BACK, "{what}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// One process reads and writes, another reads, and the server is killed and comes back again and again.
#[tokio::test]
async fn what_is_written_beside_a_restart_is_stored_by_nobody() {
    let server = RedisServer::start();
    let mut pair = Pair::start(&server).await;
    for turn in 0..12 {
        server.kill();
        // How long the outage takes is what is tried, and so is what happens in the second after it.
        sleep(Duration::from_millis(100 + turn * 131 % 500)).await;
        server.restart();
        sleep(Duration::from_millis(1_200)).await;
    }
    let before = Pair::counts(&mut pair.reader).await;
    let (mut reader, begun) = (Pair::counts(&mut pair.reader).await, Instant::now());
    while reader.hits <= before.hits && begun.elapsed() < BACK {
        sleep(Duration::from_millis(20)).await;
        reader = Pair::counts(&mut pair.reader).await;
    }
    let writer = Pair::counts(&mut pair.writer).await;
    println!("12 restarts: writer {writer:?}, reader {reader:?}");
    assert!(writer.outages >= 12 && writer.unguarded > 0, "{writer:?}");
    assert!(reader.hits > before.hits, "the cache is in use again: {reader:?}");
    assert_eq!(reader.stale, 0, "{reader:?}");
}

/// The entries survive an outage of the network: whoever is back first is not given them before the others have said what they wrote.
#[tokio::test]
async fn what_was_written_during_an_outage_is_given_to_nobody_who_is_back_first() {
    let server = RedisServer::shared();
    let (to_writer, to_reader) = (Proxy::start(server.addr()), Proxy::start(server.addr()));
    let writer = cache(&to_writer.url(), "back-first").await;
    let reader = cache(&to_reader.url(), "back-first").await;
    let row = AtomicU64::new(0);
    for round in 0..10 {
        until("both are up", || is_up(&writer) && is_up(&reader)).await;
        writer.scope(load(&row)).await;
        carried_out(&writer).await;
        for proxy in [&to_writer, &to_reader] {
            proxy.set(Mode::Refuse);
            proxy.drop_all();
        }
        until("both are down", || !is_up(&writer) && !is_up(&reader)).await;
        let written = writer.scope(save(&row)).await;
        // The pause is what is tried: their attempts to connect fall apart.
        sleep(Duration::from_millis(100 + round * 60)).await;
        for proxy in [&to_reader, &to_writer] {
            proxy.set(Mode::Pass);
        }
        let begun = Instant::now();
        let mut hits = 0;
        while hits < 3 {
            let before = reader.stats().total.hits;
            assert_eq!(reader.scope(load(&row)).await, written, "round {round}: {:?}", begun.elapsed());
            hits += reader.stats().total.hits - before;
            assert!(begun.elapsed() < BACK, "the cache is not in use again");
            sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(writer.stats().recovering, 0);
}

/// A write that began without its guard is guarded as soon as the server is back.
#[tokio::test]
async fn a_write_that_runs_through_an_outage_is_guarded_when_it_is_over() {
    let server = RedisServer::start();
    let cache = cache(&server.url(), "through").await;
    let (row, go_on) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
    server.kill();
    until("the loss is noticed", || !is_up(&cache)).await;
    let writing = {
        let (cache, row, go_on) = (cache.clone(), row.clone(), go_on.clone());
        tokio::spawn(async move { cache.scope(save_slowly(&row, &go_on)).await })
    };
    until("it is unguarded", || cache.stats().guards_failed == 1).await;
    server.restart();
    // Long before a guard that stands is renewed.
    let begun = Instant::now();
    until("the guard stands", || {
        let there: Option<Vec<u8>> = server.run(cmd("GET").arg("through:row"));
        there.is_some_and(|bytes| bytes[3] == 2)
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    go_on.add_permits(1);
    assert_eq!(writing.await.unwrap(), 1);
    assert_eq!(cache.scope(load(&row)).await, 1);
}

/// Only this process noticed anything: it goes on at once.
#[tokio::test]
async fn a_connection_that_was_cut_is_no_outage() {
    let server = RedisServer::shared();
    let proxy = Proxy::start(server.addr());
    let cache = cache(&proxy.url(), "cut").await;
    for _ in 0..5 {
        let connections = proxy.accepted();
        proxy.drop_all();
        until("another connection", || proxy.accepted() > connections).await;
        until("it is used at once", || match &cache.stats().nodes[0].state {
            NodeState::Up => true,
            down => {
                assert!(!format!("{down:?}").contains("others may still"), "{down:?}");
                false
            }
        })
        .await;
    }
}

/// Reads go over a connection of the runtime that made the cache. What was on its way when that broke is read again over the
/// main one: by itself, together with others, and with the server's time.
#[tokio::test]
async fn what_was_asked_over_a_broken_connection_of_the_runtime_is_asked_again() {
    #[cached_aside(ttl = "5m", key = "again:{id}", lease = "1m")]
    async fn again(id: u64) -> u64 {
        id
    }
    let server = RedisServer::start();
    let cache = cache(&server.url(), "again").await;
    let clients = |word: &str| -> Vec<u64> {
        let clients: String = server.run(cmd("CLIENT").arg("LIST"));
        let of = clients.lines().filter(|line| line.contains(word));
        of.filter_map(|line| line.split(' ').find_map(|word| word.strip_prefix("id="))?.parse().ok())
            .collect()
    };
    // It is dialled before the others.
    let main = clients("").into_iter().min();
    // The other one over which a read went last.
    let own = || clients(" cmd=get ").into_iter().find(|id| Some(*id) != main);
    for id in 0..200 {
        cache.scope(again(id)).await;
    }
    filled(&cache, 200).await;
    for (crowd, observed) in [(1, false), (1, true), (200, false), (200, true), (200, false), (200, true)] {
        let begun = Instant::now();
        let connection = loop {
            cache.scope(again(0)).await;
            if let Some(connection) = own() {
                break connection;
            }
            assert!(begun.elapsed() < BACK, "the runtime has no connection");
            sleep(Duration::from_millis(5)).await;
        };
        let before = cache.stats().total;
        // Nobody drives the runtime now, so that it does not notice before it is asked.
        assert_eq!(server.run::<u64>(cmd("CLIENT").arg("KILL").arg("ID").arg(connection)), 1);
        let mut calls = JoinSet::new();
        for id in 0..crowd {
            calls.spawn(
                cache.scope(
                    async move { if observed { observe(again(id)).await.0 } else { again(id).await } },
                ),
            );
        }
        calls.join_all().await;
        let after = cache.stats().total;
        let what = format!("{crowd} callers, observed: {observed}: {after:?}");
        assert_eq!((after.hits - before.hits, after.errors - before.errors), (crowd, 0), "{what}");
    }
    assert_eq!(cache.stats().nodes[0].outages, 0);
}
