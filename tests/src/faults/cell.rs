//! One cell of the table: an operation during a fault, what is seen of it, and whether everything is well after it.

use super::{
    fault::Fault,
    operation::{Operation, Serves, WRITE_BOUND},
    origin::{App, ROWS, load, save, save_all},
    setup::{Setup, TIMEOUT},
};
use cached_aside::Cache;
use std::{
    cell::RefCell,
    future::Future,
    time::{Duration, Instant},
};
use tokio::{
    runtime::{self, Handle, Runtime},
    time::{sleep, timeout},
};

/// What a busy machine may add to a bound.
pub const SLACK: Duration = Duration::from_millis(750);
/// How soon after the fault the cache is in use again.
pub const BACK: Duration = Duration::from_secs(5);
/// Number of failed calls after which the cache is skipped.
pub const TRIES: u32 = 5;
/// Maximum duration of a call that skips the cache.
const AT_ONCE: Duration = Duration::from_millis(50);
/// Maximum lateness of a call that counts: where this process was held up, its silence is not taken for the server's.
const LATE: Duration = Duration::from_millis(5);
/// How soon nothing is left of what was needed for the operation.
const TIDY: Duration = Duration::from_secs(10);

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// The slowest call during the fault.
    pub slowest: Duration,
    /// How soon after it the cache was in use again; nothing if the fault never ends.
    pub back: Option<Duration>,
}

/// Tries an operation during a fault, and looks at everything afterwards. Panics if anything is not as it should be. What is late and
/// nothing else is tried once more: a machine that holds up the process does so seldom twice.
pub fn try_cell(fault: &Fault, operation: Operation) -> Seen {
    let (seen, late) = try_once(fault, operation);
    if late.is_empty() {
        return seen;
    }
    println!("{}; once more", late.join("; "));
    let (seen, late) = try_once(fault, operation);
    assert!(late.is_empty(), "twice: {}", late.join("; "));
    seen
}

fn try_once(fault: &Fault, operation: Operation) -> (Seen, Vec<String>) {
    let setup = Setup::set(fault);
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a thread can be started");
    let cell =
        Cell { fault, operation, setup: &setup, app: App::new(&setup.origin), late: RefCell::default() };
    let seen = runtime.block_on(cell.run());
    // The caches are gone, and so must be everything that they had going.
    cell.nothing_is_left(&runtime);
    (seen, cell.late.into_inner())
}

struct Cell<'a> {
    fault: &'a Fault,
    operation: Operation,
    setup: &'a Setup,
    app: App,
    /// What took longer than it may.
    late: RefCell<Vec<String>>,
}

/// The two programs.
struct Programs {
    here: Cache,
    elsewhere: Cache,
    /// The tasks of both when all is well.
    tasks: Option<usize>,
}

