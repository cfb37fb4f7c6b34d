//! A user directory in SQLite that reads through a cache.
//!
//! ```sh
//! CACHED_ASIDE_URL=in-process cargo run -p quickstart          # the cache lives in this process
//! REDIS_URL=redis://127.0.0.1:6379 cargo run -p quickstart     # the cache lives in Redis
//! RUST_LOG=cached_aside=debug cargo run -p quickstart          # and tells what it does
//! ```

use cached_aside::{Cache, cached_aside, invalidates};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    error::Error,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

/// Added to every query, as if the database were busy and across a network.
const ORIGIN_LATENCY: Duration = Duration::from_millis(20);

#[derive(Debug, Serialize, Deserialize)]
struct User {
    id: u32,
    name: String,
    email: String,
}

/// The body runs when the cache has no entry. Whoever asks meanwhile waits for its result.
#[cached_aside(ttl = "5m", key = "user:{id}", skip(db))]
async fn load_user(db: &Db, id: u32) -> rusqlite::Result<Option<User>> {
    db.loads.fetch_add(1, Ordering::Relaxed);
    db.query(|connection| {
        let sql = "SELECT id, name, email FROM users WHERE id = ?";
        let user = |row: &rusqlite::Row| Ok(User { id: row.get(0)?, name: row.get(1)?, email: row.get(2)? });
        connection.query_row(sql, [id], user).optional()
    })
    .await
}

/// Once this has returned, no reader gets the old name any more, in this process or another.
#[invalidates(load_user(id))]
async fn rename_user(db: &Db, id: u32, name: &str) -> rusqlite::Result<()> {
    db.query(|connection| connection.execute("UPDATE users SET name = ? WHERE id = ?", (name, id))).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();

    // Redis if `CACHED_ASIDE_URL` or `REDIS_URL` is set, otherwise this process, with a warning.
    Cache::from_env().await?.install()?;
    let db = Arc::new(Db::open()?);

    // This database is new, but Redis may still hold what an earlier run stored.
    for id in [1, 2] {
        load_user::key(id).invalidate().await?;
    }

    println!("Each query takes {ORIGIN_LATENCY:?} longer than SQLite needs, as it would across a network.\n");
    println!("{:36}{:>11}{:>8}   result", "", "took", "loads");
    step(&db, "a cold read", 1, "Ada Lovelace", read(&db, 1, 1)).await?;
    step(&db, "a hot read", 0, "Ada Lovelace", read(&db, 1, 1)).await?;
    step(&db, "a write that invalidates", 0, "Ada King", rename(&db, 1, "Ada King")).await?;
    step(&db, "another reader, at once", 1, "Ada King", read(&db, 1, 1)).await?;
    step(&db, "a hot read of the new value", 0, "Ada King", read(&db, 1, 1)).await?;
    step(&db, "100 readers at once, a cold entry", 1, "Grace Hopper", read(&db, 2, 100)).await?;
    println!("\n104 reads, {} loads.", db.loads());
    Ok(())
}

/// Reads a user in so many tasks at once; gives the name they all read, or the names.
async fn read(db: &Arc<Db>, id: u32, readers: usize) -> Result<String, Box<dyn Error>> {
    let mut tasks = JoinSet::new();
    for _ in 0..readers {
        let db = Arc::clone(db);
        tasks.spawn(async move { load_user(&db, id).await });
    }
    let mut names = BTreeSet::new();
    while let Some(user) = tasks.join_next().await {
        names.extend(user??.map(|user| user.name));
    }
    Ok(Vec::from_iter(names).join(" or "))
}

async fn rename(db: &Db, id: u32, name: &str) -> Result<String, Box<dyn Error>> {
    rename_user(db, id, name).await?;
    Ok(name.to_owned())
}

/// Does the work, prints a row about it, and fails if it was not as it should be.
async fn step(
    db: &Db,
    what: &str,
    loads: usize,
    result: &str,
    work: impl Future<Output = Result<String, Box<dyn Error>>>,
) -> Result<(), Box<dyn Error>> {
    let (loads_before, start) = (db.loads(), Instant::now());
    let actual_result = work.await?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    let actual_loads = db.loads() - loads_before;
    println!("{what:36}{took:8.2} ms{actual_loads:8}   {actual_result}");
    if (actual_loads, actual_result.as_str()) != (loads, result) {
        return Err(format!("{what} should have cost {loads} loads and given {result}").into());
    }
    Ok(())
}

/// The origin: an SQLite database in memory.
struct Db {
    connection: Mutex<Connection>,
    loads: AtomicUsize,
}

impl Db {
    fn open() -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL);
             INSERT INTO users VALUES (1, 'Ada Lovelace', 'ada@example.org'), (2, 'Grace Hopper', 'grace@example.org');",
        )?;
        Ok(Self { connection: Mutex::new(connection), loads: AtomicUsize::new(0) })
    }

    /// The queries are so small that they may block the thread; the latency does not.
    async fn query<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        sleep(ORIGIN_LATENCY).await;
        query(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often a user was read from here.
    fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use cached_aside::testing;

    use super::*;

    /// The queries sleep, which takes no time where it is paused.
    #[tokio::test(start_paused = true)]
    async fn a_new_name_is_read_in_every_order() -> Result<(), Box<dyn Error>> {
        let db = Db::open()?;
        let read = async || load_user(&db, 1).await.ok().flatten().map(|user| user.name);
        let write = || rename_user(&db, 1, "Ada King");
        let sql = "UPDATE users SET name = 'Ada Lovelace'";
        let reset = async || db.query(|connection| connection.execute(sql, ())).await;
        testing::sees_writes(read, write).setup(reset).await;
        Ok(())
    }
}
