//! Nobody waits for a load that is over, for a process that has died, for itself, or for a server that can't do what is needed.

use std::{
    future::{Future, pending},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use cached_aside::{Cache, Error, NodeState, cached_aside, refresh};
use cached_aside_tests::{
    RedisServer,
    log::{Log, said},
};
use redis::cmd;
use tokio::{runtime, time::sleep};

use crate::support::filled;

/// Much less than `wait`, and more than a call takes that waits for nobody, on a busy machine.
const SOON: Duration = Duration::from_secs(3);
/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_secs(2);
/// How long a lease stands unrenewed by default.
const LEASE: Duration = Duration::from_secs(1);
/// How soon the cache must be in use again.
const BACK: Duration = Duration::from_secs(10);

async fn cache(url: &str, namespace: &str) -> Cache {
    Cache::builder().url(url).namespace(namespace).build().await.unwrap()
}

#[cached_aside(ttl = "5m", key = "plain:{id}")]
async fn plain(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "page:{id}", lease = "30s")]
async fn page(id: u64) -> Vec<u8> {
    vec![u8::try_from(id).unwrap(); 300_000]
}

/// The lease fits into the memory that is left, the value does not.
#[tokio::test]
async fn a_fill_that_a_full_server_refuses_leaves_no_lease() {
    let server = RedisServer::start();
    let cache = cache(&server.url(), "full").await;
    let info: redis::InfoDict = server.run(cmd("INFO").arg("memory"));
    let used: u64 = info.get("used_memory").unwrap();
    server.run::<()>(cmd("CONFIG").arg("SET").arg("maxmemory-policy").arg("noeviction"));
    server.run::<()>(cmd("CONFIG").arg("SET").arg("maxmemory").arg(used + 150_000));
    cache
        .scope(async {
            for call in 0..3 {
                let begun = Instant::now();
                assert_eq!(page(1).await.len(), 300_000);
                assert!(begun.elapsed() < SOON, "call {call}: {:?}", begun.elapsed());
                let begun = Instant::now();
                while server.run::<u64>(cmd("EXISTS").arg("full:page:1")) == 1 {
                    assert!(begun.elapsed() < SOON, "call {call}: the lease stands there");
                    sleep(Duration::from_millis(2)).await;
                }
            }
        })
        .await;
    assert_eq!(cache.stats().total.errors, 3, "each fill was refused: {}", cache.stats());
}

#[cached_aside(ttl = "5m", key = "held:{id}", skip(ends))]
async fn held(id: u64, ends: bool) -> u64 {
    if !ends {
        pending::<()>().await;
    }
    id
}

/// A process that dies leaves its lease as it is at that moment.
#[tokio::test]
async fn who_waits_for_a_dead_holder_waits_about_a_second_by_default() {
    let server = RedisServer::shared();
    let (dead, alive) = (cache(&server.url(), "dead").await, cache(&server.url(), "dead").await);
    let loading = tokio::spawn(async move { dead.scope(held(1, false)).await });
    let key = "dead:held:1";
    let begun = Instant::now();
    let lease = loop {
        let lease: Option<Vec<u8>> = server.run(cmd("GET").arg(key));
        if let Some(lease) = lease {
            break lease;
        }
        assert!(begun.elapsed() < BACK, "nobody loads");
        sleep(Duration::from_millis(1)).await;
    };
    let left: u64 = server.run(cmd("PTTL").arg(key));
    // It gives its lease up, which a process that is killed can't do: the lease is put back.
    loading.abort();
    assert!(loading.await.unwrap_err().is_cancelled());
    while server.run::<u64>(cmd("EXISTS").arg(key)) == 1 {
        assert!(begun.elapsed() < BACK, "the lease is not given up");
        sleep(Duration::from_millis(1)).await;
    }
    server.run::<()>(cmd("SET").arg(key).arg(lease).arg("PX").arg(left));
    let begun = Instant::now();
    assert_eq!(alive.scope(held(1, true)).await, 1);
    let took = begun.elapsed();
    assert!(took < LEASE + SLACK, "{took:?}");
    assert_eq!(alive.stats().total.unstored, 0, "it waited for the lease's end, and not for `wait`");
}

#[cached_aside(ttl = "5m", key = "takes:{millis}")]
async fn takes(millis: u64) -> u64 {
    sleep(Duration::from_millis(millis)).await;
    millis
}

