//! Servers that are no longer the primary, and names that lead to another server: a cache reads where it writes, over all of its
//! connections.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use cached_aside::{Cache, NodeState, cached_aside, invalidates};
use cached_aside_tests::{RedisServer, Sentinels};
use redis::cmd;
use tokio::time::sleep;

use crate::support::filled;

/// How soon a cache must have found its server again.
const BACK: Duration = Duration::from_secs(20);
/// Pause between two questions whether the server is still the primary.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// An address whose server can be another one: DNS, a virtual IP, a load balancer. Open connections stay where they are.
struct Name {
    addr: SocketAddr,
    to: Arc<Mutex<SocketAddr>>,
}

impl Name {
    fn of(server: &RedisServer) -> Name {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let to = Arc::new(Mutex::new(server.addr()));
        let target = to.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(*target.lock().unwrap()).unwrap();
                let both_ways = [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))];
                for (from, to) in both_ways {
                    thread::spawn(move || pass_on(from.unwrap(), to.unwrap()));
                }
            }
        });
        Name { addr, to }
    }

    fn moves_to(&self, server: &RedisServer) {
        *self.to.lock().unwrap() = server.addr();
    }

    fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// What the origin has.
#[derive(Debug, Default)]
struct Origin {
    version: AtomicU64,
    loads: AtomicU64,
}

impl Origin {
    fn version(&self) -> u64 {
        self.version.load(SeqCst)
    }

    fn load(&self) -> u64 {
        self.loads.fetch_add(1, SeqCst);
        self.version()
    }
}

#[cached_aside(ttl = "5m", key = "small", skip(origin))]
async fn small(origin: &Origin) -> u64 {
    origin.load()
}

/// One that travels over a connection of its own.
#[cached_aside(ttl = "5m", key = "large", skip(origin))]
async fn large(origin: &Origin) -> String {
    format!("{}{}", origin.load(), " ".repeat(300_000))
}

#[invalidates(small(), large())]
async fn write(origin: &Origin) {
    origin.version.fetch_add(1, SeqCst);
}

async fn read(cache: &Cache, origin: &Origin) -> (u64, u64) {
    let large = cache.scope(large(origin)).await;
    (cache.scope(small(origin)).await, large.trim().parse().unwrap())
}

async fn cache(url: &str, namespace: &str) -> Cache {
    let timeout = Duration::from_secs(2);
    Cache::builder().url(url).namespace(namespace).timeout(timeout).build().await.unwrap()
}

/// Stores both values, and reads them back over the connections that they take.
async fn store(cache: &Cache, origin: &Origin) {
    read(cache, origin).await;
    filled(cache, 2).await;
    read(cache, origin).await;
    read(cache, origin).await;
    assert_eq!(origin.loads.load(SeqCst), 2, "{}", cache.stats());
}

fn is_up(cache: &Cache) -> bool {
    cache.stats().nodes.iter().all(|node| node.state == NodeState::Up)
}

async fn eventually(what: &str, cache: &Cache, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < BACK, "{what}: {}", cache.stats());
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until both values are hits, whatever they are.
async fn in_use(cache: &Cache, origin: &Origin) {
    let begun = Instant::now();
    loop {
        let loads = origin.loads.load(SeqCst);
        read(cache, origin).await;
        if origin.loads.load(SeqCst) == loads {
            return;
        }
        assert!(begun.elapsed() < BACK, "{}", cache.stats());
        sleep(Duration::from_millis(20)).await;
    }
}

