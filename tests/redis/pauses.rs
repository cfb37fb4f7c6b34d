//! Processes that stand still while Redis does not: on waking they know nothing of the time between, and must not take Redis for dead.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use cached_aside_tests::{RedisServer, Worker, machine::Watch};
use tempfile::NamedTempFile;
use tokio::time::sleep;

/// What a call waits for Redis, unless the program says something else.
const TIMEOUT: Duration = Duration::from_millis(250);

/// Two processes that share rows: one reads and writes them, the other reads them and counts what is stale.
pub(crate) struct Pair {
    pub(crate) writer: Worker,
    pub(crate) reader: Worker,
    _rows: NamedTempFile,
}

impl Pair {
    pub(crate) async fn start(server: &RedisServer) -> Pair {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let namespace = format!("pauses-{}", NEXT.fetch_add(1, Relaxed));
        let rows = NamedTempFile::new().unwrap();
        let path = rows.path().to_str().unwrap().to_owned();
        let worker = |role| crate::worker("pauses", &[&server.url(), &namespace, &path, role]);
        let (mut writer, mut reader) = (worker("write"), worker("read"));
        writer.expect("ready").await;
        reader.expect("ready").await;
        sleep(Duration::from_millis(500)).await;
        Pair { writer, reader, _rows: rows }
    }

    pub(crate) async fn counts(worker: &mut Worker) -> Counts {
        worker.send("counts");
        let line = worker.line().await;
        let count = |name: &str| {
            let mut words = line.split_whitespace().skip_while(|word| *word != name);
            words.nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{name} of {line}"))
        };
        Counts {
            writes: count("writes"),
            unguarded: count("unguarded"),
            undelivered: count("undelivered"),
            outages: count("outages"),
            hits: count("hits"),
            reads: count("reads"),
            stale: count("stale"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) writes: u64,
    pub(crate) unguarded: u64,
    pub(crate) undelivered: u64,
    pub(crate) outages: u64,
    pub(crate) hits: u64,
    pub(crate) reads: u64,
    pub(crate) stale: u64,
}

impl Counts {
    /// What a healthy Redis means for one who writes.
    fn nothing_went_wrong(&self) {
        assert_eq!((self.unguarded, self.undelivered, self.outages), (0, 0, 0), "{self:?}");
    }
}

/// Pauses of 0.2 to 2 s, spread evenly.
fn pause_of(turn: u64) -> Duration {
    Duration::from_millis(200 + turn * 467 % 1_800)
}

#[tokio::test]
async fn a_process_that_stood_still_does_not_take_redis_for_dead() {
    let pauses: u64 = std::env::var("PAUSES").map_or(12, |pauses| pauses.parse().unwrap());
    let server = RedisServer::start();
    let mut pair = Pair::start(&server).await;
    for turn in 0..pauses {
        pair.writer.pause();
        sleep(pause_of(turn)).await;
        pair.writer.resume();
        sleep(Duration::from_millis(300)).await;
    }
    let (writer, reader) = (Pair::counts(&mut pair.writer).await, Pair::counts(&mut pair.reader).await);
    println!("{pauses} pauses of 0.2 to 2 s: writer {writer:?}, reader {reader:?}");
    assert!(writer.writes > 100 && writer.hits > 0 && reader.reads > 100 && reader.hits > 0, "{writer:?}");
    assert_eq!(reader.stale, 0, "{reader:?}");
    writer.nothing_went_wrong();
}

#[tokio::test]
async fn tasks_that_block_their_threads_do_not_make_redis_dead() {
    let server = RedisServer::start();
    let mut pair = Pair::start(&server).await;
    for turn in 0..8 {
        pair.writer.send(format_args!("block {}", 300 + 150 * turn));
        sleep(Duration::from_millis(400 + 150 * turn)).await;
    }
    let (writer, reader) = (Pair::counts(&mut pair.writer).await, Pair::counts(&mut pair.reader).await);
    println!("8 blocks of 0.3 to 1.4 s: writer {writer:?}, reader {reader:?}");
    assert!(writer.writes > 100 && reader.hits > 0, "{writer:?}");
    assert_eq!(reader.stale, 0, "{reader:?}");
    writer.nothing_went_wrong();
}

#[tokio::test]
async fn a_burst_of_ones_own_does_not_make_redis_dead() {
    let server = RedisServer::start();
    let mut pair = Pair::start(&server).await;
    let watch = Watch::of(&server);
    for _ in 0..3 {
        pair.writer.send("burst 10000");
        pair.writer.expect("burst").await;
    }
    let slowest = watch.slowest();
    let (writer, reader) = (Pair::counts(&mut pair.writer).await, Pair::counts(&mut pair.reader).await);
    println!("3 bursts of 10,000: writer {writer:?}, reader {reader:?}, slowest answer {slowest:?}");
    assert!(writer.writes > 0 && reader.reads > 0, "{writer:?}");
    // On a machine with too much to do Redis may let everybody wait: a program gives it half the time of a call.
    assert!(writer.outages == 0 || slowest > TIMEOUT / 2, "{writer:?}, {reader:?}, {slowest:?}");
    // Behind a burst on a busy machine a guard or a release may take longer than its limit, but that is the exception.
    assert!((writer.unguarded + writer.undelivered) * 20 <= writer.writes, "{writer:?}");
    assert!(reader.stale == 0 || writer.undelivered > 0, "{writer:?}, {reader:?}");
}
