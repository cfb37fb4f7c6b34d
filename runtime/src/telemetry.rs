//! Counters, and the times of hits, loads and guards. Events (`tracing`) stand beside what they report.

#[cfg(feature = "metrics")]
use std::sync::Arc;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

#[cfg(feature = "metrics")]
use self::histogram::Histogram;
use crate::function::{
    linked,
    read::{ReadFunction, ReadSettings},
    registry::FUNCTIONS,
    sampling::Sampling,
};

#[cfg(feature = "metrics")]
mod export;
#[cfg(feature = "metrics")]
mod histogram;
#[cfg(feature = "redis")]
mod published;

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
            pub(crate) hit_times: Times,
            pub(crate) load_times: Times,
            /// Which hits are verified.
            pub(crate) sampling: Sampling,
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
    /// Calls answered by a copy in this process, without a look at the cache.
    local_hits,
    /// Calls that were given a value past its TTL.
    stale,
    /// Calls that found nothing to use.
    misses,
    /// Calls that were given the result of another call of this process.
    shared,
    /// Calls that were given what another process loaded while they waited.
    waited,
    /// Bodies run, without those of [verification](crate::docs::verification).
    loads,
    /// The time of those bodies, in all (µs).
    load_us,
    /// Values (and `None`s) stored.
    stored,
    /// Fills that the store refused, because an invalidation came in between or the lease was lost.
    fills_refused,
    /// Bodies run without storing, because a write was in progress, the store did not answer, or the wait was too long.
    unstored,
    /// Refreshes begun: loads in the place of a value that is stale, soon will be, or is [loaded anew](crate::refresh).
    refreshes,
    /// Those of them that were begun while the value was fresh.
    early_refreshes,
    /// Refreshes that failed. The value stays, and the next one waits for a pause.
    refreshes_failed,
    /// Loads that took too long and were dropped.
    timed_out,
    /// Bodies run under [`bypass`](crate::bypass), inside of a [`transaction`](crate::transaction()), or because the codec can't read
    /// the type back. Under [`only_cached`](crate::only_cached) no body runs.
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
    /// Hits that were [verified](crate::docs::verification), and whose entry was what the body gave.
    verified,
    /// Entries that [verification](crate::docs::verification) found to be something else than what the body gives, and removed.
    mismatched,
    /// Times that verification found a body that does not agree with itself, so that its entries can't be verified.
    unverifiable,
    /// Answers of `ttl_for` that were zero, so that the value was not stored, or longer than `ttl`, which was taken instead.
    ttls_clamped,
}

impl Counters {
    /// A body has run.
    pub(crate) fn record_load(&self, took: Duration) {
        self.load_us.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.load_times.record(|| took);
    }
}

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How long something took each time. Without the feature `metrics` nobody asks, and nothing is recorded.
#[derive(Default)]
pub(crate) struct Times {
    #[cfg(feature = "metrics")]
    histogram: OnceLock<Arc<Histogram>>,
}

impl Times {
    /// Records one time, which is asked for only if somebody wants it.
    pub(crate) fn record(&self, took: impl FnOnce() -> Duration) {
        #[cfg(feature = "metrics")]
        self.histogram.get_or_init(Arc::default).record(took());
        #[cfg(not(feature = "metrics"))]
        drop(took);
    }
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Times").finish_non_exhaustive()
    }
}

