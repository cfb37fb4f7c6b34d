//! Local copies: those that writes do not wait for, those of batches, and what becomes of copies where Redis loses what it knows of them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cached_aside::{Cache, Cached, Source, cached_aside, invalidates, observe, refresh};
use cached_aside_tests::{RedisCluster, RedisServer, server};
use redis::cmd;
use tokio::time::sleep;

use crate::support::{copied, patient, until_writes_waited};

/// How long a copy may be used.
const LOCAL: Duration = Duration::from_millis(500);
/// What a busy machine may take, and far less than a minute.
const LONG: Duration = Duration::from_secs(20);

/// The row of one test.
#[derive(Clone, Default)]
struct Row(Arc<AtomicU64>);

impl Row {
    fn load(&self) -> u64 {
        self.0.load(SeqCst)
    }

    fn save(&self) -> u64 {
        self.0.fetch_add(1, SeqCst) + 1
    }
}

#[cached_aside(ttl = "30s", key = "copy:{id}", skip(row), local = "500ms")]
async fn exact(row: &Row, id: u64) -> u64 {
    let _ = id;
    row.load()
}

#[cached_aside(exact(id) for id in ids, skip(row))]
async fn several(row: &Row, ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, row.load())).collect()
}

#[invalidates(exact(id))]
async fn save(row: &Row, id: u64) -> u64 {
    let _ = id;
    row.save()
}

#[cached_aside(ttl = "2m", key = "bounded:{id}", skip(row), local = "500ms", local_mode = "bounded")]
async fn bounded(row: &Row, id: u64) -> u64 {
    let _ = id;
    row.load()
}

#[invalidates(bounded(id))]
async fn save_bounded(row: &Row, id: u64) -> u64 {
    let _ = id;
    row.save()
}

#[cached_aside(
    ttl = "2m",
    key = "tagged:{id}",
    skip(row),
    tags("rows"),
    local = "1m",
    local_mode = "bounded"
)]
async fn tagged(row: &Row, id: u64) -> u64 {
    let _ = id;
    row.load()
}

#[invalidates(tags("rows"))]
async fn save_tagged(row: &Row) -> u64 {
    row.save()
}

static FAMILY: Cached<u64> =
    Cached::new("bounded_family", Duration::from_secs(120)).local(Duration::from_secs(60)).local_bounded();

async fn cache(url: &str) -> Cache {
    patient(url).namespace("copies").build().await.unwrap()
}

/// For how long a call gives something else than was written, from now on: the last time at which one was asked.
async fn old_for<F: Future<Output = u64>>(written: u64, call: impl Fn() -> F, most: Duration) -> Duration {
    let (begun, mut old) = (Instant::now(), Duration::ZERO);
    loop {
        // Whoever asks after that is given what was written, however slow the machine is.
        let asked = begun.elapsed();
        if call().await == written {
            return old;
        }
        assert!(asked < most, "it is given {asked:?} after the write");
        old = asked;
        sleep(Duration::from_millis(1)).await;
    }
}

/// A user who may not ask for announcements.
fn without_tracking() -> (RedisServer, String) {
    let forbidden = if server::version() >= (7, 0) { "-client|tracking" } else { "-client" };
    let server =
        RedisServer::builder().user("mute", "m", &format!("~* resetchannels +@all {forbidden}")).start();
    let url = server.url_as("mute", "m");
    (server, url)
}

#[tokio::test]
async fn a_bounded_copy_is_older_than_a_write_by_its_time_at_most_and_no_write_waits() {
    let (_server, url) = without_tracking();
    let (here, there, row) = (cache(&url).await, cache(&url).await, Row::default());
    let mut longest = Duration::ZERO;
    for _ in 0..4 {
        here.scope(copied(|| bounded(&row, 1))).await;
        let written = there.scope(save_bounded(&row, 1)).await;
        longest = longest.max(old_for(written, || here.scope(bounded(&row, 1)), LOCAL).await);
    }
    println!("a bounded copy was given for {longest:?} after a write");
    assert!(longest > Duration::ZERO, "nobody has told it of any write");
    assert_eq!(there.stats().writes_waited, 0);
}

#[tokio::test]
async fn a_server_that_announces_changes_ends_bounded_copies_before_their_time() {
    let server = RedisServer::start();
    let (here, there, row) = (cache(&server.url()).await, cache(&server.url()).await, Row::default());
    // Of one minute, which is longer than `LONG`.
    here.scope(copied(|| tagged(&row, 1))).await;
    let written = there.scope(save_tagged(&row)).await;
    old_for(written, || here.scope(tagged(&row, 1)), LONG).await;
    here.scope(copied(|| tagged(&row, 1))).await;
    there.scope(async { tagged::key(1).invalidate().await.unwrap() }).await;
    row.save();
    old_for(row.load(), || here.scope(tagged(&row, 1)), LONG).await;
    let read = || FAMILY.get_or_load(1, || async { row.load() });
    here.scope(copied(read)).await;
    row.save();
    there.scope(async { FAMILY.key(1).invalidate().await.unwrap() }).await;
    old_for(row.load(), || here.scope(read()), LONG).await;
    assert_eq!(there.stats().writes_waited, 0);
    assert!(here.stats().total.local_hits > 0);
}