/// The server follows one that is not there, so that it goes on with what it has.
fn demote(server: &RedisServer) {
    server.run::<()>(cmd("REPLICAOF").arg("127.0.0.1").arg(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_move_with_the_name_of_the_server() {
    let (one, other) = (RedisServer::start(), RedisServer::start());
    let (name, origin) = (Name::of(&one), Origin::default());
    let cache = cache(&name.url(), "moved").await;
    store(&cache, &origin).await;
    demote(&one);
    name.moves_to(&other);
    cache.scope(write(&origin)).await;
    eventually("it is delivered", &cache, || cache.stats().recovering == 0 && is_up(&cache)).await;
    in_use(&cache, &origin).await;
    cache.scope(write(&origin)).await;
    assert_eq!(cache.stats().recovering, 0, "the write is delivered");
    for _ in 0..3 {
        let version = origin.version();
        assert_eq!(read(&cache, &origin).await, (version, version));
    }
}

/// The old server goes on as if nothing had happened, and only one of the connections is cut, as by the idle timeout of a load
/// balancer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connections_of_a_cache_lead_to_one_server() {
    // The main one is dialled first, then the runtime's own, and that for large values when there are some.
    for cut in [1, 2] {
        let (one, other) = (RedisServer::start(), RedisServer::start());
        let (name, origin) = (Name::of(&one), Origin::default());
        let cache = cache(&name.url(), "cut").await;
        store(&cache, &origin).await;
        let clients: String = one.run(cmd("CLIENT").arg("LIST").arg("TYPE").arg("NORMAL"));
        let id =
            |line: &str| line.split(' ').find_map(|field| field.strip_prefix("id=")?.parse::<u64>().ok());
        let mut ids: Vec<u64> =
            clients.lines().filter(|line| !line.contains("cmd=client")).filter_map(id).collect();
        ids.sort_unstable();
        assert_eq!(ids.len(), 3, "{clients}");
        name.moves_to(&other);
        one.run::<i64>(cmd("CLIENT").arg("KILL").arg("ID").arg(ids[cut]));
        let begun = Instant::now();
        while one.run::<String>(cmd("CLIENT").arg("LIST")).lines().count() > 1 {
            read(&cache, &origin).await;
            assert!(begun.elapsed() < BACK, "cut {cut}: the old server is still in use: {}", cache.stats());
            sleep(Duration::from_millis(20)).await;
        }
        in_use(&cache, &origin).await;
        for _ in 0..3 {
            cache.scope(write(&origin)).await;
            let version = origin.version();
            assert_eq!(read(&cache, &origin).await, (version, version), "cut {cut}");
        }
    }
}

/// What [the promise](../../docs/promise.md) says of a name that moves while the old server goes on taking writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_moves_to_another_server_is_followed_once_a_connection_is_lost() {
    let (one, other) = (RedisServer::start(), RedisServer::start());
    let (name, origin) = (Name::of(&one), Origin::default());
    let before = cache(&name.url(), "name").await;
    store(&before, &origin).await;
    let old = origin.version();
    name.moves_to(&other);
    let after = cache(&name.url(), "name").await;
    after.scope(write(&origin)).await;
    assert_eq!(read(&before, &origin).await, (old, old), "the old server knows nothing of the write");
    one.run::<i64>(cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal"));
    in_use(&before, &origin).await;
    let new = origin.version();
    assert_eq!(read(&before, &origin).await, (new, new));
    assert!(new > old);
}

/// One server that is cut off from nobody: only its connections are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_beside_the_lasting_one_that_is_cut_is_dialled_again() {
    let server = RedisServer::start();
    let origin = Origin::default();
    let cache = cache(&server.url(), "again").await;
    store(&cache, &origin).await;
    for _ in 0..3 {
        let clients: String = server.run(cmd("CLIENT").arg("LIST").arg("TYPE").arg("NORMAL"));
        let others = clients.lines().filter(|line| !line.contains("cmd=client")).count();
        assert_eq!(others, 3, "{clients}");
        let id =
            |line: &str| line.split(' ').find_map(|field| field.strip_prefix("id=")?.parse::<u64>().ok());
        let main = clients.lines().filter_map(id).min().unwrap();
        for id in clients.lines().filter(|line| !line.contains("cmd=client")).filter_map(id) {
            if id != main {
                server.run::<i64>(cmd("CLIENT").arg("KILL").arg("ID").arg(id));
            }
        }
        let count =
            || server.run::<String>(cmd("CLIENT").arg("LIST").arg("TYPE").arg("NORMAL")).lines().count();
        let begun = Instant::now();
        while count() < 4 {
            read(&cache, &origin).await;
            assert!(begun.elapsed() < BACK, "{}", cache.stats());
            sleep(Duration::from_millis(20)).await;
        }
        assert!(is_up(&cache), "{}", cache.stats());
        assert_eq!(cache.stats().nodes[0].outages, 0, "the main connection stays");
    }
}

/// Which commands the user may not call, and whether the demotion is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_only_hits_notices_that_its_server_was_demoted() {
    for (rights, notices) in
        [("+role +info", true), ("-role +info", true), ("+role -info", true), ("-role -info", false)]
    {
        let rules = format!("~* &* +@all {rights}");
        let server = || RedisServer::builder().user("app", "pass", &rules).start();
        let (one, other) = (server(), server());
        let (name, origin) = (Name::of(&one), Origin::default());
        let url = format!("redis://app:pass@{}", name.addr);
        let reads = cache(&url, "demoted").await;
        store(&reads, &origin).await;
        demote(&one);
        name.moves_to(&other);
        let writes = cache(&url, "demoted").await;
        writes.scope(write(&origin)).await;
        assert_eq!(writes.stats().recovering, 0, "{rights}: {}", writes.stats());
        let begun = Instant::now();
        while notices && read(&reads, &origin).await != (1, 1) {
            assert!(begun.elapsed() < BACK, "{rights}: {}", reads.stats());
            sleep(Duration::from_millis(5)).await;
        }
        if !notices {
            // Nothing is known, so nothing is done: twice the time in which something could have been.
            sleep(2 * ASKED_EVERY).await;
            assert_eq!(read(&reads, &origin).await, (0, 0), "{}", reads.stats());
            assert_eq!(reads.stats().nodes[0].outages, 0);
        }
        println!("{rights}: {:?}", begun.elapsed());
    }
}