/// As the documentation says: a lease costs a renewal only where the load takes longer than a third of it.
#[tokio::test]
async fn a_short_lease_costs_a_short_load_nothing() {
    let server = RedisServer::start();
    let cache = cache(&server.url(), "renewals").await;
    for (number, (millis, renewals)) in [(10, 0..=0), (1_100, 2..=3)].into_iter().enumerate() {
        server.reset_stats();
        cache.scope(takes(millis)).await;
        filled(&cache, number as u64 + 1).await;
        let scripts = server.commands().remove("evalsha").unwrap_or(0);
        assert!(
            renewals.contains(&(scripts - 1)),
            "{millis} ms: {scripts} scripts, of which one is the fill"
        );
    }
    assert_eq!(cache.stats().total.stored, 2);
}

/// A load whose runtime goes away is over: whoever waits for it, in another runtime, goes on.
#[tokio::test]
async fn a_runtime_that_goes_away_in_a_load_leaves_nobody_waiting() {
    for cache in [Cache::in_process(), cache(&RedisServer::shared().url(), "gone-runtime").await] {
        let gone = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let leader = cache.clone();
        gone.spawn(async move { leader.scope(held(2, false)).await });
        let begun = Instant::now();
        while cache.stats().total.loads == 0 {
            assert!(begun.elapsed() < BACK, "nobody loads");
            sleep(Duration::from_millis(1)).await;
        }
        let followers: Vec<_> = (0..3)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move { cache.scope(held(2, true)).await })
            })
            .collect();
        let begun = Instant::now();
        while cache.stats().total.misses < 4 {
            assert!(begun.elapsed() < BACK, "they have looked, each for itself");
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(cache.stats().total.loads, 1, "they wait");
        let begun = Instant::now();
        gone.shutdown_background();
        for follower in followers {
            assert_eq!(follower.await.unwrap(), 2);
        }
        assert!(begun.elapsed() < LEASE + SLACK, "{cache:?}: {:?}", begun.elapsed());
        assert_eq!(cache.stats().total.loads, 2, "{cache:?}: one of them loads for all");
    }
}

#[cached_aside(ttl = "5m", key = "self:{id}", skip(depth))]
async fn calls_itself(id: u64, depth: u64) -> u64 {
    if depth > 0 { Box::pin(calls_itself(id, depth - 1)).await + 1 } else { 0 }
}

#[cached_aside(ttl = "1ms", stale_if_error = "5m", key = "old:{id}", skip(depth))]
async fn calls_itself_when_old(id: u64, depth: u64) -> Result<u64, ()> {
    if depth > 0 { Ok(Box::pin(calls_itself_when_old(id, depth - 1)).await? + 1) } else { Ok(0) }
}

#[cached_aside(
    ttl = "5m",
    key = "behind:{id}",
    skip(depth),
    stale_while_revalidate = "5m",
    refresh = "background"
)]
async fn calls_itself_behind(id: u64, depth: u64) -> u64 {
    if depth > 0 { behind(id, depth - 1).await + 1 } else { 0 }
}

fn behind(id: u64, depth: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(calls_itself_behind(id, depth))
}

#[cached_aside(ttl = "5m", key = "outer:{id}", skip(depth))]
async fn outer(id: u64, depth: u64) -> u64 {
    // So that both load when each comes to call the other.
    sleep(Duration::from_millis(20)).await;
    if depth > 0 { Box::pin(inner(id, depth - 1)).await + 1 } else { 0 }
}

#[cached_aside(ttl = "5m", key = "inner:{id}", skip(depth))]
async fn inner(id: u64, depth: u64) -> u64 {
    // So that both load when each comes to call the other.
    sleep(Duration::from_millis(20)).await;
    if depth > 0 { Box::pin(outer(id, depth - 1)).await + 1 } else { 0 }
}

async fn soon<T>(what: &str, call: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let given = call.await;
    assert!(begun.elapsed() < SOON, "{what}: {:?}", begun.elapsed());
    given
}