macro_rules! write_counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of writes, which belong to keys and not to functions.
        #[derive(Debug, Default)]
        pub(crate) struct WriteCounters {
            $(pub(crate) $name: Counter,)*
            pub(crate) guard_times: Times,
        }

        /// What a cache has done so far in this process, from [`Cache::stats`](crate::Cache::stats).
        ///
        /// The numbers are read one after the other while others count on: sums of them need not fit to the last unit.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            /// All cached functions together.
            pub total: Counts,
            /// Each cached function that has been called in this cache, by path and name. Several with one path (functions
            /// inside of functions) have their file and line behind their names: generic ones, which nobody knows before they are
            /// called, each after the first.
            pub functions: BTreeMap<String, Counts>,
            $($(#[$doc])* pub $name: u64,)*
            /// Copies in this process now, some of which may be over.
            pub local_entries: u64,
            /// Their size, by the length of their entries and keys (bytes).
            pub local_bytes: u64,
            /// Keys that are on the recovery list now.
            pub recovering: u64,
            /// The servers behind the cache: one, or the primaries of a cluster as far as they are known. None in process.
            pub nodes: Vec<Node>,
            #[cfg(feature = "metrics")]
            pub(crate) histograms: Histograms,
        }

        impl Stats {
            fn of_writes(writes: &WriteCounters) -> Stats {
                Stats { $($name: writes.$name.get(),)* ..Stats::default() }
            }

            /// The counts of writes, by name.
            fn write_rows(&self) -> [(&'static str, u64); [$(stringify!($name)),*].len()] {
                [$((stringify!($name), self.$name)),*]
            }
        }
    };
}

write_counters! {
    /// Annotated writes, and [`WriteGuard`](crate::WriteGuard)s.
    writes,
    /// Those of them that were made inside of another one or of a transaction, and were over with it.
    joined,
    /// [`transaction`](crate::transaction())s that are over: counted in each cache in which they have guarded keys, or in the one in
    /// scope where they have guarded none.
    transactions,
    /// Those of them that gave `Err`, panicked, or were dropped.
    transactions_failed,
    /// Writes, guards and transactions whose caller went away before they were over, or whose body panicked: their guards stay for as
    /// long as they hold unrenewed (`guard_for`). With [`detach`](macro@crate::invalidates#callers-that-go-away) a caller can go away.
    abandoned,
    /// Keys invalidated, by writes and by hand.
    invalidated,
    /// Keys whose entries a write left behind itself: [`updates`](macro@crate::updates).
    updated,
    /// Keys that could not be guarded before a write.
    guards_failed,
    /// Guards that were gone when they were renewed.
    guards_lost,
    /// Waits of writes, removals and transactions for local copies that some process may still use.
    writes_waited,
    /// The time of those waits, in all (ms).
    writes_waited_ms,
    /// Writes refused because they required a guard.
    writes_refused,
    /// Invalidations that could not be delivered at once, and were put on the recovery list: one for each write and key, also where the key is
    /// on the list already.
    undelivered,
    /// Keys of the recovery list that were delivered later. One delivery is that of all writes of the key, so that this is less than
    /// `undelivered` where keys were written again during an outage; nothing is owed when `recovering` is 0.
    delivered,
    /// Keys of the recovery list that were given up, because there were too many.
    given_up,
}

/// The histograms of a cache: name, function, times. They go on counting.
#[cfg(feature = "metrics")]
#[derive(Clone, Default)]
pub(crate) struct Histograms(Vec<(&'static str, Option<String>, Arc<Histogram>)>);

#[cfg(feature = "metrics")]
impl Histograms {
    fn add(&mut self, name: &'static str, function: Option<&str>, times: &Times) {
        if let Some(histogram) = times.histogram.get() {
            self.0.push((name, function.map(str::to_owned), histogram.clone()));
        }
    }
}

#[cfg(feature = "metrics")]
impl PartialEq for Histograms {
    fn eq(&self, other: &Histograms) -> bool {
        let same = |((name, function, times), (of, other, others)): (&(_, _, _), &(_, _, _))| {
            (name, function) == (of, other) && Arc::ptr_eq(times, others)
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

#[cfg(feature = "metrics")]
impl Eq for Histograms {}

#[cfg(feature = "metrics")]
impl fmt::Debug for Histograms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, function, _)| (name, function))).finish()
    }
}

const CHUNK: usize = 64;
const CHUNKS: usize = 256;

/// The counters of one cache, by function number: found without a lock.
pub(crate) struct CounterTable {
    chunks: [OnceLock<Box<[Counters; CHUNK]>>; CHUNKS],
    pub(crate) writes: WriteCounters,
}

impl CounterTable {
    pub(crate) fn new() -> Self {
        CounterTable { chunks: [const { OnceLock::new() }; CHUNKS], writes: WriteCounters::default() }
    }

