//! A long look is several commands: what becomes of a key while the values of an earlier command are decoded.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use cached_aside::{Cache, cached_aside, invalidates};
use cached_aside_tests::RedisServer;
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use crate::support::{eventually, filled};

/// As many as are read with two commands.
const ROWS: u64 = 256;
/// The second of them has it.
const WRITTEN: u64 = 200;
/// How long a write waits for a server that says nothing.
const TIMEOUT: Duration = Duration::from_secs(2);

static VERSION: AtomicU64 = AtomicU64::new(0);
static LOADED: Mutex<Vec<Vec<u64>>> = Mutex::new(Vec::new());
/// What happens while the first row is decoded.
static MEANWHILE: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
struct Row {
    id: u64,
    version: u64,
}

impl From<(u64, u64)> for Row {
    fn from((id, version): (u64, u64)) -> Row {
        let meanwhile = if id == 0 { MEANWHILE.lock().unwrap().take() } else { None };
        if let Some(happens) = meanwhile {
            happens();
        }
        Row { id, version }
    }
}

impl From<Row> for (u64, u64) {
    fn from(Row { id, version }: Row) -> (u64, u64) {
        (id, version)
    }
}

#[cached_aside(ttl = "5m", key = "row-of-parts:{id}")]
async fn row(id: u64) -> Row {
    Row { id, version: VERSION.load(SeqCst) }
}

#[cached_aside(row(id) for id in ids)]
async fn rows(ids: &[u64]) -> HashMap<u64, Row> {
    LOADED.lock().unwrap().push(ids.to_vec());
    let version = VERSION.load(SeqCst);
    ids.iter().map(|id| (*id, Row { id: *id, version })).collect()
}

fn loaded() -> Vec<Vec<u64>> {
    std::mem::take(&mut LOADED.lock().unwrap())
}

#[invalidates(row(id))]
async fn write(id: u64) {
    let _ = id;
    VERSION.fetch_add(1, SeqCst);
}

/// The write returns although its invalidation is owed; the old value had been read before that, and waited for its turn.
#[tokio::test]
async fn what_is_written_while_an_earlier_part_is_decoded_is_not_given() {
    let server = Arc::new(RedisServer::start());
    let cache = Cache::builder().url(server.url()).namespace("parts").timeout(TIMEOUT).build().await.unwrap();
    let ids: Vec<u64> = (0..ROWS).collect();
    let given = cache
        .scope(async {
            rows(&ids).await;
            filled(&cache, ROWS).await;
            rows(&ids).await;
            assert_eq!(loaded().len(), 1, "all of it is there");
            // Both commands are answered at once.
            server.pause();
            let (silent, here) = (server.clone(), cache.clone());
            let resume = thread::spawn(move || {
                eventually("both are on their way", || here.stats().nodes[0].in_flight >= 2);
                silent.resume();
            });
            let (silent, here) = (server.clone(), cache.clone());
            *MEANWHILE.lock().unwrap() = Some(Box::new(move || {
                silent.pause();
                let written = thread::spawn(move || {
                    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(here.scope(write(WRITTEN)));
                });
                written.join().unwrap();
            }));
            let given = rows(&ids).await;
            resume.join().unwrap();
            given
        })
        .await;
    assert_eq!(cache.stats().recovering, 1, "the invalidation is owed");
    server.resume();
    assert_eq!(loaded(), [[WRITTEN]]);
    let versions = |version| given.values().filter(|row| row.version == version).map(|row| row.id).collect();
    let (old, new): (Vec<u64>, Vec<u64>) = (versions(0), versions(1));
    assert_eq!((old.len() as u64, new), (ROWS - 1, vec![WRITTEN]));
}
