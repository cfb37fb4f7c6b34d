//! A Redis that hangs under load: every call runs its body, in time, and the memory stays flat.

use super::{
    setup::TIMEOUT,
    soak::{memory, peak_memory},
};
use crate::{RedisServer, machine::Waits};
use cached_aside::{Cache, cached_aside};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{
    runtime,
    time::{MissedTickBehavior, interval},
};

/// How often the next callers come.
const TICK: Duration = Duration::from_millis(5);
/// What the calls of half a second may hold, and what a client may have to send: all of it is small.
const MORE_MEMORY: u64 = 16 << 20;
/// What a busy machine may add to the bound, with so much to do.
const SLACK: Duration = Duration::from_secs(1);

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Calls that returned what their bodies gave.
    pub calls: u64,
    /// Others.
    pub failed: u64,
    /// The slowest call, without the time for which threads waited during it for processors that others had.
    pub slowest: Duration,
    /// Memory in use before Redis was stopped, and the most that was ever in use, in bytes.
    pub memory: (u64, u64),
}

impl Report {
    /// Whether everything was as it should be.
    pub fn is_well(&self) -> bool {
        let flat = self.memory.1 <= self.memory.0 + MORE_MEMORY;
        self.calls > 0 && self.failed == 0 && flat && self.slowest <= TIMEOUT + SLACK
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { calls, failed, slowest, memory: (before, peak) } = self;
        write!(f, "hang: calls={calls} failed={failed} slowest={slowest:?} memory={before} peak={peak}")
    }
}

#[expect(clippy::unused_async, reason = "only async functions are cached")]
#[cached_aside(ttl = "1m", key = "hang:{number}")]
async fn page(number: u64) -> String {
    // Every row is another one: no call can share another's load.
    format!("{number:0>200}")
}

/// Callers come at this rate per second for this time while Redis is stopped.
///
/// # Panics
/// What is needed cannot be started.
pub fn run(time: Duration, callers: u64) -> Report {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads can be started").block_on(happen(time, callers))
}

async fn happen(time: Duration, a_second: u64) -> Report {
    let server = RedisServer::start();
    let builder = Cache::builder().url(server.url()).timeout(TIMEOUT);
    let cache = builder.build().await.expect("the URL could work");
    let (failed, slowest) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut calls = 0;
    let mut callers = tokio::task::JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    // Warm before it hangs.
    let mut before = 0;
    let (begun, waits) = (Instant::now(), Waits::count());
    let warm = Duration::from_secs(1);
    while begun.elapsed() < warm + time {
        ticks.tick().await;
        if before == 0 && begun.elapsed() > warm {
            before = memory();
            server.pause();
        }
        for _ in 0..a_second * u64::try_from(TICK.as_millis()).unwrap_or_default() / 1_000 {
            calls += 1;
            let (cache, failed, slowest) = (cache.clone(), Arc::clone(&failed), Arc::clone(&slowest));
            let waits = waits.clone();
            callers.spawn(async move {
                let (begun, waited) = (Instant::now(), waits.so_far());
                let given = cache.scope(page(calls)).await;
                let took = begun.elapsed().saturating_sub(waits.so_far().saturating_sub(waited));
                slowest.fetch_max(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), SeqCst);
                failed.fetch_add(u64::from(given != format!("{calls:0>200}")), SeqCst);
            });
        }
        while let Some(ended) = callers.try_join_next() {
            failed.fetch_add(u64::from(ended.is_err()), SeqCst);
        }
    }
    while let Some(ended) = callers.join_next().await {
        failed.fetch_add(u64::from(ended.is_err()), SeqCst);
    }
    Report {
        calls,
        failed: failed.load(SeqCst),
        slowest: Duration::from_micros(slowest.load(SeqCst)),
        memory: (before, peak_memory()),
    }
}