#[tokio::test]
async fn a_function_that_calls_itself_with_the_same_key_does_not_wait_for_itself() {
    let log = Log::listen();
    let redis = cache(&RedisServer::shared().url(), "recursion").await;
    for (number, cache) in [Cache::in_process(), redis].into_iter().enumerate() {
        log.take();
        cache
            .scope(async {
                assert_eq!(soon("directly", calls_itself(1, 3)).await, 3);
                assert_eq!(cache.stats().total.loads, 4, "each level runs its body");
                filled(&cache, 1).await;
                assert_eq!(calls_itself(1, 9).await, 3, "what the outermost gave is stored");
                assert_eq!(soon("anew", refresh(calls_itself(1, 2))).await, 2);
                assert_eq!(calls_itself(1, 9).await, 2, "what the outermost gave is stored");
                assert_eq!(soon("to be old", calls_itself_when_old(1, 0)).await, Ok(0));
                filled(&cache, 3).await;
                sleep(Duration::from_millis(5)).await;
                assert_eq!(soon("when old", calls_itself_when_old(1, 2)).await, Ok(2));
                assert_eq!(soon("with a background", calls_itself_behind(1, 2)).await, 2);
                assert_eq!(soon("through another", outer(1, 3)).await, 3);
            })
            .await;
        let told = log.take();
        let recursive = said(&told, "recursive load");
        assert!(recursive.iter().all(|line| line.contains("WARN") && line.contains("key=")), "{told}");
        for function in ["calls_itself", "calls_itself_when_old", "calls_itself_behind"] {
            let named = format!("module=\"redis::waiting\" function=\"{function}\"");
            let lines = recursive.iter().filter(|line| line.contains(&named)).count();
            assert_eq!(lines, usize::from(number == 0), "{function} is told of once: {told}");
        }
    }
}

/// Each waits for the other's load, neither is inside of the other.
#[tokio::test]
async fn two_loads_that_call_each_other_do_not_wait_for_each_other() {
    let redis = cache(&RedisServer::shared().url(), "cycle").await;
    for cache in [Cache::in_process(), redis] {
        soon("beside each other", cache.scope(async { tokio::join!(outer(2, 1), inner(2, 1)) })).await;
        let tasks = [(); 2].map(|()| cache.clone()).map(|cache| async move {
            cache.scope(async { tokio::join!(outer(3, 3), inner(3, 3), outer(4, 2), inner(4, 3)) }).await
        });
        let tasks = tasks.map(tokio::spawn);
        let begun = Instant::now();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(begun.elapsed() < SOON, "{cache:?}: {:?}", begun.elapsed());
    }
}

#[cached_aside(ttl = "5m", wait = "300ms", key = "spawns:{id}", skip(again))]
async fn spawns_itself(id: u64, again: bool) -> u64 {
    if again {
        let cache = Cache::current().unwrap();
        let inner = tokio::spawn(async move { cache.scope(spawns(id)).await });
        inner.await.unwrap() + 1
    } else {
        0
    }
}

fn spawns(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(spawns_itself(id, false))
}

/// As the documentation says: what a body spawns is not seen to be part of it.
#[tokio::test]
async fn a_load_that_waits_for_itself_in_another_task_goes_on_after_the_wait() {
    let cache = Cache::in_process();
    let begun = Instant::now();
    assert_eq!(cache.scope(spawns_itself(1, true)).await, 1);
    let (took, wait) = (begun.elapsed(), Duration::from_millis(300));
    assert!(took >= wait && took < wait + SLACK, "{took:?}");
}

