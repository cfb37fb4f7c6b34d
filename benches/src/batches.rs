//! Batches beside what one writes by hand: `MGET`, one query for what is missing, and a pipeline of `SET`s.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use cached_aside::{Cache, cached_aside};
use cached_aside_benches::{
    origin::{self, Record, Size},
    subject::{TTL, decode, encode},
};
use cached_aside_tests::RedisServer;
use redis::{Client, aio::MultiplexedConnection};
use tokio::runtime::Runtime;

use crate::{
    report::Report,
    sections::{Effort, number},
};

pub const TITLE: &str = "Batches";
/// Number of keys of a batch.
const KEYS: [u64; 3] = [10, 100, 1_000];
/// How long the origin takes for those that are missing.
const ORIGIN_DELAY: Duration = Duration::from_millis(1);

#[allow(dead_code, reason = "called through the batch only")]
#[cached_aside(ttl = "1h", key = "batched:{id}")]
async fn record(id: u64) -> Record {
    origin::load(id).await
}

#[cached_aside(record(id) for id in ids)]
async fn records(ids: &[u64]) -> HashMap<u64, Record> {
    origin::load_all(ids).await
}

async fn by_hand(connection: &MultiplexedConnection, ids: &[u64]) -> HashMap<u64, Record> {
    let mut connection = connection.clone();
    let keys: Vec<String> = ids.iter().map(|id| format!("hand:batched:{id}")).collect();
    let stored: Vec<Option<Vec<u8>>> =
        redis::cmd("MGET").arg(&keys).query_async(&mut connection).await.expect("the server answers");
    let (mut found, mut missing) = (HashMap::with_capacity(ids.len()), Vec::new());
    for (id, bytes) in ids.iter().zip(stored) {
        match bytes {
            Some(bytes) => drop(found.insert(*id, decode(&bytes))),
            None => missing.push(*id),
        }
    }
    if !missing.is_empty() {
        let loaded = origin::load_all(&missing).await;
        let mut sets = redis::Pipeline::with_capacity(loaded.len());
        for (id, record) in &loaded {
            sets.set_ex(format!("hand:batched:{id}"), encode(record), TTL.as_secs()).ignore();
        }
        let () = sets.query_async(&mut connection).await.expect("the server answers");
        found.extend(loaded);
    }
    found
}

/// What is measured: all of the keys are there, or every second one is missing.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Hits,
    HalfMissing,
}

/// One caller, one batch after the other: the median of each round, in turns.
pub fn run(effort: Effort, report: &mut Report) {
    report.heading(
        TITLE,
        "One caller, one batch after the other, µs (median); by hand: `MGET`, one query for what is missing, which takes a \
         millisecond, and a pipeline of `SET`s.",
    );
    let server = RedisServer::start();
    let runtime = Runtime::new().expect("a runtime");
    let (cache, connection) = runtime.block_on(async {
        let cache = Cache::builder().url(&server.url()).namespace("ours").build().await.expect("the URL is right");
        cache.ping().await.expect("the server answers");
        let client = Client::open(server.url()).expect("the URL is right");
        (cache, client.get_multiplexed_async_connection().await.expect("the server answers"))
    });
    let (mut head, mut rows) = (vec![String::new()], [vec!["cached-aside".to_owned()], vec!["by hand".to_owned()]]);
    for kind in [Kind::Hits, Kind::HalfMissing] {
        for keys in KEYS {
            let mut medians = [Vec::new(), Vec::new()];
            for round in 0..effort.rounds * 3 {
                for turn in 0..2 {
                    let ours = (round + turn) % 2 == 0;
                    let took = runtime.block_on(cache.scope(measure(ours, &connection, kind, keys, effort.time)));
                    medians[usize::from(!ours)].push(took);
                }
            }
            let ratios: Vec<f64> = medians[0].iter().zip(&medians[1]).map(|(ours, hand)| ours / hand).collect();
            let what = if kind == Kind::Hits { "hits" } else { "half missing" };
            head.extend([format!("{keys}, {what}"), "×".to_owned()]);
            for (row, medians) in rows.iter_mut().zip(&medians) {
                row.push(number(median(medians)));
            }
            rows[0].push(number(median(&ratios)));
            rows[1].push("1.00".to_owned());
        }
    }
    report.table(&head, &rows);
}

/// The median time of a batch (µs).
async fn measure(ours: bool, connection: &MultiplexedConnection, kind: Kind, keys: u64, time: Duration) -> f64 {
    origin::set_delay(if kind == Kind::Hits { Duration::ZERO } else { ORIGIN_DELAY });
    let ask = async |ids: &[u64]| if ours { records(ids).await } else { by_hand(connection, ids).await };
    let mut ids: Vec<u64> = (0..keys).map(|number| Size::Small.id(number)).collect();
    // They are there.
    ask(&ids).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < time || times.len() < 20 {
        if kind == Kind::HalfMissing {
            ids.iter_mut().step_by(2).for_each(|id| *id = origin::unused_id());
        }
        let asked = Instant::now();
        assert_eq!(ask(&ids).await.len() as u64, keys);
        times.push(asked.elapsed().as_secs_f64() * 1e6);
    }
    median(&times)
}

fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
