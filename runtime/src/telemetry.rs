//! What is counted. What is told (`tracing`) stands beside what it tells of.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::settings::ReadFunction;

/// Every cached function that has been called, by its number.
static FUNCTIONS: RwLock<Vec<&'static ReadFunction>> = RwLock::new(Vec::new());

/// Gives a function its number.
pub(crate) fn enter(function: &'static ReadFunction) -> usize {
    let mut functions = FUNCTIONS.write().unwrap_or_else(PoisonError::into_inner);
    functions.push(function);
    functions.len() - 1
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts of one function, or of all.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The same, counting.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            fn read(&self) -> Counts {
                Counts { $($name: self.$name.0.load(Relaxed),)* }
            }
        }

        impl Counts {
            fn add(&mut self, other: &Counts) {
                $(self.$name += other.$name;)*
            }

            pub(crate) fn rows(&self) -> [(&'static str, u64); [$(stringify!($name)),*].len()] {
                [$((stringify!($name), self.$name)),*]
            }
        }
    };
}

counters! {
    /// Calls answered from the cache by their first look at it.
    hits,
    /// Calls that were given a value past its TTL.
    stale,
    /// Calls that found nothing to use.
    misses,
    /// Calls that were given the result of another call of this process.
    shared,
    /// Calls that were given what another process loaded while they waited.
    waited,
    /// Bodies run.
    loads,
    /// Values (and `None`s) stored.
    stored,
    /// Fills that the store refused, because an invalidation came in between or the lease was lost.
    fills_refused,
    /// Bodies run without storing, because a write was in progress, the store did not answer, or the wait was too long.
    unstored,
    /// Refreshes begun: loads in the place of a value that is stale, or soon will be.
    refreshes,
    /// Those of them that were begun while the value was fresh.
    early_refreshes,
    /// Refreshes that failed. The value stays, and the next one waits for a pause.
    refreshes_failed,
    /// Loads that took too long and were dropped.
    timed_out,
    /// Bodies run under [`bypass`](crate::bypass), or because the codec can't read the type back.
    bypassed,
    /// Steps of a read that the store refused or did not answer in time.
    errors,
    /// Entries of ours that could not be read: another version, type or codec, or damaged.
    unusable,
    /// Keys that hold somebody else's data.
    foreign,
    /// Values that the codec could not write, or that were too large.
    unencodable,
    /// Values that `store_if` refused.
    not_stored,
    /// Answers of `ttl_for` that were zero, so that the value was not stored, or longer than `ttl`, which was taken instead.
    ttls_clamped,
}

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counters of writes, which belong to keys and not to functions.
#[derive(Debug, Default)]
pub(crate) struct WriteCounters {
    pub(crate) writes: Counter,
    pub(crate) guards_failed: Counter,
    pub(crate) guards_lost: Counter,
    pub(crate) invalidated: Counter,
    pub(crate) updated: Counter,
    pub(crate) undelivered: Counter,
    pub(crate) delivered: Counter,
    pub(crate) given_up: Counter,
    pub(crate) refused: Counter,
}

const CHUNK: usize = 64;
const CHUNKS: usize = 256;

/// The counters of one cache, by function number: found without a lock.
pub(crate) struct Table {
    chunks: [OnceLock<Box<[Counters; CHUNK]>>; CHUNKS],
    pub(crate) writes: WriteCounters,
}

impl Table {
    pub(crate) fn new() -> Self {
        Table { chunks: [const { OnceLock::new() }; CHUNKS], writes: WriteCounters::default() }
    }

    /// The counters of a function. A program with more than 16,384 cached functions counts the rest together.
    pub(crate) fn of(&self, function: &'static ReadFunction) -> &Counters {
        let number = function.number().min(CHUNK * CHUNKS - 1);
        let chunk = self.chunks[number / CHUNK]
            .get_or_init(|| Box::new(std::array::from_fn(|_| Counters::default())));
        &chunk[number % CHUNK]
    }

