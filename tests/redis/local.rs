//! Local copies over a real server: what they save, and that nobody is given one that is older than a write.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cached_aside::{
    Cache, Cached, Error, Source, bypass, cached_aside, invalidates, observe, only_cached, refresh,
    transaction, updates,
};
use cached_aside_tests::{RedisCluster, RedisServer, Worker};
use redis::cmd;
use tokio::time::sleep;

use crate::support::{connect, copied, patient, until_writes_waited};

/// How long a copy may be used, and what a busy machine may take.
const LOCAL: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(20);

/// The rows of one test.
#[derive(Clone, Default)]
struct Rows(Arc<AtomicU64>);

#[derive(Clone)]
struct Repo {
    rows: Rows,
}

#[cached_aside(ttl = "30s", key = "local:{id}", skip(rows), none_ttl = "30s", local = "500ms")]
async fn row(rows: &Rows, id: u64) -> Option<Arc<u64>> {
    let _ = id;
    Some(rows.0.load(SeqCst)).filter(|row| *row < 1_000).map(Arc::new)
}

#[invalidates(row(id))]
async fn save(rows: &Rows, id: u64) -> u64 {
    let _ = id;
    rows.0.fetch_add(1, SeqCst) + 1
}

#[updates(row(id))]
async fn change(rows: &Rows, id: u64) -> Option<Arc<u64>> {
    let _ = id;
    Some(Arc::new(rows.0.fetch_add(1, SeqCst) + 1))
}

impl Repo {
    #[cached_aside(ttl = "30s", key = "local_method:{id}", skip(self), local = "500ms")]
    async fn row(&self, id: u64) -> Result<u64, Error> {
        let _ = id;
        Ok(self.rows.0.load(SeqCst))
    }

    #[invalidates(self.row(id))]
    async fn save(&self, id: u64) -> Result<u64, Error> {
        let _ = id;
        Ok(self.rows.0.fetch_add(1, SeqCst) + 1)
    }
}

#[cached_aside(
    ttl = "30s",
    key = "local_tagged:{group}:{id}",
    skip(rows),
    tags("local:{group}", "local"),
    local = "500ms"
)]
async fn tagged(rows: &Rows, group: u64, id: u64) -> u64 {
    let _ = (group, id);
    rows.0.load(SeqCst)
}

#[invalidates(tags("local:{group}"))]
async fn save_group(rows: &Rows, group: u64) -> u64 {
    let _ = group;
    rows.0.fetch_add(1, SeqCst) + 1
}

static FAMILY: Cached<u64> = Cached::new("local_family", Duration::from_secs(30)).local(LOCAL);

async fn cache(server: &RedisServer) -> Cache {
    patient(server.url()).namespace("local").build().await.unwrap()
}

