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

/// Stores a value where its lease is still the one that was acquired: the least that a fence costs.
const FILL: &str = "for number, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then
    redis.call('SET', key, ARGV[number + 2], 'EX', ARGV[2])
  end
end";
/// Maximum number of keys of a script.
const FILLED: usize = 64;

/// The same with a lease for each key that is missing, and a fill that is refused without it.
async fn by_hand_fenced(connection: &MultiplexedConnection, ids: &[u64]) -> HashMap<u64, Record> {
    let mut connection = connection.clone();
    let keys: Vec<String> = ids.iter().map(|id| format!("fenced:batched:{id}")).collect();
    let stored: Vec<Option<Vec<u8>>> =
        redis::cmd("MGET").arg(&keys).query_async(&mut connection).await.expect("the server answers");
    let (mut found, mut missing) = (HashMap::with_capacity(ids.len()), Vec::new());
    for ((id, key), bytes) in ids.iter().zip(keys).zip(stored) {
        match bytes {
            Some(bytes) => drop(found.insert(*id, decode(&bytes))),
            None => missing.push((*id, key)),
        }
    }
    if !missing.is_empty() {
        let lease = format!("lease:{}", origin::unused_id());
        let mut leases = redis::Pipeline::with_capacity(missing.len());
        for (_, key) in &missing {
            leases.cmd("SET").arg(key).arg(&lease).arg("NX").arg("GET").arg("PX").arg(10_000);
        }
        let _: Vec<Option<Vec<u8>>> = leases.query_async(&mut connection).await.expect("the server answers");
        let ids: Vec<u64> = missing.iter().map(|(id, _)| *id).collect();
        let loaded = origin::load_all(&ids).await;
        let mut fills = redis::Pipeline::with_capacity(missing.len() / FILLED + 1);
        for missing in missing.chunks(FILLED) {
            let fill = fills.cmd("EVAL").arg(FILL).arg(missing.len());
            missing.iter().for_each(|(_, key)| {
                fill.arg(key);
            });
            fill.arg(&lease).arg(TTL.as_secs());
            missing.iter().for_each(|(id, _)| {
                fill.arg(encode(&loaded[id]));
            });
            fill.ignore();
        }
        let () = fills.query_async(&mut connection).await.expect("the server answers");
        found.extend(loaded);
    }
    found
}

/// Who is measured.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    Ours,
    ByHand,
    Fenced,
}

impl Who {
    const ALL: [Who; 3] = [Who::Ours, Who::ByHand, Who::Fenced];

    fn name(self) -> &'static str {
        match self {
            Who::Ours => "cached-aside",
            Who::ByHand => "by hand",
            Who::Fenced => "by hand with leases",
        }
    }
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
         millisecond, and a pipeline of `SET`s; with leases: a pipeline of \
         `SET`s that acquire what is missing, and scripts that store where the lease is still there.",
    );
    let server = RedisServer::start();
    let runtime = Runtime::new().expect("a runtime");
    let (cache, connection) = runtime.block_on(async {
        let cache = Cache::builder().url(&server.url()).namespace("ours").build().await.expect("the URL is right");
        cache.ping().await.expect("the server answers");
        let client = Client::open(server.url()).expect("the URL is right");
        (cache, client.get_multiplexed_async_connection().await.expect("the server answers"))
    });
    let (mut head, mut rows) = (vec![String::new()], Who::ALL.map(|who| vec![who.name().to_owned()]));
    for kind in [Kind::Hits, Kind::HalfMissing] {
        for keys in KEYS {
            let mut medians = Who::ALL.map(|_| Vec::new());
            for round in 0..effort.rounds * 3 {
                for turn in 0..Who::ALL.len() {
                    let who = Who::ALL[(round + turn) % Who::ALL.len()];
                    let took = runtime.block_on(cache.scope(measure(who, &connection, kind, keys, effort.time)));
                    medians[who as usize].push(took);
                }
            }
            let what = if kind == Kind::Hits { "hits" } else { "half missing" };
            head.extend([format!("{keys}, {what}"), "×".to_owned()]);
            for (row, these) in rows.iter_mut().zip(&medians) {
                let by_hand = &medians[Who::ByHand as usize];
                let ratios: Vec<f64> = these.iter().zip(by_hand).map(|(this, hand)| this / hand).collect();
                row.push(number(median(these)));
                row.push(number(median(&ratios)));
            }
        }
    }
    report.table(&head, &rows);
}

/// The median time of a batch (µs).
async fn measure(who: Who, connection: &MultiplexedConnection, kind: Kind, keys: u64, time: Duration) -> f64 {
    origin::set_delay(if kind == Kind::Hits { Duration::ZERO } else { ORIGIN_DELAY });
    let ask = async |ids: &[u64]| match who {
        Who::Ours => records(ids).await,
        Who::ByHand => by_hand(connection, ids).await,
        Who::Fenced => by_hand_fenced(connection, ids).await,
    };
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
