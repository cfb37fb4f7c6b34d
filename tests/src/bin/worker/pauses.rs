//! An application with a few rows in a file, that can be stopped and continued at any time: it reads and writes them, or only
//! reads them and counts what is older than a completed write.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use cached_aside::{Cache, cached_aside, invalidates};
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    task::yield_now,
    time::sleep,
};

/// Number of rows, each of which is written by one task only.
const ROWS: u64 = 100;
/// Number of tasks that write.
const WRITERS: u64 = 10;

/// The database: a version a row, then for each row the version of the last write that has returned, then the row that was
/// written last.
#[derive(Clone)]
struct Rows(Arc<File>);

impl Rows {
    fn get(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        // Past the end of the file nothing was written yet.
        let _ = self.0.read_exact_at(&mut bytes, at * 8);
        u64::from_le_bytes(bytes)
    }

    fn set(&self, at: u64, value: u64) {
        self.0.write_all_at(&value.to_le_bytes(), at * 8).expect("a file can be written");
    }

    fn completed(&self, row: u64) -> u64 {
        self.get(ROWS + row)
    }

    fn complete(&self, row: u64, version: u64) {
        self.set(ROWS + row, version);
        self.set(2 * ROWS, row);
    }

    fn written_last(&self) -> u64 {
        self.get(2 * ROWS)
    }
}

#[cached_aside(ttl = "30s", key = "row:{id}", skip(rows))]
async fn row(rows: &Rows, id: u64) -> u64 {
    rows.get(id)
}

#[invalidates(row(id))]
async fn write(rows: &Rows, id: u64) -> u64 {
    let version = rows.get(id) + 1;
    rows.set(id, version);
    version
}

/// `pauses CACHE NAMESPACE FILE write|read`
#[tokio::main(worker_threads = 2)]
pub(crate) async fn run(args: &[String]) -> io::Result<()> {
    let [cache, namespace, file, role] = args else {
        return Err(io::Error::other("pauses CACHE NAMESPACE FILE write|read"));
    };
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(file)?;
    let rows = Rows(Arc::new(file));
    let cache = Cache::builder().url(cache).namespace(namespace).build().await.map_err(io::Error::other)?;
    cache.clone().install().map_err(io::Error::other)?;
    let (reads, stale) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    if role == "write" {
        reads_and_writes(&rows);
    } else {
        reads_only(&rows, &reads, &stale);
    }
    println!("ready");
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (word, number) = line.split_once(' ').unwrap_or((&line, ""));
        let number: u64 = number.parse().unwrap_or(0);
        match word {
            // What guards and connections have come to, and what was read.
            "counts" => {
                let stats = cache.stats();
                println!(
                    "writes {} unguarded {} undelivered {} outages {} hits {} reads {} stale {}",
                    stats.writes,
                    stats.guards_failed,
                    stats.undelivered,
                    stats.nodes.iter().map(|node| node.outages).sum::<u64>(),
                    stats.total.hits,
                    reads.load(Relaxed),
                    stale.load(Relaxed)
                );
            }
            // Tasks that block every thread of this runtime for so many milliseconds.
            "block" => {
                for _ in 0..2 {
                    tokio::spawn(async move { thread::sleep(Duration::from_millis(number)) });
                }
            }
            // Concurrent reads of keys that were never read: their number.
            "burst" => {
                let burst: Vec<_> = (0..number)
                    .map(|id| {
                        let rows = rows.clone();
                        tokio::spawn(async move { row(&rows, ROWS * 10 + id).await })
                    })
                    .collect();
                for read in burst {
                    read.await.map_err(io::Error::other)?;
                }
                println!("burst");
            }
            _ => return Err(io::Error::other(format!("unknown command `{line}`"))),
        }
    }
    Ok(())
}

fn reads_and_writes(rows: &Rows) {
    for task in 0..WRITERS {
        let reader = rows.clone();
        tokio::spawn(async move {
            let mut id = task;
            loop {
                row(&reader, id % ROWS).await;
                id += 7;
                yield_now().await;
            }
        });
        let writer = rows.clone();
        tokio::spawn(async move {
            let mut turn = 0;
            loop {
                let id = (turn * WRITERS + task) % ROWS;
                let version = write(&writer, id).await;
                writer.complete(id, version);
                turn += 1;
                sleep(Duration::from_millis(10 + task)).await;
            }
        });
    }
}

fn reads_only(rows: &Rows, reads: &Arc<AtomicU64>, stale: &Arc<AtomicU64>) {
    for task in 0..12_u64 {
        let (rows, reads, stale) = (rows.clone(), reads.clone(), stale.clone());
        tokio::spawn(async move {
            let mut turn = task;
            loop {
                turn += 1;
                let id = if task < 4 { rows.written_last() } else { turn % ROWS };
                let completed = rows.completed(id);
                let version = row(&rows, id).await;
                reads.fetch_add(1, Relaxed);
                if version < completed {
                    stale.fetch_add(1, Relaxed);
                }
                sleep(Duration::from_micros(300)).await;
            }
        });
    }
}