/// How the server is described while it is not used.
fn reason(cache: &Cache) -> Option<String> {
    match &cache.stats().nodes[0].state {
        NodeState::Down { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

/// Calls run uncached, at once.
async fn skips_the_cache(cache: &Cache, what: &str) {
    static NEXT: AtomicU64 = AtomicU64::new(1_000);
    cache
        .scope(async {
            let begun = Instant::now();
            for _ in 0..8 {
                let id = NEXT.fetch_add(1, SeqCst);
                assert_eq!((plain(id).await, plain(id).await), (id, id));
            }
            assert!(begun.elapsed() < SOON, "{what}: {:?}", begun.elapsed());
        })
        .await;
}

async fn is_in_use(cache: &Cache, what: &str) {
    let begun = Instant::now();
    let hits = cache.stats().total.hits;
    while cache.stats().total.hits == hits {
        assert!(begun.elapsed() < BACK, "{what}: {:?}", reason(cache));
        cache.scope(plain(1)).await;
        sleep(Duration::from_millis(5)).await;
    }
    cache.ping().await.unwrap();
}

#[tokio::test]
async fn a_user_who_lacks_a_right_is_told_what_to_grant() {
    let log = Log::listen();
    let cases = [
        ("~* +@all -@scripting", "+eval +evalsha"),
        ("~* +@all -evalsha", "+evalsha"),
        ("~* +@all -setrange -unlink", "+setrange +unlink"),
        ("~* +@all -time", "+time"),
        ("~* +@all -pexpire", "+pexpire"),
        ("~other:* +@all", "~rights:*"),
    ];
    for (rules, grant) in cases {
        let server = RedisServer::builder().user("app", "pass", rules).start();
        let log = log.clone().and_of_the_library(server.addr().to_string());
        log.take();
        let cache = cache(&server.url_as("app", "pass"), "rights").await;
        let told = format!("grant the user `{grant}`");
        assert!(reason(&cache).is_some_and(|reason| reason.contains(&told)), "{rules}: {:?}", reason(&cache));
        match cache.ping().await {
            Err(Error::Unreachable { reason, .. }) => assert!(reason.contains(&told), "{rules}: {reason}"),
            answer => panic!("{rules}: {answer:?}"),
        }
        skips_the_cache(&cache, rules).await;
        // The pause is what is tested: several attempts to connect later it has been told once.
        sleep(Duration::from_millis(200)).await;
        let lines = log.take();
        let warned = said(&lines, "WARN");
        assert_eq!(warned.len(), 1, "{rules}: {lines}");
        assert!(warned[0].contains(&told), "{}", warned[0]);
        server.run::<()>(cmd("ACL").arg("SETUSER").arg("app").arg("~*").arg("+@all"));
        is_in_use(&cache, rules).await;
    }
}

#[tokio::test]
async fn a_server_without_a_command_is_not_used() {
    for command in ["EVAL", "EVALSHA", "UNLINK", "GETRANGE"] {
        let server = RedisServer::builder().args(["--rename-command", command, ""]).start();
        let cache = cache(&server.url(), "renamed").await;
        let reason = reason(&cache).unwrap_or_default();
        assert!(reason.contains(&command.to_lowercase()) && reason.contains("rename-command"), "{reason}");
        skips_the_cache(&cache, command).await;
        assert_eq!(server.run::<u64>(&cmd("DBSIZE")), 0, "{command}: a lease was taken");
    }
}

/// Answers like a server that knows nothing, and closes the connection when it is tried, as some proxies do.
fn proxy_that_closes() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                if buffer[..read].windows(4).any(|word| word == b"PING") {
                    break;
                }
                let commands = String::from_utf8_lossy(&buffer[..read]).matches('*').count();
                stream.write_all("-ERR unknown command\r\n".repeat(commands).as_bytes()).unwrap();
            }
        }
    });
    addr
}

#[tokio::test]
async fn a_proxy_that_closes_the_connection_is_not_used() {
    let cache = cache(&format!("redis://{}", proxy_that_closes()), "proxy").await;
    let reason = reason(&cache).unwrap_or_default();
    assert!(reason.contains("evalsha") && reason.contains("is it a proxy"), "{reason}");
    skips_the_cache(&cache, "a proxy").await;
}

#[tokio::test]
async fn a_right_that_is_taken_away_while_connected_is_noticed() {
    for (taken, grant) in [("-@scripting", "+eval +evalsha"), ("-setrange", "+setrange"), ("-get", "+get")] {
        let server = RedisServer::builder().user("app", "pass", "~* +@all").start();
        let cache = cache(&server.url_as("app", "pass"), "taken").await;
        is_in_use(&cache, "at first").await;
        let acl = |rule: &str| server.run::<()>(cmd("ACL").arg("SETUSER").arg("app").arg(rule));
        acl(taken);
        let begun = Instant::now();
        let mut id = 2;
        while reason(&cache).is_none() {
            let called = Instant::now();
            cache.scope(plain(id)).await;
            assert!(called.elapsed() < LEASE + SLACK, "{taken}: {:?}", called.elapsed());
            assert!(begun.elapsed() < BACK, "{taken}: it is not noticed");
            sleep(Duration::from_millis(5)).await;
            id += 1;
        }
        let reason = reason(&cache).unwrap();
        assert!(reason.ends_with(&format!("grant the user `{grant}`")), "{taken}: {reason}");
        skips_the_cache(&cache, taken).await;
        acl("+@all");
        is_in_use(&cache, taken).await;
    }
}

/// What can be done without is no reason to give a server up, however often it is refused.
#[tokio::test]
async fn a_server_that_refuses_only_what_can_be_done_without_stays_in_use() {
    let server =
        RedisServer::builder().user("app", "pass", "~* +@all -mget -role -wait -client|tracking").start();
    let cache = cache(&server.url_as("app", "pass"), "without").await;
    is_in_use(&cache, "at first").await;
    let reads: Vec<_> = (0..500)
        .map(|id| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.scope(plain(id % 50)).await })
        })
        .collect();
    for read in reads {
        read.await.unwrap();
    }
    is_in_use(&cache, "after a crowd").await;
    assert_eq!(cache.stats().nodes[0].outages, 0);
}
