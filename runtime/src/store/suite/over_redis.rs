//! The steps on one real server, and its connection.

use cached_aside_protocol::Writers;

use super::*;
use crate::store::redis::{Address, Limits, RedisStore};
use crate::telemetry::NodeState;
use cached_aside_tests::RedisServer;
use futures_util::FutureExt;
use redis::cmd;
use tokio::{join, task::yield_now, time::timeout};

const PAGE: &str = include_str!("../../../docs/production.md");

/// The rules of a user with the permissions that the documentation names, and no others.
pub(super) fn rules(namespace: &str, further: &[&str]) -> String {
    let needed = PAGE.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let needed = needed.replace("<namespace>", namespace).replace('\n', " ");
    for right in further {
        assert!(PAGE.contains(&right.replace('|', "\\|")), "{right} is documented");
    }
    format!("resetchannels -@all {needed} {}", further.join(" "))
}

pub(super) const LIMITS: Limits = Limits { connect: WITHIN, call: WITHIN, in_flight: 100, value: 64 << 20 };

pub(super) async fn connect(url: &str, namespace: &str) -> Store {
    connect_with(url, namespace, LIMITS).await
}

pub(super) async fn connect_with(url: &str, namespace: &str, limits: Limits) -> Store {
    let address = Address::parse(url).unwrap();
    Store::Redis(Box::new(RedisStore::connect(address, namespace.to_owned(), limits).await))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_redis_store() {
    let server = RedisServer::start();
    for (url, namespace) in
        [(server.url(), "tcp"), (server.unix_url(), "unix"), (server.url() + "/3", "third")]
    {
        let store = connect(&url, namespace).await;
        the_suite(&store).await;
        whoever_watches_is_told(&store).await;
        assert_eq!(server.keys_without_ttl(namespace), [""; 0], "keys that would stay for ever");
    }
}

/// A server without RESP3: it announces nothing, everything else is as usual.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_resp3() {
    let server = RedisServer::builder().args(["--rename-command", "HELLO", ""]).start();
    let store = connect(&server.url(), "resp2").await;
    the_suite(&store).await;
    let key = key("watch");
    assert_eq!(acquire(&store, &key, token(1)).await, Acquired::Yes);
    let watched = store.watch(&key, WITHIN).await.unwrap();
    assert_eq!(watched.there.as_deref(), Some(&entry::lease(token(1))[..]));
    assert!(!watched.watch.is_push() && watched.left > LONG / 2);
    assert_eq!(server.keys_without_ttl("resp2"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_and_passwords() {
    let server =
        RedisServer::builder().password("s3cret/:@").user("app", "pass word", &rules("acl", &[])).start();
    let store = connect(&server.url().replace("s3cret/:@", "s3cret%2F%3A%40"), "password").await;
    the_suite(&store).await;
    let store = connect(&server.url_as("app", "pass%20word"), "acl").await;
    the_suite(&store).await;
}

#[tokio::test]
async fn foreign_data_of_every_kind() {
    let server = RedisServer::shared();
    let store = connect(&server.url(), "foreign").await;
    for bytes in FOREIGN {
        let key = key("bytes");
        let full = format!("foreign:{key}");
        server.run::<()>(cmd("SET").arg(&full).arg(bytes).arg("PX").arg(60_000));
        foreign_data_is_never_touched(&store, &key).await;
        assert_eq!(server.run::<Vec<u8>>(cmd("GET").arg(&full)), bytes);
    }
    for (command, argument) in [("SADD", "member"), ("LPUSH", "element"), ("PFADD", "element")] {
        let key = key(command);
        let full = format!("foreign:{key}");
        server.run::<()>(cmd(command).arg(&full).arg(argument));
        foreign_data_is_never_touched(&store, &key).await;
        assert_eq!(server.run::<i64>(cmd("EXISTS").arg(&full)), 1);
    }
}

#[tokio::test]
async fn scripts_are_learned_again_after_they_are_forgotten() {
    let server = RedisServer::start();
    let store = connect(&server.url(), "forget").await;
    let flush = || server.run::<()>(cmd("SCRIPT").arg("FLUSH"));
    let keys = [key("one"), key("two"), key("three")];
    let names = [keys[0].as_str(), &keys[1], &keys[2]];
    flush();
    assert_eq!(acquire(&store, names[0], token(1)).await, Acquired::Yes);
    assert!(fill(&store, names[0], token(1)).await);
    flush();
    assert_eq!(
        store.run_all(&names, |_| Guard { token: token(9), hold: LONG }, WITHIN).await,
        vec![Ok(NO_COPIES); 3]
    );
    flush();
    assert_eq!(
        store.run_all(&names, |_| Release { token: token(9), left: Left::Nothing }, WITHIN).await,
        vec![Ok(RELEASED); 3]
    );
    server.reset_stats();
    assert_eq!(
        store.run_all(&names, |_| Guard { token: token(9), hold: LONG }, WITHIN).await,
        vec![Ok(NO_COPIES); 3]
    );
    assert_eq!(
        store.run_all(&names, |_| Guard { token: token(9), hold: LONG }, WITHIN).await,
        vec![Ok(NO_COPIES); 3]
    );
    let commands = server.commands();
    assert_eq!(commands.get("eval"), Some(&1), "the source is sent once: {commands:?}");
}

#[tokio::test]
async fn the_connection_comes_back_by_itself() {
    let server = RedisServer::start();
    let store = connect(&server.url(), "back").await;
    let key = stored(&store, "kept").await;
    server.restart();
    let begun = Instant::now();
    loop {
        match store.read(&key, Duration::from_millis(100)).await {
            Ok(there) => break assert_eq!(there, None, "the server begins anew"),
            Err(error) => assert!(begun.elapsed() < WITHIN, "{error:?}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
    the_suite(&store).await;
}

/// So many callers in a row are given no answer. Where this process is held up, a caller that went away can count as a timeout and the
/// other way round, and it takes more of them.
async fn stays_silent(store: &Store, key: &str, patience: Duration, callers: u32) {
    for caller in 0..3 * callers {
        if caller >= callers && !is_up(store) {
            return;
        }
        let silent = store.read(key, patience).await;
        let is_late = silent == Err(StoreError::Timeout(patience));
        assert!(is_late || caller >= callers, "{silent:?} is the answer to caller {caller}");
    }
}

#[tokio::test]
async fn a_connection_that_stops_answering_is_replaced() {
    let server = RedisServer::start();
    let proxy = cached_aside_tests::Proxy::start(server.addr());
    let call = Duration::from_millis(100);
    // An attempt that is swallowed takes as long as it may, and so does the closed window after it.
    let limits = Limits { call, connect: call * 10, ..LIMITS };
    let store = connect_with(&proxy.url(), "hole", limits).await;
    let key = stored(&store, "kept").await;
    // Three timeouts, or many callers that went away earlier: then the server is probed.
    for (callers, patience) in [(3, call), (16, call / 10)] {
        proxy.set(cached_aside_tests::Mode::Hole);
        assert!(is_up(&store));
        stays_silent(&store, &key, patience, callers).await;
        until(|| !is_up(&store), "the old connection is kept").await;
        let begun = Instant::now();
        let refused = store.read(&key, WITHIN).await;
        assert!(matches!(refused, Err(StoreError::Unreachable(_))), "{refused:?}");
        assert!(begun.elapsed() < WITHIN / 2, "calls are turned away at once");
        // A swallowed command is never answered, so only a new connection helps.
        proxy.set(cached_aside_tests::Mode::Pass);
        until(|| is_up(&store), "no new connection").await;
        assert_eq!(state(&store, &key).await, "value");
    }
}

pub(super) fn is_up(store: &Store) -> bool {
    store.nodes().iter().all(|node| node.state == NodeState::Up)
}

pub(super) async fn until(mut holds: impl FnMut() -> bool, what: &str) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WITHIN * 2, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn callers_that_go_away_do_not_cost_a_connection_that_answers() {
    let server = RedisServer::start();
    let store = connect(&server.url(), "away").await;
    for _ in 0..1_000 {
        assert_eq!(store.read("k", WITHIN).now_or_never(), None, "its caller goes away at once");
        yield_now().await;
    }
    assert_eq!(store.read("k", WITHIN).await, Ok(None));
    assert_eq!((is_up(&store), store.nodes()[0].outages), (true, 0));
}

#[tokio::test]
async fn no_more_commands_than_allowed_are_on_their_way() {
    let server = RedisServer::start();
    let within = Duration::from_millis(50);
    let limits = Limits { call: within, in_flight: 10, ..LIMITS };
    let (reads, others) = (
        connect_with(&server.url(), "full", limits).await,
        connect_with(&server.url(), "full", limits).await,
    );
    server.pause();
    // Reads are queued for a batch, and count while they are; everything else is sent alone.
    let read = join_all((0..50).map(|_| reads.read("k", within))).await;
    let renewed =
        join_all((0..50).map(|_| others.run("k", Renew { token: token(1), hold: LONG }, within))).await;
    let counted = |full: usize, late: usize| assert_eq!((full, late), (40, 10));
    // A connection with several timeouts is closed, and the other commands on it fail with that reason.
    let is_late = |error: &StoreError| matches!(error, StoreError::Timeout(_) | StoreError::Unreachable(_));
    counted(
        read.iter().filter(|read| **read == Err(StoreError::Full)).count(),
        read.iter().filter(|read| read.as_ref().is_err_and(is_late)).count(),
    );
    counted(
        renewed.iter().filter(|renewed| **renewed == Err(StoreError::Full)).count(),
        renewed.iter().filter(|renewed| renewed.as_ref().is_err_and(is_late)).count(),
    );
    for store in [&reads, &others] {
        assert_eq!(store.nodes()[0].in_flight, 0, "whoever went away makes room");
    }
    server.resume();
    until(|| is_up(&reads), "it is connected again").await;
    assert_eq!(reads.read("k", WITHIN).await, Ok(None));
}

/// A server that answers, but later than the time limit, is as good as unreachable, and delays nobody.
#[tokio::test]
async fn a_server_that_is_slow_is_not_used_until_it_is_fast() {
    let server = RedisServer::start();
    let proxy = cached_aside_tests::Proxy::start(server.addr());
    let call = Duration::from_millis(100);
    let store = connect_with(&proxy.url(), "slow", Limits { call, ..LIMITS }).await;
    proxy.set(cached_aside_tests::Mode::Delay(call * 3));
    stays_silent(&store, "k", call, 3).await;
    until(|| !is_up(&store), "a slow server is used").await;
    // Connections are opened and fail their checks meanwhile.
    let begun = Instant::now();
    while begun.elapsed() < call * 20 {
        assert!(!is_up(&store));
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.nodes()[0].outages, 1);
    proxy.set(cached_aside_tests::Mode::Pass);
    until(|| is_up(&store), "it is fast again").await;
}

/// The right is taken away while the connection is in use.
#[tokio::test]
async fn who_may_no_longer_name_the_keys_to_be_announced_asks_again_and_again() {
    let server = RedisServer::builder().user("app", "pass", "~* +@all").start();
    let store = connect(&server.url_as("app", "pass"), "announced").await;
    let key = stored(&store, "kept").await;
    let watched = store.watch(&key, WITHIN).await.unwrap();
    assert!(watched.watch.is_push() && watched.there.is_some());
    let without = ["SETUSER", "app", "-client", "+client|tracking"];
    server.run::<()>(cmd("ACL").arg(&without));
    let watched = store.watch(&key, WITHIN).await.unwrap();
    assert!(!watched.watch.is_push() && watched.there.is_some());
}

/// A replica may hold stale values: it is not even read.
#[tokio::test]
async fn a_replica_is_not_used() {
    let (server, primary) = (RedisServer::start(), RedisServer::start());
    let store = connect(&server.url(), "replica").await;
    let key = stored(&store, "kept").await;
    let port = primary.addr().port();
    server.run::<()>(cmd("REPLICAOF").arg("127.0.0.1").arg(port));
    // The first write notices it.
    let error = store
        .run_all(&[&key], |_| Guard { token: token(9), hold: LONG }, WITHIN)
        .await
        .pop()
        .unwrap()
        .unwrap_err();
    assert!(format!("{error:?}").contains("READONLY"), "{error:?}");
    let error = store.read(&key, WITHIN).await.unwrap_err();
    until(|| format!("{:?}", store.nodes()[0].state).contains("it is a replica"), "the reason is known")
        .await;
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    server.run::<()>(cmd("REPLICAOF").arg("NO").arg("ONE"));
    until(|| is_up(&store), "it is a primary again").await;
    assert_eq!(store.read("k", WITHIN).await, Ok(None));
}

/// A guard that has to survive a failover.
#[tokio::test]
async fn a_guard_waits_for_replicas() {
    let server = RedisServer::start();
    let store = connect(&server.url(), "wait").await;
    let keys = ["a", "b"];
    let within = Duration::from_secs(1);
    let guard =
        |replicas| store.guard_on_replicas(&keys, Guard { token: token(9), hold: LONG }, replicas, within);
    for answer in guard(1).await {
        let error = format!("{:?}", answer.unwrap_err());
        assert!(error.contains("0 of 1 replicas confirmed the guard"), "{error}");
    }
    assert_eq!(guard(0).await, [Ok(NO_COPIES), Ok(NO_COPIES)]);
    let replica = RedisServer::start();
    replica.run::<()>(cmd("REPLICAOF").arg("127.0.0.1").arg(server.addr().port()));
    until(
        || server.run::<String>(cmd("INFO").arg("replication")).contains("state=online"),
        "the replica follows",
    )
    .await;
    assert_eq!(guard(1).await, [Ok(NO_COPIES), Ok(NO_COPIES)]);
    assert_eq!(replica.run::<u64>(&cmd("DBSIZE")), 2, "they are there");
    // `WAIT` delays nobody else.
    replica.pause();
    let (waiting, read) = join!(guard(1), timeout(within / 2, store.read("c", WITHIN)));
    assert!(waiting.iter().all(Result::is_err), "{waiting:?}");
    assert_eq!(read, Ok(Ok(None)));
}

/// What frees memory is never refused: an entry gives way to its guard.
#[tokio::test]
async fn a_full_server_takes_guards() {
    let server = RedisServer::start();
    let store = connect(&server.url(), "full").await;
    let (there, absent) = (stored(&store, "there").await, key("absent"));
    let settles = |_| Release { token: token(9), left: Left::Settling(LONG) };
    server.run::<()>(cmd("CONFIG").arg("SET").arg("maxmemory-policy").arg("noeviction"));
    server.run::<()>(cmd("CONFIG").arg("SET").arg("maxmemory").arg(1));
    let refused =
        store.run(&absent, Acquire { expected: Bytes::new(), token: token(1), lease: LONG }, WITHIN);
    assert!(refused.await.is_err_and(|error| format!("{error:?}").contains("OOM")), "it is full");
    for key in [&there, &absent] {
        guard(&store, key, token(9)).await;
        assert_eq!(state(&store, key).await, "guard");
        assert_eq!(store.run_all(&[key], |_| Remove, WITHIN).await, [Ok(NO_COPIES)], "by somebody else");
        release(&store, key, token(8)).await;
        let bytes = store.read(key, WITHIN).await.unwrap().unwrap();
        assert!(Writers::read(&bytes).unwrap().overlapped, "it is marked");
        assert_eq!(store.run_all(&[key], settles, WITHIN).await, [Ok(RELEASED)]);
        assert_eq!(state(&store, key).await, "guard");
        release(&store, key, token(9)).await;
        assert_eq!(state(&store, key).await, "absent");
        // A value is not taken; its key is not left to its guard either.
        guard(&store, key, token(9)).await;
        let left = |_| Left::Value { value: value(token(9), b"payload").into(), ttl: LONG };
        let leaves = |number| Release { token: token(9), left: left(number) };
        assert_eq!(store.run_all(&[key], leaves, WITHIN).await, [Ok(RELEASED)]);
        assert_eq!(state(&store, key).await, "absent");
    }
    assert_eq!(server.keys_without_ttl("full"), [""; 0]);
}
