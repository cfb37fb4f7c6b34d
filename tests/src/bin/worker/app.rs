//! A small application: rows with a version each, read and written through the annotated functions. Several
//! of these processes share one Redis as their cache and another as their database.
//!
//! Each line is `TAG COMMAND ARGUMENTS…` and is carried out at once, beside what is still going on. Bodies that are told to hold
//! say where they are (`TAG loaded 3`) and go on at `TAG go`.

use std::{
    collections::HashMap,
    io,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use cached_aside::{Cache, cached_aside, invalidates};
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection, cmd};
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    sync::Semaphore,
    time::sleep,
};

/// The database: `version:ID` counts writes, `loads:ID` counts reads.
#[derive(Clone)]
struct Database {
    connection: MultiplexedConnection,
    holds: Holds,
}

/// Bodies that wait to be let go, by tag.
#[derive(Clone, Default)]
struct Holds(Arc<Mutex<HashMap<String, Arc<Semaphore>>>>);

impl Holds {
    fn of(&self, tag: &str) -> Arc<Semaphore> {
        let mut holds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        holds.entry(tag.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(0))).clone()
    }

    async fn wait(&self, tag: &str) {
        if let Ok(permit) = self.of(tag).acquire().await {
            permit.forget();
        }
    }
}

/// How a body runs.
#[derive(Clone)]
struct Body {
    tag: String,
    hold: Hold,
    takes: Duration,
}

#[derive(Clone, Copy, PartialEq)]
enum Hold {
    Nowhere,
    Before,
    After,
}

impl FromStr for Hold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "nowhere" => Ok(Hold::Nowhere),
            "before" => Ok(Hold::Before),
            "after" => Ok(Hold::After),
            _ => Err(format!("unknown hold `{text}`")),
        }
    }
}

type Failure = Arc<dyn std::error::Error + Send + Sync>;

impl Database {
    async fn query(&self, command: &str, key: String) -> Result<u64, Failure> {
        let mut connection = self.connection.clone();
        let value: Option<u64> = cmd(command)
            .arg(key)
            .query_async(&mut connection)
            .await
            .map_err(|error| Arc::new(error) as Failure)?;
        Ok(value.unwrap_or(0))
    }

    /// Says where a body is and waits there, if it is told to.
    async fn hold(&self, body: &Body, at: Hold, word: String) {
        if body.hold == at {
            say(format_args!("{} {word}", body.tag));
            self.holds.wait(&body.tag).await;
        }
    }
}

#[cached_aside(ttl = "1m", key = "row:{id}", skip(database, body), lease = "1s", wait = "20s")]
async fn row(database: &Database, body: &Body, id: u64) -> Result<u64, Failure> {
    database.hold(body, Hold::Before, "loading".to_owned()).await;
    let version = database.query("GET", format!("version:{id}")).await?;
    database.query("INCR", format!("loads:{id}")).await?;
    sleep(body.takes).await;
    database.hold(body, Hold::After, format!("loaded {version}")).await;
    Ok(version)
}

#[invalidates(row(id), guard_for = "1s")]
async fn write(database: &Database, body: &Body, id: u64) -> Result<u64, Failure> {
    database.hold(body, Hold::Before, "writing".to_owned()).await;
    let version = database.query("INCR", format!("version:{id}")).await?;
    database.hold(body, Hold::After, format!("written {version}")).await;
    Ok(version)
}

/// The same without the attribute's guard.
#[invalidates(row(id), guard = "off")]
async fn write_unguarded(database: &Database, body: &Body, id: u64) -> Result<u64, Failure> {
    let version = database.query("INCR", format!("version:{id}")).await?;
    database.hold(body, Hold::After, format!("written {version}")).await;
    Ok(version)
}

fn say(line: impl std::fmt::Display) {
    println!("{line}");
}

/// `app CACHE DATABASE NAMESPACE`
#[tokio::main]
pub(crate) async fn run(args: &[String]) -> io::Result<()> {
    let [cache, database, namespace] = args else {
        return Err(io::Error::other("app CACHE DATABASE NAMESPACE"));
    };
    let cache = Cache::builder()
        .url(cache)
        .namespace(namespace)
        .timeout(Duration::from_secs(5))
        .build()
        .await
        .map_err(io::Error::other)?;
    let client = redis::Client::open(database.as_str()).map_err(io::Error::other)?;
    let patient = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&patient).await;
    let connection = connection.map_err(io::Error::other)?;
    let database = Database { connection, holds: Holds::default() };
    cache.clone().install().map_err(io::Error::other)?;
    say("ready");
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let (database, cache) = (database.clone(), cache.clone());
        tokio::spawn(async move {
            let tag = words.first().cloned().unwrap_or_default();
            match carry_out(database, cache, words).await {
                Ok(Some(answer)) => say(format_args!("{tag} {answer}")),
                Ok(None) => {}
                Err(error) => say(format_args!("{tag} failed: {error}")),
            }
        });
    }
    Ok(())
}

async fn carry_out(database: Database, cache: Cache, words: Vec<String>) -> Result<Option<String>, Failure> {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let number = |at: usize| word(at).parse::<u64>().unwrap_or(0);
    let hold = word(3).parse().unwrap_or(Hold::Nowhere);
    let body = Body { tag: word(0).to_owned(), hold, takes: Duration::ZERO };
    let answer = match word(1) {
        "go" => {
            database.holds.of(word(0)).add_permits(1);
            return Ok(None);
        }
        "read" => format!("read {}", row(&database, &body, number(2)).await?),
        "write" => format!("wrote {}", write(&database, &body, number(2)).await?),
        "write-unguarded" => format!("wrote {}", write_unguarded(&database, &body, number(2)).await?),
        // Concurrent callers: their number, and how long each body takes (ms).
        "burst" => {
            let body = Body { takes: Duration::from_millis(number(4)), ..body };
            let begun = Instant::now();
            let readers: Vec<_> = (0..number(3))
                .map(|_| {
                    let (database, body, id) = (database.clone(), body.clone(), number(2));
                    tokio::spawn(async move { row(&database, &body, id).await })
                })
                .collect();
            let mut seen = Vec::new();
            for reader in readers {
                seen.push(reader.await.map_err(|error| Arc::new(error) as Failure)??);
            }
            seen.sort_unstable();
            seen.dedup();
            format!("burst {seen:?} in {}", begun.elapsed().as_millis())
        }
        "stats" => format!("stats {}", cache.stats().to_string().replace('\n', " ")),
        other => format!("unknown command `{other}`"),
    };
    Ok(Some(answer))
}
