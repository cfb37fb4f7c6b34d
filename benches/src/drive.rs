//! Callers in a closed loop, and what they cost.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use rand_distr::{Distribution, Zipf};
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinSet;

use crate::{
    cell::{Access, Cell, Load, Sample},
    origin::{self, Size},
    subject::Subject,
};

/// The first part of each measurement is not counted.
const WARM_UP: Duration = Duration::from_millis(30);
/// Number of calls before the order of the keys repeats.
const ORDER: usize = 1 << 16;
/// The keys that are written are not those whose hits are measured.
const WRITTEN: u64 = 1 << 24;
const ORIGIN_DELAY: Duration = Duration::from_millis(1);

/// Puts so many entries of this size into the cache, if they are not there.
pub async fn prepare<S: Subject>(subject: &S, size: Size, keys: u64) {
    origin::set_delay(Duration::ZERO);
    let mut callers = JoinSet::new();
    for caller in 0..32 {
        let subject = subject.clone();
        callers.spawn(async move {
            for number in (caller..keys).step_by(32) {
                let id = size.id(number);
                assert_eq!(subject.get(id).await.id, id, "{}", S::NAME);
            }
        });
    }
    callers.join_all().await;
}

/// A cache that did not work would be fast: what is there is not loaded, and is what the origin gave; what is written is
/// loaded again.
pub async fn check<S: Subject>(subject: &S) {
    origin::set_delay(Duration::ZERO);
    let id = origin::unused_id();
    let (value, before) = (origin::record(id), origin::loads());
    let loads_of_read = async || {
        assert_eq!(subject.get(id).await, value, "{}", S::NAME);
        origin::loads() - before
    };
    assert_eq!(loads_of_read().await, 1, "{}: a miss loads", S::NAME);
    // Whoever stores in the background may take a moment.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(loads_of_read().await, 1, "{}: a hit does not", S::NAME);
    subject.write(id).await;
    assert_eq!(loads_of_read().await, 2, "{}: a write invalidates", S::NAME);
}

/// Measures one subject. `server` is the process id of the Redis.
pub async fn measure<S: Subject>(subject: &S, cell: Cell, time: Duration, server: u32) -> Sample {
    let delay = if matches!(cell.load, Load::Misses | Load::Writes) { ORIGIN_DELAY } else { Duration::ZERO };
    origin::set_delay(delay);
    let order = order(cell);
    let (counting, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for number in 0..cell.callers {
        let caller = Caller {
            subject: subject.clone(),
            order: order.clone(),
            at: number * 9973,
            counting: counting.clone(),
            stop: stop.clone(),
        };
        callers.spawn(caller.run(cell));
    }
    tokio::time::sleep(WARM_UP).await;
    let before = Usage::now(server);
    counting.store(true, Relaxed);
    tokio::time::sleep(time).await;
    counting.store(false, Relaxed);
    let after = Usage::now(server);
    stop.store(true, Relaxed);
    let mut latencies: Vec<u32> = callers.join_all().await.into_iter().flatten().collect();
    latencies.sort_unstable();
    sample(&latencies, &before, &after)
}

/// This number of hits or misses of all callers together, to be counted. A miss asks an origin that answers at once.
pub async fn calls<S: Subject>(subject: &S, cell: Cell, count: usize) {
    let order = order(cell);
    let mut callers = JoinSet::new();
    for caller in 0..cell.callers {
        let (subject, order) = (subject.clone(), order.clone());
        callers.spawn(async move {
            for number in (caller..count).step_by(cell.callers) {
                let id = match cell.load {
                    Load::Misses => origin::unused_id(),
                    _ => cell.size.id(u64::from(order[number % ORDER])),
                };
                drop(subject.get(id).await);
            }
        });
    }
    callers.join_all().await;
}

fn sample(latencies: &[u32], before: &Usage, after: &Usage) -> Sample {
    assert!(!latencies.is_empty(), "no call ended while it was measured");
    let calls = latencies.len() as f64;
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    let at = |part: f64| f64::from(latencies[((calls * part) as usize).min(latencies.len() - 1)]) / 1e3;
    let client = after.client - before.client;
    let server = after.server.zip(before.server).map(|(after, before)| after - before);
    let busy = after.machine.zip(before.machine).map(|(after, before)| after - before);
    let all = seconds * std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
    Sample {
        rate: calls / seconds,
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        client_cpu: client * 1e6 / calls,
        server_cpu: server.map(|server| server * 1e6 / calls),
        loads: (after.loads - before.loads) as f64 / calls,
        others: busy.zip(server).map(|(busy, server)| ((busy - client - server) / all).max(0.0)),
    }
}

/// Which keys are asked for, one after the other.
fn order(cell: Cell) -> Arc<[u32]> {
    let keys = cell.keys as u32;
    let mut random = SmallRng::seed_from_u64(1);
    let zipf = Zipf::new(f64::from(keys), 1.0).expect("the exponent is positive");
    let mut next = || match cell.access {
        Access::Uniform => random.random_range(0..keys),
        Access::Zipf => zipf.sample(&mut random) as u32 - 1,
        Access::One => 0,
    };
    (0..ORDER).map(|_| next()).collect()
}

struct Caller<S> {
    subject: S,
    order: Arc<[u32]>,
    at: usize,
    counting: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

impl<S: Subject> Caller<S> {
    /// Calls until it is told to stop. Returns the latencies (ns) of what ended while it was counted.
    async fn run(mut self, cell: Cell) -> Vec<u32> {
        let mut latencies = Vec::with_capacity(1 << 16);
        while !self.stop.load(Relaxed) {
            self.at += 1;
            let number = u64::from(self.order[self.at % ORDER]);
            let large = cell.load == Load::Mixed && self.at % 50 == 0;
            let begun = Instant::now();
            match cell.load {
                Load::Misses => drop(self.subject.get(origin::unused_id()).await),
                Load::Writes if self.at % 100 == 0 => {
                    self.subject.write(cell.size.id(WRITTEN + number)).await
                }
                Load::Writes => drop(self.subject.get(cell.size.id(WRITTEN + number)).await),
                _ if large => drop(self.subject.get(Size::Large.id(number % Size::Large.keys())).await),
                _ => drop(self.subject.get(cell.size.id(number)).await),
            }
            if self.counting.load(Relaxed) && !large {
                latencies.push(u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX));
            }
        }
        latencies
    }
}

/// What has been used so far, in seconds of processor time.
struct Usage {
    at: Instant,
    client: f64,
    server: Option<f64>,
    machine: Option<f64>,
    loads: u64,
}

impl Usage {
    fn now(server: u32) -> Usage {
        let client = clock_gettime(ClockId::ProcessCPUTime);
        Usage {
            at: Instant::now(),
            client: client.tv_sec as f64 + client.tv_nsec as f64 / 1e9,
            server: processor_time(server),
            machine: machine_time(),
            loads: origin::loads(),
        }
    }
}

/// Of a process's first thread, which is where a Redis works. Linux tells it to the nanosecond.
fn processor_time(process: u32) -> Option<f64> {
    let told = fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
    Some(told.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// Of the whole machine, all processors together, in hundredths of a second.
fn machine_time() -> Option<f64> {
    let told = fs::read_to_string("/proc/stat").ok()?;
    let mut ticks =
        told.lines().next()?.split_whitespace().skip(1).map_while(|ticks| ticks.parse::<f64>().ok());
    let ticks: Vec<f64> = ticks.by_ref().collect();
    let idle = ticks.get(3)? + ticks.get(4)?;
    // Guests are counted in the first two as well.
    Some((ticks.iter().take(8).sum::<f64>() - idle) / 100.0)
}
