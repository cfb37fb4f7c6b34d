//! Rows of several kinds, read with every hit verified, and written through annotated functions: `verified CACHE DATABASE NAMESPACE`.
//!
//! `storm HITS WRITES` reads until so many hits were verified, with so many writes in a thousand calls; `stray` writes without a word.

use std::{
    io::{self, BufRead},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use cached_aside::{Cache, cached_aside, invalidates, updates};
use cached_aside_tests::chaos::random::Random;
use redis::{Script, aio::MultiplexedConnection};

/// Rows of each kind.
const ROWS: u64 = 4;
/// Callers at a time.
const CALLERS: u64 = 8;
/// How long the replica answers with the row from before the last write (ms).
const LAG: u64 = 100;

/// The database: each row is a number that every write raises.
#[derive(Clone)]
struct Database(MultiplexedConnection);

impl Database {
    async fn eval(&self, script: &str, key: String, lag: u64) -> u64 {
        let mut connection = self.0.clone();
        let script = Script::new(script);
        script.key(key).arg(lag).invoke_async(&mut connection).await.expect("the database answers")
    }

    async fn get(&self, kind: &str, id: u64) -> u64 {
        self.eval("return tonumber(redis.call('GET', KEYS[1]) or 0)", format!("verified:{kind}:{id}"), 0)
            .await
    }

    async fn raise(&self, kind: &str, id: u64) -> u64 {
        self.eval("return redis.call('INCR', KEYS[1])", format!("verified:{kind}:{id}"), 0).await
    }

    /// What a replica has that lags, by the server's clock.
    async fn get_late(&self, id: u64) -> u64 {
        let read = "local now = redis.call('TIME'); now = now[1] * 1000 + math.floor(now[2] / 1000); \
             local row = redis.call('HMGET', KEYS[1], 'old', 'new', 'at'); \
             return tonumber((now - (row[3] or 0) < tonumber(ARGV[1]) and row[1] or row[2]) or 0)";
        self.eval(read, format!("verified:late:{id}"), LAG).await
    }

    async fn raise_late(&self, id: u64) -> u64 {
        let write = "local now = redis.call('TIME'); now = now[1] * 1000 + math.floor(now[2] / 1000); \
             local row = redis.call('HMGET', KEYS[1], 'old', 'new', 'at'); \
             local old = (now - (row[3] or 0) < tonumber(ARGV[1]) and row[1] or row[2]) or 0; \
             redis.call('HSET', KEYS[1], 'old', old, 'at', now); return redis.call('HINCRBY', KEYS[1], 'new', 1)";
        self.eval(write, format!("verified:late:{id}"), LAG).await
    }
}

#[cached_aside(ttl = "1m", key = "plain:{id}", skip(database))]
async fn plain(database: &Database, id: u64) -> u64 {
    database.get("plain", id).await
}

#[invalidates(plain(id))]
async fn write_plain(database: &Database, id: u64) {
    database.raise("plain", id).await;
}

/// The write that nobody annotated.
async fn stray(database: &Database) {
    for id in 0..ROWS {
        database.raise("plain", id).await;
    }
}

#[cached_aside(ttl = "1m", key = "unguarded:{id}", skip(database))]
async fn unguarded(database: &Database, id: u64) -> u64 {
    database.get("unguarded", id).await
}

#[invalidates(unguarded(id), guard = "off")]
async fn write_unguarded(database: &Database, id: u64) {
    database.raise("unguarded", id).await;
}

#[cached_aside(ttl = "1m", key = "tagged:{id}", skip(database), tags("all"))]
async fn tagged(database: &Database, id: u64) -> u64 {
    database.get("tagged", id).await
}

#[invalidates(tags("all"))]
async fn write_tagged(database: &Database, id: u64) {
    database.raise("tagged", id).await;
}

#[cached_aside(ttl = "1m", key = "named:{id}", skip(database))]
async fn named(database: &Database, id: u64) -> u64 {
    database.get("named", id).await
}

#[invalidates(named(*result))]
async fn write_named(database: &Database, id: u64) -> u64 {
    database.raise("named", id).await;
    id
}

#[cached_aside(ttl = "1m", key = "updated:{id}", skip(database))]
async fn updated(database: &Database, id: u64) -> u64 {
    database.get("updated", id).await
}

#[updates(updated(id))]
async fn write_updated(database: &Database, id: u64) -> u64 {
    database.raise("updated", id).await
}

#[cached_aside(ttl = "1m", key = "late:{id}", skip(database))]
async fn late(database: &Database, id: u64) -> u64 {
    database.get_late(id).await
}

#[invalidates(late(id), settle = "300ms")]
async fn write_late(database: &Database, id: u64) {
    database.raise_late(id).await;
}

async fn read(database: &Database, kind: u64, id: u64) {
    match kind {
        0 => plain(database, id).await,
        1 => unguarded(database, id).await,
        2 => tagged(database, id).await,
        3 => named(database, id).await,
        4 => updated(database, id).await,
        _ => late(database, id).await,
    };
}

async fn write(database: &Database, kind: u64, id: u64) {
    match kind {
        0 => write_plain(database, id).await,
        1 => write_unguarded(database, id).await,
        2 => write_tagged(database, id).await,
        3 => drop(write_named(database, id).await),
        4 => drop(write_updated(database, id).await),
        _ => write_late(database, id).await,
    }
}

/// Calls until so many hits were verified.
async fn storm(database: &Database, cache: &Cache, hits: u64, writes: u64) {
    let over = Arc::new(AtomicBool::new(false));
    let callers = (0..CALLERS).map(|caller| {
        let (database, over) = (database.clone(), over.clone());
        let mut random = Random::new(u64::from(std::process::id()), &[caller]);
        tokio::spawn(async move {
            while !over.load(Relaxed) {
                let (kind, id) = (random.below(6), random.below(ROWS));
                if random.per_mille(writes) {
                    write(&database, kind, id).await;
                } else {
                    read(&database, kind, id).await;
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let compared = || {
        let total = cache.stats().total;
        total.verified + total.mismatched + total.unverifiable
    };
    while compared() < hits {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    over.store(true, Relaxed);
    for caller in callers {
        caller.await.expect("a caller ends");
    }
}

/// `verified CACHE DATABASE NAMESPACE`
#[tokio::main]
pub(crate) async fn run(args: &[String]) -> io::Result<()> {
    let [cache, database, namespace] = args else {
        return Err(io::Error::other("verified CACHE DATABASE NAMESPACE"));
    };
    let builder = Cache::builder().url(cache).namespace(namespace).verify(1.0);
    let cache = builder.build().await.map_err(io::Error::other)?;
    let client = redis::Client::open(database.as_str()).map_err(io::Error::other)?;
    let patient = redis::AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&patient).await;
    let database = Database(connection.map_err(io::Error::other)?);
    cache.clone().install().map_err(io::Error::other)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(0);
        match words.first().copied() {
            Some("storm") => storm(&database, &cache, number(1), number(2)).await,
            Some("stray") => stray(&database).await,
            other => return Err(io::Error::other(format!("unknown command {other:?}"))),
        }
        let total = cache.stats().total;
        println!("{} {} {}", total.verified, total.mismatched, total.unverifiable);
    }
    Ok(())
}
