//! Batches of several processes over shuffled, overlapping ids. The database counts how often each row was loaded.
//!
//! `tasks MANY IDS SEED` runs so many tasks at once, each over a part of so many ids in an order of its own, most with one batch and
//! some one by one, and says `done`.
//! `hold IDS` runs one batch whose body says `loading` and never ends.

use std::{
    collections::HashMap,
    future::pending,
    io::{self, BufRead},
};

use cached_aside::{Cache, cached_aside};
use redis::aio::MultiplexedConnection;
use tokio::{runtime::Builder, task::JoinSet};

#[derive(Clone)]
struct Database {
    connection: MultiplexedConnection,
    holds: bool,
}

#[cached_aside(ttl = "5m", key = "row:{id}", skip(database))]
async fn row(database: &Database, id: u64) -> Result<u64, String> {
    rows::uncached(database, &[id]).await.map(|rows| rows[&id])
}

#[cached_aside(row(id) for id in ids, skip(database), wait = "60s")]
async fn rows(database: &Database, ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
    let mut connection = database.connection.clone();
    if database.holds {
        println!("loading");
        pending::<()>().await;
    }
    let mut counts = redis::pipe();
    for id in ids {
        counts.cmd("INCR").arg(format!("loads:{id}"));
    }
    let counts: Vec<u64> = counts.query_async(&mut connection).await.map_err(|error| error.to_string())?;
    // As slow as a query.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    drop(counts);
    Ok(ids.iter().map(|id| (*id, id * id)).collect())
}

pub(super) fn run(args: &[String]) -> io::Result<()> {
    let [cache, database, namespace] = args else {
        return Err(io::Error::other("`batches CACHE DATABASE NAMESPACE`"));
    };
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let cache =
            Cache::builder().url(cache).namespace(namespace).timeout(std::time::Duration::from_secs(20));
        cache.build().await.map_err(io::Error::other)?.install().map_err(io::Error::other)?;
        let client = redis::Client::open(database.as_str()).map_err(io::Error::other)?;
        let connection = client.get_multiplexed_async_connection().await.map_err(io::Error::other)?;
        let mut database = Database { connection, holds: false };
        println!("ready");
        for line in io::stdin().lock().lines() {
            let line = line?;
            let words: Vec<&str> = line.split(' ').collect();
            let numbers: Vec<u64> = words[1..].iter().filter_map(|word| word.parse().ok()).collect();
            match words[0] {
                "tasks" => {
                    tasks(&database, numbers[0], numbers[1], numbers[2]).await.map_err(io::Error::other)?;
                }
                _ => {
                    database.holds = true;
                    rows(&database, &numbers).await.map(drop).map_err(io::Error::other)?;
                }
            }
            println!("done");
        }
        Ok(())
    })
}

async fn tasks(database: &Database, many: u64, ids: u64, seed: u64) -> Result<(), String> {
    let mut tasks = JoinSet::new();
    for task in 0..many {
        let (database, asked) = (database.clone(), shuffled(ids, seed * many + task));
        tasks.spawn(async move {
            let given = if task % 4 > 0 {
                rows(&database, &asked).await?
            } else {
                let mut given = HashMap::new();
                for id in &asked {
                    given.insert(*id, row(&database, *id).await?);
                }
                given
            };
            let is_right = given.len() == asked.len() && asked.iter().all(|id| given[id] == id * id);
            if is_right { Ok(()) } else { Err(format!("{asked:?}: {given:?}")) }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    Ok(())
}

/// About two thirds of the ids, in an order of this number's own.
fn shuffled(ids: u64, number: u64) -> Vec<u64> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut ordered: Vec<(u64, u64)> =
        (0..ids).map(|id| (next(), id)).filter(|(random, _)| random % 3 > 0).collect();
    ordered.sort_unstable();
    ordered.into_iter().map(|(_, id)| id).collect()
}
