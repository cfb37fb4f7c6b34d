//! Fault after fault, by seed, while several callers read and write all the time: what a long time in production looks like.

use super::{
    cell::{BACK, SLACK},
    fault::{Active, FAULTS, Fault},
    operation::WRITE_BOUND,
    origin::{App, Origin, ROWS, WAIT, load, save},
    setup::{Setup, TIMEOUT},
};
use crate::chaos::random::Random;
use cached_aside::Cache;
use std::{
    collections::BTreeMap,
    fmt, fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{
    runtime::{self, Handle},
    time::sleep,
};

/// Number of callers of the program that the faults happen to.
const HERE: u64 = 12;
/// Number of callers of the other program.
const ELSEWHERE: u64 = 4;
/// How long a fault lasts, and the calm after it.
const LASTS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(900));
const CALM: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));
/// What a program may take more memory at the end than after a third of the time: what the allocator keeps, not a leak.
const MORE_MEMORY: u64 = 12 << 20;

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Reads and writes that returned.
    pub reads: u64,
    /// Those that were writes.
    pub writes: u64,
    /// Reads that were answered from the cache.
    pub hits: u64,
    /// Calls that panicked, or gave what nobody had written.
    pub failed: u64,
    /// Reads that gave less than what was known before they began.
    pub stale: u64,
    /// Calls that took longer than they may.
    pub late: u64,
    /// The slowest call.
    pub slowest: Duration,
    /// The longest time from the end of a fault to nothing being owed, and the cache in use.
    pub back: Duration,
    /// How often each fault happened.
    pub faults: BTreeMap<&'static str, u64>,
    /// Invalidations that could not be delivered at once.
    pub undelivered: u64,
    /// Tasks before the first fault, and after the last.
    pub tasks: (usize, usize),
    /// Memory in use after a third of the time, and at the end, in bytes.
    pub memory: (u64, u64),
}

impl Report {
    /// Whether everything was as it should be.
    pub fn is_well(&self) -> bool {
        let at_work = self.reads > 0 && self.writes > 0 && self.hits > 0 && self.undelivered > 0;
        let flat = self.memory.1 <= self.memory.0 + MORE_MEMORY && self.tasks.1 <= self.tasks.0;
        at_work && flat && [self.failed, self.stale, self.late] == [0; 3]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (fault, times) in &self.faults {
            writeln!(f, "{fault:<24}{times:>6}")?;
        }
        let megabytes = |bytes: u64| bytes / 1_000_000;
        writeln!(
            f,
            "back in use after {:?} at most; slowest call {:?}; memory {} MB, then {} MB; tasks {}, then {}",
            self.back,
            self.slowest,
            megabytes(self.memory.0),
            megabytes(self.memory.1),
            self.tasks.0,
            self.tasks.1,
        )?;
        write!(
            f,
            "soak: faults={} reads={} writes={} hits={} undelivered={} failed={} stale={} late={}",
            self.faults.values().sum::<u64>(),
            self.reads,
            self.writes,
            self.hits,
            self.undelivered,
            self.failed,
            self.stale,
            self.late,
        )
    }
}

/// What the callers count, and what is known of each row.
#[derive(Debug, Default)]
struct Ledger {
    known: [AtomicU64; ROWS.len()],
    reads: AtomicU64,
    writes: AtomicU64,
    failed: AtomicU64,
    stale: AtomicU64,
    late: AtomicU64,
    slowest: AtomicU64,
    finish: AtomicBool,
}

impl Ledger {
    fn took(&self, took: Duration, bound: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.slowest.fetch_max(micros, SeqCst);
        self.late.fetch_add(u64::from(took > bound + SLACK), SeqCst);
    }
}

/// Runs for so long, by this seed.
///
/// # Panics
/// What is needed cannot be started, or the cache is not in use again after a fault.
pub fn run(time: Duration, seed: u64) -> Report {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads can be started").block_on(happen(time, seed))
}