/// A server that refuses to say what it is goes on being used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_nobody_may_ask_for_its_role_stays_in_use() {
    let rules = "~* &* +@all -role -info";
    let server = RedisServer::builder().user("app", "pass", rules).start();
    let origin = Origin::default();
    let cache = cache(&server.url_as("app", "pass"), "unasked").await;
    store(&cache, &origin).await;
    let refused = || -> u64 {
        let stats: String = server.run(cmd("INFO").arg("commandstats"));
        let asked = stats
            .lines()
            .filter(|line| line.starts_with("cmdstat_role:") || line.starts_with("cmdstat_info:"));
        let rejected =
            asked.filter_map(|line| line.split(',').find_map(|part| part.strip_prefix("rejected_calls=")));
        rejected.map(|count| count.parse::<u64>().unwrap()).sum()
    };
    // What was refused is not asked again: the questions end, for twice the time in which the next one would come.
    let (begun, mut before) = (Instant::now(), 0);
    while before == 0 || refused() != before {
        assert!(begun.elapsed() < BACK, "it is asked again and again");
        before = refused();
        sleep(2 * ASKED_EVERY).await;
    }
    assert_eq!(read(&cache, &origin).await, (0, 0));
    assert_eq!(origin.loads.load(SeqCst), 2, "{}", cache.stats());
    assert_eq!(cache.stats().nodes[0].outages, 0);
}

/// Sentinels name another primary, and the old one is left for small and for large values at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_move_with_the_primary_that_sentinels_name() {
    let sentinels = Sentinels::start();
    let origin = Origin::default();
    let cache = cache(&sentinels.url(), "named").await;
    store(&cache, &origin).await;
    sentinels.fail_over();
    // What is written before the cache has noticed is lost with the old primary.
    let primary = sentinels.primary().addr().to_string();
    eventually("it has moved", &cache, || is_up(&cache) && cache.stats().nodes[0].address == primary).await;
    for _ in 0..20 {
        cache.scope(write(&origin)).await;
        assert_eq!(cache.stats().recovering, 0, "the write is delivered");
        let version = origin.version();
        assert_eq!(read(&cache, &origin).await, (version, version));
        // Not a condition, but the load: over the time in which a connection beside it could still lead elsewhere.
        sleep(Duration::from_millis(50)).await;
    }
}