/// Two processes' caches over one server: one reads without a pause, the other writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_given_a_copy_from_before_a_write_that_has_returned() {
    let server = RedisServer::start();
    let (here, there) = (cache(&server).await, cache(&server).await);
    let (rows, completed, over) =
        (Rows::default(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let reads = tokio::spawn({
        let (rows, completed, over, here) = (rows.clone(), completed.clone(), over.clone(), here.clone());
        async move {
            let mut last = 0;
            while !over.load(SeqCst) {
                let oldest = completed.load(SeqCst).max(last);
                last = *here.scope(row(&rows, 1)).await.unwrap();
                assert!(last >= oldest, "{last} is older than {oldest}");
                tokio::task::yield_now().await;
            }
        }
    });
    let mut round = 0;
    until_writes_waited(&there, 6, async || {
        here.scope(copied(|| row(&rows, 1))).await;
        let written = if round % 2 == 0 {
            there.scope(save(&rows, 1)).await
        } else {
            *there.scope(change(&rows, 1)).await.unwrap()
        };
        round += 1;
        completed.store(written, SeqCst);
        assert_eq!(here.scope(row(&rows, 1)).await.as_deref(), Some(&written));
    })
    .await;
    over.store(true, SeqCst);
    reads.await.unwrap();
    let (here, there) = (here.stats(), there.stats());
    assert!(there.writes_waited_ms > 0 && there.writes_waited_ms <= 6 * 502, "{}", there.writes_waited_ms);
    assert!(here.total.local_hits > 100, "{here:?}");
    assert!(here.total.local_hits > 10 * here.total.hits, "{here:?}");
}

#[tokio::test]
async fn a_write_of_a_cold_key_does_not_wait() {
    let server = RedisServer::start();
    let (cache, rows) = (cache(&server).await, Rows::default());
    for id in 0..20 {
        cache.scope(row(&rows, id)).await;
        cache.scope(save(&rows, id)).await;
    }
    assert_eq!((cache.stats().writes_waited, cache.stats().local_entries), (0, 0));
}

/// It holds a copy and is stopped; the write does not know of that, and waits no longer than ever.
#[tokio::test]
async fn a_process_that_was_stopped_gives_no_copy_from_before_a_write() {
    #[invalidates("row")]
    async fn write(file: &str, version: u64) {
        fs::write(file, version.to_string()).unwrap();
    }
    let server = RedisServer::start();
    let (cache, file) = (cache(&server).await, tempfile::NamedTempFile::new().unwrap());
    let path = file.path().to_str().unwrap().to_owned();
    fs::write(&path, "0").unwrap();
    let mut worker: Worker = crate::worker("local", &[&server.url(), "local", &path]);
    worker.expect("ready").await;
    let mut version = 0;
    until_writes_waited(&cache, 3, async || {
        version += 1;
        let begun = Instant::now();
        loop {
            worker.send("read");
            let line = worker.line().await;
            assert_eq!(line.split(' ').next(), Some((version - 1).to_string().as_str()));
            if line.ends_with(" local") {
                break;
            }
            assert!(begun.elapsed() < LONG, "there is no copy: {line}");
        }
        worker.pause();
        // What it does first when it goes on.
        worker.send("read");
        let begun = Instant::now();
        cache.scope(write(&path, version)).await;
        println!("the write waited {:?}", begun.elapsed());
        worker.resume();
        let line = worker.line().await;
        assert_eq!(line.split(' ').next(), Some(version.to_string().as_str()), "{line}");
        assert!(!line.ends_with(" local"), "{line}");
    })
    .await;
}

#[tokio::test]
async fn what_redis_has_lost_is_given_for_the_time_of_a_copy_at_most() {
    let server = RedisServer::start();
    let mut admin = connect(&server.url()).unwrap();
    let mut run = |command: &str| {
        let mut words = command.split(' ');
        cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).exec(&mut admin).unwrap();
    };
    for how in ["DEL local:local:1", "FLUSHALL", "an eviction"] {
        let (here, there, rows) = (cache(&server).await, cache(&server).await, Rows::default());
        here.scope(copied(|| row(&rows, 1))).await;
        if how == "an eviction" {
            run("CONFIG SET maxmemory-policy allkeys-random");
            run("CONFIG SET maxmemory 1");
            let begun = Instant::now();
            while server.run::<bool>(cmd("EXISTS").arg("local:local:1")) {
                assert!(begun.elapsed() < LONG, "nothing is evicted");
            }
        } else {
            run(how);
        }
        let lost = Instant::now();
        run("CONFIG SET maxmemory 0");
        let written = there.scope(save(&rows, 1)).await;
        assert_eq!(there.stats().writes_waited, 0, "{how}: nobody told it of the copy");
        let mut longest = Duration::ZERO;
        loop {
            // Whoever asks after that is given what was written, however slow the machine is.
            let asked = lost.elapsed();
            if here.scope(row(&rows, 1)).await.as_deref() == Some(&written) {
                break;
            }
            assert!(asked < LOCAL, "{how}: it is given {asked:?} after the entry was lost");
            longest = asked;
            sleep(Duration::from_millis(1)).await;
        }
        println!("{how}: the copy was given until {longest:?} after that");
        there.scope(row::key(1).invalidate()).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_connection_ends_the_copies_of_a_process() {
    let server = RedisServer::start();
    let (cache, rows) = (cache(&server).await, Rows::default());
    cache
        .scope(async {
            copied(|| row(&rows, 1)).await;
            let begun = Instant::now();
            for kind in ["normal", "pubsub"] {
                let mut admin = connect(&server.url()).unwrap();
                cmd("CLIENT").arg(&["KILL", "TYPE", kind]).exec(&mut admin).unwrap();
            }
            // Far within the time of the copy, which is registered again before it ends.
            while observe(row(&rows, 1)).await.1.source() == Some(Source::Local) {
                assert!(begun.elapsed() < LONG, "the copy is used on");
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
}

#[tokio::test]
async fn calls_that_ask_for_more_are_given_no_copy() {
    let server = RedisServer::start();
    let (cache, rows) = (cache(&server).await, Rows::default());
    cache
        .scope(async {
            let begun = Instant::now();
            // It makes no copy by itself.
            while observe(only_cached(row(&rows, 1))).await.1.source() != Some(Source::Local) {
                assert!(begun.elapsed() < LONG, "it is given no copy");
                copied(|| row(&rows, 1)).await;
            }
            let own = transaction(async { Ok::<_, Error>(observe(row(&rows, 1)).await.1.source()) });
            assert_ne!(own.await.unwrap(), Some(Source::Local));
            assert_eq!(observe(bypass(row(&rows, 1))).await.1.source(), Some(Source::Bypassed));
            assert_eq!(row::key(1).peek().await.unwrap().as_deref(), Some(&0));
            rows.0.store(7, SeqCst);
            // It waits for the copies of what it replaces.
            assert_eq!(refresh(row(&rows, 1)).await.as_deref(), Some(&7));
            assert_eq!(row(&rows, 1).await.as_deref(), Some(&7));
        })
        .await;
}

#[tokio::test]
async fn methods_families_and_stored_nones_have_copies_too() {
    let server = RedisServer::start();
    let (cache, rows) = (cache(&server).await, Rows::default());
    let repo = Repo { rows: rows.clone() };
    let method = async || {
        let old = copied(|| repo.row(1)).await.unwrap();
        assert_eq!(repo.save(1).await.unwrap(), old + 1);
        assert_eq!(repo.row(1).await.unwrap(), old + 1);
    };
    let family = async || {
        let read = || FAMILY.get_or_load(5, || async { rows.0.load(SeqCst) });
        let old = copied(read).await;
        rows.0.store(old + 1, SeqCst);
        FAMILY.key(5).invalidate().await.unwrap();
        assert_eq!(read().await, old + 1);
    };
    let none = async || {
        rows.0.store(1_000, SeqCst);
        row::key(6).invalidate().await.unwrap();
        assert_eq!(copied(|| row(&rows, 6)).await, None);
        rows.0.store(1, SeqCst);
        row::key(6).invalidate().await.unwrap();
        assert_eq!(row(&rows, 6).await.as_deref(), Some(&1));
    };
    cache
        .scope(async {
            until_writes_waited(&cache, 1, method).await;
            until_writes_waited(&cache, 1, family).await;
            until_writes_waited(&cache, 1, none).await;
        })
        .await;
}

/// Copies of many entries, in a cluster where their tags lie on other nodes.
#[tokio::test]
async fn a_write_of_a_tag_waits_once_for_all_copies_of_what_carries_it() {
    let (single, cluster) = (RedisServer::start(), RedisCluster::start());
    for url in [single.url(), cluster.url()] {
        let cache = || patient(&url).namespace("local").build();
        let (here, there) = (cache().await.unwrap(), cache().await.unwrap());
        let (rows, mut written) = (Rows::default(), 0);
        let mut round = 0;
        until_writes_waited(&there, 3, async || {
            round += 1;
            for id in 0..20 {
                assert_eq!(here.scope(copied(|| tagged(&rows, 1, id))).await, written);
            }
            let (begun, before) = (Instant::now(), there.stats().writes_waited);
            written = if round % 3 == 0 {
                let written = rows.0.fetch_add(1, SeqCst) + 1;
                there.invalidate_tag("local").await.unwrap();
                written
            } else {
                there.scope(save_group(&rows, 1)).await
            };
            println!("the write took {:?}", begun.elapsed());
            let waited = there.stats().writes_waited;
            assert!(waited <= before + 1, "once for each write of the tags");
            for id in 0..20 {
                assert_eq!(here.scope(tagged(&rows, 1, id)).await, written, "a copy from before the write");
            }
            there.scope(save_group(&Rows::default(), 2)).await;
            assert_eq!(there.stats().writes_waited, waited, "nobody has copies of these");
        })
        .await;
    }
}

#[tokio::test]
async fn copies_need_room() {
    let refused = Cache::builder().in_process().local_capacity(0).build().await.unwrap_err();
    assert!(refused.to_string().contains("local_capacity"), "{refused}");
    let server = RedisServer::start();
    let cache = patient(server.url()).namespace("local").local_capacity(10).build().await.unwrap();
    let rows = Rows::default();
    for _ in 0..50 {
        cache.scope(row(&rows, 1)).await;
    }
    assert_eq!((cache.stats().total.local_hits, cache.stats().local_bytes), (0, 0));
    cache.scope(row::key(1).invalidate()).await.unwrap();
    assert_eq!(cache.stats().writes_waited, 0, "for a copy that nobody has");
}