impl Cell<'_> {
    async fn run(&self) -> Seen {
        let Cell { fault, setup, .. } = self;
        let (programs, slowest, active);
        if fault.at_first {
            let elsewhere = setup.elsewhere(fault).await;
            self.prepare(&elsewhere).await;
            active = fault.begin(setup);
            programs = Programs { here: setup.here(fault).await, elsewhere, tasks: None };
            slowest = self.operate(&programs, || ()).await.0;
        } else {
            let (here, elsewhere) = (setup.here(fault).await, setup.elsewhere(fault).await);
            self.prepare(&here).await;
            // Nobody waits for a fill, and what begins the fault may come over another connection: this comes after the fill.
            let all_is_well = async || here.ping().await.is_ok() && elsewhere.ping().await.is_ok();
            eventually_async("all is well", all_is_well).await;
            let tasks = Some(Handle::current().metrics().num_alive_tasks());
            programs = Programs { here, elsewhere, tasks };
            (slowest, active) = self.operate(&programs, || fault.begin(setup)).await;
        }
        if fault.serves == Serves::Nothing {
            self.is_skipped(&programs.here).await;
        }
        if !fault.ends() {
            return Seen { slowest, back: None };
        }
        active.end();
        let back = self.is_in_use_again(&programs.here).await;
        self.nothing_is_stale(&programs).await;
        self.nothing_is_leaked(&programs).await;
        Seen { slowest, back: Some(back) }
    }

    /// Stores what the operation finds stored. Nobody waits for a fill, and one whose script the server does not know is sent twice: the
    /// fault begins after its answer.
    async fn prepare(&self, cache: &Cache) {
        let rows: &[u64] = match self.operation {
            Operation::Miss | Operation::Waiting => &[],
            Operation::Hit | Operation::Write => &ROWS[..1],
            Operation::Several => &ROWS,
        };
        for row in rows {
            cache.scope(load(&self.app, *row)).await;
        }
        let answered = || {
            let total = cache.stats().total;
            // The fault of a wrong database is there from the start.
            total.stored + total.fills_refused + total.unstored + total.errors >= rows.len() as u64
        };
        eventually(&format!("{self}: the fills are answered"), answered).await;
    }

    /// Begins the fault, and takes the operation; the slowest call, and the fault.
    async fn operate<A>(&self, programs: &Programs, begin: impl FnOnce() -> A) -> (Duration, A) {
        if self.operation == Operation::Waiting {
            return self.wait(programs, begin).await;
        }
        let active = begin();
        let here = &programs.here;
        let mut slowest = Duration::ZERO;
        if self.operation.writes() {
            slowest = self.write(here).await;
        }
        let rows = if self.operation == Operation::Several { &ROWS[..] } else { &ROWS[..1] };
        let before = self.setup.origin.loads();
        let reads: Vec<_> = rows
            .iter()
            .map(|row| {
                let (here, app, row) = (here.clone(), self.app.clone(), *row);
                tokio::spawn(async move { timed(here.scope(load(&app, row))).await })
            })
            .collect();
        for (read, row) in reads.into_iter().zip(rows) {
            let (version, took) = read.await.expect("a read does not fail");
            assert_eq!(version, self.setup.origin.version(*row), "{self}: row {row}");
            slowest = slowest.max(self.in_time("a read", took, self.operation.bound()));
        }
        self.ran(before, rows.len());
        (slowest, active)
    }

    /// After a few calls that got nowhere the others do not try.
    async fn is_skipped(&self, here: &Cache) {
        let (mut took, mut tries, begun) = (Duration::MAX, 0, Instant::now());
        while tries < TRIES && begun.elapsed() < BACK {
            let (version, this) = timed(here.scope(load(&self.app, ROWS[0]))).await;
            assert_eq!(version, self.setup.origin.version(ROWS[0]), "{self}: a later read");
            took = took.min(self.in_time("a later read", this, TIMEOUT));
            if took < AT_ONCE {
                return;
            }
            tries += u32::from(this < TIMEOUT + LATE);
        }
        panic!("{self}: after {tries} reads each still takes {took:?}");
    }

    /// Writes, and says how long it took.
    async fn write(&self, here: &Cache) -> Duration {
        let origin = &self.setup.origin;
        let (writes, version) = (origin.writes(), origin.version(1));
        let ((), took) = timed(here.scope(async {
            if self.operation == Operation::Several {
                save_all(&self.app).await;
            } else {
                assert_eq!(save(&self.app, 1).await, version + 1, "{self}: what the write gives");
            }
        }))
        .await;
        assert_eq!(origin.writes(), writes + 1, "{self}: bodies of writes");
        assert_eq!(origin.version(1), version + 1, "{self}: what is written");
        if let Some(delivers) = self.fault.serves.delivers() {
            let left = here.stats().recovering;
            assert_eq!(left == 0, delivers, "{self}: {left} invalidations are left");
        }
        self.in_time("a write", took, WRITE_BOUND)
    }

    /// Somebody else loads, a reader here waits for it, the fault begins.
    async fn wait<A>(&self, programs: &Programs, begin: impl FnOnce() -> A) -> (Duration, A) {
        let pausing = App::pausing(&self.setup.origin);
        let spawn = |cache: &Cache, app: &App| {
            let (cache, app) = (cache.clone(), app.clone());
            tokio::spawn(async move { timed(cache.scope(load(&app, 1))).await })
        };
        let other = spawn(&programs.elsewhere, &pausing);
        timeout(BACK, pausing.pauses()).await.expect("the other loads");
        let before = self.setup.origin.loads();
        let reader = spawn(&programs.here, &self.app);
        let since = Instant::now();
        while !reader.is_finished() && programs.here.stats().total.misses == 0 {
            assert!(since.elapsed() < BACK, "{self}: the reader does not look");
            sleep(Duration::from_millis(1)).await;
        }
        let active = begin();
        let (version, took) = reader.await.expect("a read does not fail");
        assert_eq!(version, self.setup.origin.version(1), "{self}: the reader");
        self.ran(before, 1);
        pausing.go();
        let (version, _) = other.await.expect("a read does not fail");
        assert_eq!(version, self.setup.origin.version(1), "{self}: whom it waited for");
        (self.in_time("the reader", took, self.operation.bound()), active)
    }

    /// Checks that `reads` ran as many bodies as they should.
    fn ran(&self, before: u64, reads: usize) {
        let (ran, reads) = (self.setup.origin.loads() - before, reads as u64);
        let each = self.fault.serves.bodies(self.operation);
        let expected = each.start() * reads..=each.end() * reads;
        assert!(expected.contains(&ran), "{self}: {ran} bodies ran, not {expected:?}");
    }

    fn in_time(&self, what: &str, took: Duration, bound: Duration) -> Duration {
        if took > bound + SLACK {
            self.late.borrow_mut().push(format!("{self}: {what} took {took:?}, more than {bound:?}"));
        }
        took
    }

    /// Waits until reads of all rows are hits, right all the while.
    async fn is_in_use_again(&self, here: &Cache) -> Duration {
        let begun = Instant::now();
        let mut missed = ROWS.to_vec();
        while !missed.is_empty() {
            assert!(begun.elapsed() < BACK, "{self}: rows {missed:?} are not in use again: {}", here.stats());
            let mut still = Vec::new();
            for row in missed {
                let loads = self.setup.origin.loads();
                let version = here.scope(load(&self.app, row)).await;
                assert_eq!(version, self.setup.origin.version(row), "{self}: row {row} afterwards");
                if self.setup.origin.loads() != loads {
                    still.push(row);
                }
            }
            missed = still;
            sleep(Duration::from_millis(2)).await;
        }
        begun.elapsed()
    }

    /// Everything that was owed is delivered, and both programs are given what the origin has, also after a further write.
    async fn nothing_is_stale(&self, programs: &Programs) {
        let Programs { here, elsewhere, .. } = programs;
        let nothing_is_owed =
            async || eventually(&format!("{self}: nothing is owed"), || here.stats().recovering == 0).await;
        nothing_is_owed().await;
        // A server that was restarted is gone for the other program, too, until it has noticed.
        eventually_async(&format!("{self}: the other program is back"), async || {
            elsewhere.ping().await.is_ok()
        })
        .await;
        for writes in 0..2 {
            if writes > 0 {
                here.scope(save_all(&self.app)).await;
                // A busy machine can take longer to answer than the write waits.
                nothing_is_owed().await;
            }
            for (row, cache) in ROWS.into_iter().flat_map(|row| [(row, here), (row, elsewhere)]) {
                let version = cache.scope(load(&self.app, row)).await;
                assert_eq!(
                    version,
                    self.setup.origin.version(row),
                    "{self}: row {row} after {writes} writes"
                );
            }
        }
    }

    /// There are as many tasks and connections as before.
    async fn nothing_is_leaked(&self, programs: &Programs) {
        // The main one, its runtime's own, and one for large values where answers were late.
        eventually(&format!("{self}: each program has three connections"), || self.setup.clients() <= 6)
            .await;
        if let Some(before) = programs.tasks {
            let alive = || Handle::current().metrics().num_alive_tasks();
            eventually(&format!("{self}: there were {before} tasks"), || alive() <= before).await;
        }
        let idle = || programs.here.stats().nodes.iter().all(|node| node.in_flight == 0);
        eventually(&format!("{self}: no command is on its way"), idle).await;
    }

    fn nothing_is_left(&self, runtime: &Runtime) {
        let alive = || runtime.metrics().num_alive_tasks();
        crate::server::eventually(&format!("{self}: no task is left"), TIDY, || alive() == 0);
        if self.fault.ends() {
            crate::server::eventually(&format!("{self}: no connection is left"), TIDY, || {
                self.setup.clients() == 0
            });
        }
    }
}

impl std::fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.fault.name, self.operation)
    }
}

/// Runs a call and says how long it took.
async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    (call.await, begun.elapsed())
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    eventually_async(what, async || holds()).await;
}

async fn eventually_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < TIDY, "{what}: not within {TIDY:?}");
        sleep(Duration::from_millis(5)).await;
    }
}