async fn happen(time: Duration, seed: u64) -> Report {
    let faults: Vec<&Fault> = FAULTS.iter().filter(|fault| !fault.at_first && fault.is_possible()).collect();
    let setup = Setup::set(faults[0]);
    // Through the proxy, whichever fault it will be.
    let (here, elsewhere) = (setup.behind_proxy().await, setup.elsewhere(faults[0]).await);
    let mut report = Report::default();
    let ledger = Arc::new(Ledger::default());
    let mut random = Random::new(seed, &[]);
    back_in_use(&setup, &here).await;
    elsewhere.ping().await.expect("all is well");
    report.tasks.0 = Handle::current().metrics().num_alive_tasks();
    let call = |number| {
        let cache = if number < HERE { &here } else { &elsewhere };
        let caller = Caller {
            cache: cache.clone(),
            app: App::new(&setup.origin),
            origin: Arc::clone(&setup.origin),
            ledger: Arc::clone(&ledger),
            // The other program cannot know what this one owes.
            judges: number < HERE,
            random: Random::new(seed, &[1, number]),
        };
        tokio::spawn(caller.call())
    };
    let callers: Vec<_> = (0..HERE + ELSEWHERE).map(call).collect();
    let begun = Instant::now();
    while begun.elapsed() < time {
        let fault = faults[usize::try_from(random.below(faults.len() as u64)).unwrap_or_default()];
        *report.faults.entry(fault.name).or_default() += 1;
        let active = fault.begin(&setup);
        sleep(random.between(LASTS.0, LASTS.1)).await;
        Active::end(active);
        report.back = report.back.max(settled(&setup, &here, &elsewhere, &ledger).await);
        sleep(random.between(CALM.0, CALM.1)).await;
        if report.memory.0 == 0 && begun.elapsed() > time / 3 {
            report.memory.0 = memory();
        }
    }
    report.memory.1 = memory();
    ledger.finish.store(true, SeqCst);
    for caller in callers {
        ledger.failed.fetch_add(u64::from(caller.await.is_err()), SeqCst);
    }
    settled(&setup, &here, &elsewhere, &ledger).await;
    report.tasks.1 = quiet(report.tasks.0).await;
    let (stats, read) = (here.stats(), |counter: &AtomicU64| counter.load(SeqCst));
    (report.reads, report.writes) = (read(&ledger.reads), read(&ledger.writes));
    (report.failed, report.stale, report.late) =
        (read(&ledger.failed), read(&ledger.stale), read(&ledger.late));
    (report.hits, report.undelivered) = (stats.total.hits, stats.undelivered);
    report.slowest = Duration::from_micros(read(&ledger.slowest));
    report
}

/// One of those who call all the time.
struct Caller {
    cache: Cache,
    app: App,
    origin: Arc<Origin>,
    ledger: Arc<Ledger>,
    judges: bool,
    random: Random,
}

impl Caller {
    async fn call(mut self) {
        while !self.ledger.finish.load(SeqCst) {
            let place = usize::try_from(self.random.below(ROWS.len() as u64)).unwrap_or_default();
            if self.judges && self.random.per_mille(80) {
                self.write(place).await;
            } else {
                self.read(place).await;
            }
            sleep(self.random.between(Duration::ZERO, Duration::from_millis(10))).await;
        }
    }

    async fn read(&self, place: usize) {
        let known = self.ledger.known[place].load(SeqCst);
        let begun = Instant::now();
        let version = self.cache.scope(load(&self.app, ROWS[place])).await;
        self.ledger.took(begun.elapsed(), TIMEOUT + WAIT);
        self.ledger.reads.fetch_add(1, SeqCst);
        self.ledger.failed.fetch_add(u64::from(version > self.origin.version(ROWS[place])), SeqCst);
        if self.judges {
            self.ledger.stale.fetch_add(u64::from(version < known), SeqCst);
            self.ledger.known[place].fetch_max(version, SeqCst);
        }
    }

    async fn write(&self, place: usize) {
        let begun = Instant::now();
        let version = self.cache.scope(save(&self.app, ROWS[place])).await;
        self.ledger.took(begun.elapsed(), WRITE_BOUND);
        self.ledger.writes.fetch_add(1, SeqCst);
        self.ledger.known[place].fetch_max(version, SeqCst);
    }
}

/// Waits until nothing is owed and the cache is in use, and looks whether the other program is given anything old.
async fn settled(setup: &Setup, here: &Cache, elsewhere: &Cache, ledger: &Ledger) -> Duration {
    let begun = Instant::now();
    while here.stats().recovering > 0 {
        assert!(begun.elapsed() < BACK, "{} invalidations are still owed", here.stats().recovering);
        sleep(Duration::from_millis(2)).await;
    }
    back_in_use(setup, here).await;
    let took = begun.elapsed();
    let app = App::new(&setup.origin);
    for (row, known) in ROWS.into_iter().zip(&ledger.known) {
        let known = known.load(SeqCst);
        let version = elsewhere.scope(load(&app, row)).await;
        ledger.stale.fetch_add(u64::from(version < known), SeqCst);
    }
    took
}

/// Waits until a read of some row is a hit.
async fn back_in_use(setup: &Setup, here: &Cache) {
    let begun = Instant::now();
    let (app, hits) = (App::new(&setup.origin), here.stats().total.hits);
    while here.stats().total.hits == hits {
        assert!(begun.elapsed() < BACK, "the cache is not in use again: {}", here.stats());
        here.scope(load(&app, ROWS[0])).await;
        sleep(Duration::from_millis(2)).await;
    }
}

/// How many tasks are left, once it is not more than there were.
async fn quiet(before: usize) -> usize {
    let begun = Instant::now();
    let alive = || Handle::current().metrics().num_alive_tasks();
    while alive() > before && begun.elapsed() < BACK {
        sleep(Duration::from_millis(10)).await;
    }
    alive()
}

/// The memory that this process has in use, in bytes.
///
/// # Panics
/// The system does not tell.
pub fn memory() -> u64 {
    field("VmRSS:")
}

/// The most memory that this process ever had in use, in bytes.
///
/// # Panics
/// The system does not tell.
pub fn peak_memory() -> u64 {
    field("VmHWM:")
}

fn field(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the system tells");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("there is such a line");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    kilobytes * 1024
}
