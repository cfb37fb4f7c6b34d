//! A server that is busy, falls silent or answers nonsense while a batch asks for its leases, or gives them up.

use std::{
    future::{pending, poll_fn},
    pin::pin,
};

use tokio::{sync::Notify, time::sleep};

use super::*;

/// A pipeline has a thousand steps at most, and four are on their way.
const MANY: u64 = 6_000;

/// The bodies that have begun, and whether they end.
#[derive(Default)]
struct Origin {
    ends: bool,
    begun: Notify,
}

impl Origin {
    async fn ask(&self) {
        self.begun.notify_one();
        if !self.ends {
            pending::<()>().await;
        }
    }
}

/// Whoever finds a lease that was left waits for it longer than the tests allow.
#[cached_aside(ttl = "5m", key = "troubled:{id}", skip(origin), lease = "2m")]
async fn row(origin: &Origin, id: u64) -> u64 {
    origin.ask().await;
    id
}

#[cached_aside(row(id) for id in ids, skip(origin))]
async fn rows(origin: &Origin, ids: &[u64]) -> HashMap<u64, u64> {
    origin.ask().await;
    ids.iter().map(|id| (*id, *id)).collect()
}

fn keys(server: &RedisServer) -> u64 {
    server.run(&cmd("DBSIZE"))
}

/// Waits until the server has nothing any more.
async fn nothing_is_left(server: &RedisServer, cache: &Cache) {
    let begun = Instant::now();
    while keys(server) > 0 {
        assert!(begun.elapsed() < LONG, "{} leases are left: {}", keys(server), cache.stats());
        sleep(Duration::from_millis(10)).await;
    }
}

/// A batch of many rows, and a server that falls silent when it has said that it grants so many leases.
async fn silent_after(leases: u64) -> (RedisServer, Proxy, Cache) {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.addr());
    let within = Duration::from_secs(2);
    let cache = Cache::builder().url(proxy.url()).timeout(within).build().await.unwrap();
    cache.ping().await.unwrap();
    let (origin, ids) = (Origin { ends: true, ..Origin::default() }, (0..MANY).collect::<Vec<u64>>());
    // Each key is answered with three bytes by the look, and again when it is leased.
    proxy.set(Mode::Stall(3 * usize::try_from(MANY + leases).unwrap()));
    assert_eq!(cache.scope(rows(&origin, &ids)).await.len(), ids.len());
    (server, proxy, cache)
}

/// The server has not seen the script that gives leases up; and it takes no more than a few thousand of them in the time of a step.
#[tokio::test]
async fn leases_are_given_up_although_the_server_was_busy_at_that_moment() {
    for ids in [1, MANY] {
        let (server, within) = (RedisServer::start(), Duration::from_secs(2));
        let cache = Cache::builder().url(server.url()).timeout(within).build().await.unwrap();
        cache.ping().await.unwrap();
        let (origin, all) = (Origin::default(), (0..ids).collect::<Vec<u64>>());
        {
            let reading = cache.scope(async {
                match &all[..] {
                    [id] => HashMap::from([(*id, row(&origin, *id).await)]),
                    all => rows(&origin, all).await,
                }
            });
            let mut reading = pin!(reading);
            let mut begun = pin!(origin.begun.notified());
            poll_fn(|context| {
                assert!(reading.as_mut().poll(context).is_pending());
                begun.as_mut().poll(context)
            })
            .await;
            assert!(keys(&server) > 0, "there is a lease");
            server.pause();
        }
        // The scene: it is given up while the server is busy for longer than a step may take.
        sleep(within + Duration::from_millis(500)).await;
        server.resume();
        nothing_is_left(&server, &cache).await;
    }
}

/// The server grants leases, and falls silent before it has said so. The call has returned when it is back.
#[tokio::test]
async fn leases_that_nobody_knows_of_are_given_up() {
    let (server, proxy, cache) = silent_after(500).await;
    let leased = keys(&server);
    assert!(leased > 1_000, "{leased} leases: {}", cache.stats());
    proxy.set(Mode::Pass);
    proxy.drop_all();
    nothing_is_left(&server, &cache).await;
}

/// Some of the leases are granted before the server falls silent: those keys are not loaded without one.
#[tokio::test]
async fn leases_that_were_granted_before_the_server_fell_silent_count() {
    let (_server, _proxy, cache) = silent_after(2_500).await;
    let without = cache.stats().total.unstored;
    assert!((1_000..MANY).contains(&without), "{}", cache.stats());
}

/// A server, or a proxy, that answers something else than one value for each key.
#[tokio::test]
async fn an_answer_with_another_number_of_values_is_an_error() {
    let server = RedisServer::start();
    for said in
        ["*1\r\n$-1\r\n", "$-1\r\n", "*0\r\n", "$5\r\nhello\r\n", "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"]
    {
        let proxy = Proxy::start(server.addr());
        let cache = Cache::builder().url(proxy.url()).build().await.unwrap();
        let origin = Origin { ends: true, ..Origin::default() };
        cache
            .scope(async {
                // How long values are is known, so that the look is one command.
                let begun = Instant::now();
                while cache.stats().total.hits < 3 {
                    rows(&origin, &[1, 2, 3]).await;
                    assert!(begun.elapsed() < LONG, "{}", cache.stats());
                }
                proxy.set(Mode::Say(said));
                for _ in 0..3 {
                    let given = rows(&origin, &[1, 2, 3]).await;
                    assert_eq!(given, HashMap::from([(1, 1), (2, 2), (3, 3)]), "{said:?}");
                }
            })
            .await;
    }
}