#[tokio::test]
async fn batches_are_given_copies_and_make_them() {
    let server = RedisServer::start();
    let (here, there, row) = (cache(&server.url()).await, cache(&server.url()).await, Row::default());
    let ids: Vec<u64> = (0..20).collect();
    let all_copied = async || {
        let begun = Instant::now();
        loop {
            let (values, observed) = observe(several(&row, &ids)).await;
            assert_eq!(values.len(), ids.len());
            let sources: Vec<_> = observed.calls().iter().map(|call| call.source).collect();
            if sources.iter().all(|source| *source == Source::Local) {
                return;
            }
            assert!(begun.elapsed() < LONG, "there are no copies: {sources:?}");
            sleep(Duration::from_millis(1)).await;
        }
    };
    here.scope(async {
        // Copies are those of the single function: each is asked for once, by which it makes none.
        let mut singles = ids.iter();
        loop {
            all_copied().await;
            let id = *singles.next().expect("a copy of the batch is given to the single function");
            if observe(exact(&row, id)).await.1.source() == Some(Source::Local) {
                break;
            }
        }
        // One of them is new.
        assert_eq!(several(&row, &[1, 2, 100]).await.len(), 3);
    })
    .await;
    until_writes_waited(&there, 1, async || {
        here.scope(all_copied()).await;
        let written = there.scope(save(&row, 7)).await;
        let values = here.scope(several(&row, &ids)).await;
        assert_eq!(values[&7], written, "the batch gives a copy from before a write that has returned");
    })
    .await;
}

#[tokio::test]
async fn a_batch_that_refreshes_waits_for_the_copies_of_what_it_replaces() {
    let server = RedisServer::start();
    let (here, there, row) = (cache(&server.url()).await, cache(&server.url()).await, Row::default());
    for _ in 0..3 {
        here.scope(copied(|| exact(&row, 1))).await;
        let new = row.save();
        assert_eq!(there.scope(refresh(several(&row, &[1, 2]))).await[&1], new);
        let given = here.scope(exact(&row, 1)).await;
        assert_eq!(given, new, "a copy is older than what a refresh has given");
    }
}

/// What Redis has lost no writer is told of; a process that hears of the loss uses its copies no longer.
#[tokio::test]
async fn a_lost_entry_is_given_for_the_time_of_a_copy_at_most() {
    let server = RedisServer::start();
    let (here, there, row) = (cache(&server.url()).await, cache(&server.url()).await, Row::default());
    let run = |command: &str, args: &[&str]| -> redis::Value { server.run(cmd(command).arg(args)) };
    let evict = || {
        run("CONFIG", &["SET", "maxmemory-policy", "allkeys-random"]);
        run("CONFIG", &["SET", "maxmemory", "1"]);
        // Whoever writes evicts; this is refused, since nothing else is left to go.
        let refused: redis::RedisResult<()> =
            cmd("SET").arg("filler").arg("x").exec(&mut server.connection());
        drop(refused);
        run("CONFIG", &["SET", "maxmemory", "0"]);
    };
    let flush = || drop(run("FLUSHALL", &[]));
    for (name, lose) in [("eviction", &evict as &dyn Fn()), ("FLUSHALL", &flush)] {
        here.scope(copied(|| exact(&row, 1))).await;
        lose();
        let exists: bool = server.run(cmd("EXISTS").arg("copies:copy:1"));
        assert!(!exists, "{name}");
        let written = there.scope(save(&row, 1)).await;
        let old = old_for(written, || here.scope(exact(&row, 1)), LOCAL).await;
        println!("{name}: the copy was given for {old:?} after the write");
    }
    assert_eq!(there.stats().writes_waited, 0, "nobody told it of the copies");
}

/// The registration moves with the entry, and to a replica that has received it.
#[tokio::test]
async fn copies_end_in_time_where_the_slot_of_their_entry_moves_and_where_its_node_fails_over() {
    let cluster = RedisCluster::start();
    let (here, there, row) = (cache(&cluster.url()).await, cache(&cluster.url()).await, Row::default());
    let key = "copies:copy:1";
    for move_it in [&(|| cluster.begin_migration(key).finish()) as &dyn Fn(), &|| {
        cluster.fail_over(key);
    }] {
        here.scope(copied(|| exact(&row, 1))).await;
        move_it();
        // Their registrations go on where the entry is now.
        here.scope(copied(|| exact(&row, 1))).await;
        let written = there.scope(save(&row, 1)).await;
        let old = old_for(written, || here.scope(exact(&row, 1)), LOCAL).await;
        println!("the copy was given for {old:?} after the write");
    }
}