    pub(crate) fn read(&self) -> Stats {
        let functions = FUNCTIONS.read().unwrap_or_else(PoisonError::into_inner);
        let mut stats = Stats {
            writes: self.writes.writes.get(),
            invalidated: self.writes.invalidated.get(),
            updated: self.writes.updated.get(),
            guards_failed: self.writes.guards_failed.get(),
            guards_lost: self.writes.guards_lost.get(),
            writes_refused: self.writes.refused.get(),
            undelivered: self.writes.undelivered.get(),
            delivered: self.writes.delivered.get(),
            given_up: self.writes.given_up.get(),
            ..Stats::default()
        };
        for (number, function) in functions.iter().enumerate().take(CHUNK * CHUNKS) {
            let Some(chunk) = self.chunks[number / CHUNK].get() else { continue };
            let counts = chunk[number % CHUNK].read();
            if counts != Counts::default() {
                let name = format!("{}::{}", function.settings.module, function.settings.name);
                stats.total.add(&counts);
                stats.functions.entry(name).or_default().add(&counts);
            }
        }
        stats
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

/// What a cache has done so far in this process, from [`Cache::stats`](crate::Cache::stats).
///
/// The numbers are read one after the other while others count on: sums of them need not fit to the last unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// All cached functions together.
    pub total: Counts,
    /// Each cached function that has been called in this cache, by path and name.
    pub functions: BTreeMap<String, Counts>,
    /// Annotated writes, and [`WriteGuard`](crate::WriteGuard)s.
    pub writes: u64,
    /// Keys invalidated, by writes and by hand.
    pub invalidated: u64,
    /// Keys whose entries a write left behind itself: [`updates`](macro@crate::updates).
    pub updated: u64,
    /// Keys that could not be guarded before a write.
    pub guards_failed: u64,
    /// Guards that were gone when they were renewed.
    pub guards_lost: u64,
    /// Writes refused because they required a guard.
    pub writes_refused: u64,
    /// Invalidations that could not be delivered at once, and were put on the recovery list.
    pub undelivered: u64,
    /// Keys of the recovery list that were delivered later.
    pub delivered: u64,
    /// Keys of the recovery list that were given up, because there were too many, or because the longest TTL of their entries
    /// had passed.
    pub given_up: u64,
    /// Keys that are on the recovery list now.
    pub recovering: u64,
    /// The servers behind the cache: one, or the primaries of a cluster as far as they are known. None in process.
    pub nodes: Vec<Node>,
}

/// A server behind a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Where it is, without secrets; while it is down and sentinels have to say where, the name of the service.
    pub address: String,
    /// Whether it is in use.
    pub state: NodeState,
    /// How many times it went out of use.
    pub outages: u64,
    /// Commands that are on their way to it now.
    pub in_flight: usize,
}

/// Whether a server is in use: what a circuit breaker calls closed and open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// It is in use.
    Up,
    /// It is not: calls run uncached at once, and in the background it is tried until it answers in time again.
    Down {
        /// Why.
        reason: String,
        /// Since when.
        since: Instant,
    },
}

impl Stats {
    /// The counts of the function with this name: the whole path, or its last part where that is enough.
    #[must_use]
    pub fn function(&self, name: &str) -> Counts {
        let mut counts = Counts::default();
        for (path, of_one) in &self.functions {
            let is_it = path == name || path.strip_suffix(name).is_some_and(|rest| rest.ends_with("::"));
            if is_it {
                counts.add(of_one);
            }
        }
        counts
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, counts) in &self.functions {
            write!(f, "{name}:")?;
            for (what, count) in counts.rows().into_iter().filter(|(_, count)| *count > 0) {
                write!(f, " {what}={count}")?;
            }
            writeln!(f)?;
        }
        for node in &self.nodes {
            match &node.state {
                NodeState::Up => writeln!(f, "{}: up", node.address)?,
                NodeState::Down { reason, .. } => writeln!(f, "{}: down, {reason}", node.address)?,
            }
        }
        write!(
            f,
            "writes={} invalidated={} updated={} recovering={}",
            self.writes, self.invalidated, self.updated, self.recovering
        )
    }
}