    /// The counters of a function. A program with more than 16,384 cached functions counts the rest together.
    pub(crate) fn of(&self, function: &'static ReadFunction) -> &Counters {
        let number = function.number().min(CHUNK * CHUNKS - 1);
        let chunk = self.chunks[number / CHUNK]
            .get_or_init(|| Box::new(std::array::from_fn(|_| Counters::default())));
        &chunk[number % CHUNK]
    }

    pub(crate) fn read(&self) -> Stats {
        let functions = FUNCTIONS.read();
        let mut stats = Stats::of_writes(&self.writes);
        #[cfg(feature = "metrics")]
        stats.histograms.add("guard", None, &self.writes.guard_times);
        // The same names in all processes, whichever of them is called first. Of those that are known only once they were called, as
        // generic ones are, the first has none.
        let mut taken = linked::ambiguous_paths().clone();
        for (number, function) in functions.iter().enumerate().take(CHUNK * CHUNKS) {
            let ReadSettings { module, name, file, line, .. } = function.settings;
            let is_alone = taken.insert((module, name));
            let place = if is_alone { String::new() } else { format!(" ({file}:{line})") };
            let name = format!("{module}::{name}{place}");
            let Some(chunk) = self.chunks[number / CHUNK].get() else { continue };
            let counters = &chunk[number % CHUNK];
            let counts = counters.read();
            if counts == Counts::default() {
                continue;
            }
            #[cfg(feature = "metrics")]
            for (what, times) in [("hit", &counters.hit_times), ("load", &counters.load_times)] {
                stats.histograms.add(what, Some(&name), times);
            }
            stats.total.add(&counts);
            stats.functions.entry(name).or_default().add(&counts);
        }
        stats
    }
}

impl fmt::Debug for CounterTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CounterTable").finish_non_exhaustive()
    }
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
    /// The counts of the function with this name: as [`functions`](Stats::functions) has it, its whole path, or its end (`load_user`,
    /// `Repo::load_user`). Where several functions have that name, their sum.
    #[must_use]
    pub fn function(&self, name: &str) -> Counts {
        let mut counts = Counts::default();
        if name.contains(" (") {
            return self.functions.get(name).copied().unwrap_or_default();
        }
        for (path, of_one) in &self.functions {
            // Without the place, where there is one.
            let path = path.split_once(" (").map_or(path.as_str(), |(path, _)| path);
            if path == name || path.strip_suffix(name).is_some_and(|rest| rest.ends_with("::")) {
                counts.add(of_one);
            }
        }
        counts
    }
}

/// A line a function, a line a server, and a line of writes. Counts that are zero are left out.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, counts) in &self.functions {
            writeln!(f, "{name}: {}", Row(&counts.rows()))?;
        }
        for Node { address, state, outages, in_flight } in &self.nodes {
            match state {
                NodeState::Up => write!(f, "server {address}: up")?,
                NodeState::Down { reason, since } => {
                    write!(f, "server {address}: down for {} s ({reason})", since.elapsed().as_secs())?;
                }
            }
            writeln!(f, "{}", Tail(&[("outages", *outages), ("in_flight", *in_flight as u64)]))?;
        }
        let mut writes = self.write_rows().to_vec();
        writes.push(("recovering", self.recovering));
        let none = writes.iter().all(|(_, count)| *count == 0);
        if none { f.write_str("writes: none") } else { write!(f, "writes: {}", Row(&writes)) }
    }
}

/// Counts with their names, without those that are zero.
struct Row<'a>(&'a [(&'static str, u64)]);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = self.0.iter().filter(|(_, count)| *count > 0);
        for (number, (what, count)) in counted.enumerate() {
            let space = if number == 0 { "" } else { " " };
            write!(f, "{space}{what}={count}")?;
        }
        Ok(())
    }
}

/// The same behind something else.
struct Tail<'a>(&'a [(&'static str, u64)]);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.iter().any(|(_, count)| *count > 0) { write!(f, ", {}", Row(self.0)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
