//! What is done to the cache, and what is promised under it.

use std::{fmt, str::FromStr, time::Duration};

/// No entry is stored for longer.
pub const TTL: Duration = Duration::from_secs(3);
/// No guard goes unrenewed for longer.
pub const HOLD: Duration = Duration::from_secs(4);
/// The same for the guards of writes that take longer than that.
pub const PATIENT_HOLD: Duration = Duration::from_secs(2);
/// What a call may spend on the cache, where Redis is not reached now and then.
pub const TIMEOUT: Duration = Duration::from_millis(100);
/// How long the processes of [`Class::Local`] use copies of entries.
pub const LOCAL: Duration = Duration::from_millis(300);
/// The keys that are named by arguments, and guarded.
pub const ROWS: u64 = 5;
/// Of those, the entries from here on carry a tag, by which they are written.
pub const FIRST_TAGGED: u64 = 3;
/// The keys from here on are known only from the result of a write.
pub const FIRST_SLOT: u64 = 100;
/// How many of those there are.
pub const SLOTS: u64 = 3;

/// Every key.
pub fn keys() -> impl Iterator<Item = u64> {
    (0..ROWS).chain(FIRST_SLOT..FIRST_SLOT + SLOTS)
}

/// A class of chaos, with the promise that is made under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Processes are killed and stopped, connections closed, scripts forgotten; writes may take longer than their guards
    /// go unrenewed. `guard = "required"`: the promise holds in full.
    Crashes,
    /// The same, and Redis cannot be reached, by one or by all, for short or long; writes take less than their guards last.
    /// `guard = "required"`: the promise holds in full.
    Outages,
    /// The same with `guard = "best_effort"`: a write that could not be guarded may be missed until its deletion has
    /// been delivered, though never by its own process.
    BestEffort,
    /// Processes stand still for 0.2 to 2 s and are killed, while Redis answers. `guard = "best_effort"`: every write is
    /// guarded, and the promise holds in full.
    Pauses,
    /// Processes keep local copies of entries, and are stopped for shorter and longer than those may be used, cut from Redis, and killed.
    /// `guard = "required"`: the promise holds in full, since writes wait for the copies.
    Local,
    /// The same, and Redis loses single entries, as by an eviction, or forgets everything: whoever has copies of them uses those for
    /// [`LOCAL`] at most, the process that writes too. A write that lost its guard may be missed as under [`Class::Loss`].
    LostCopies,
    /// Redis is killed and comes back empty, or stands still. `guard = "best_effort"`: a write that could not be guarded, or
    /// lost its guard, may be missed until its deletion has been delivered, though never by its own process.
    Restarts,
    /// Redis forgets everything as well: a write that lost its guard may be missed until it returned, or until its
    /// deletion has been delivered.
    Loss,
    /// A cluster whose primaries are killed, or swap places with their replicas, and whose slots move, beside crashes.
    /// `guard = "required", wait_replicas = 1`: the promise holds in full for keys that are named by arguments; the others
    /// are not written, since nothing confirms their deletions.
    Cluster,
    /// The same with a primary that sentinels watch over. Where they replace one that still runs, it goes on answering until
    /// its clients have heard of it: what is written meanwhile may be missed so long.
    Sentinels,
}

impl Class {
    /// Each of those with one server, with its share of the time in hundredths.
    pub const ALL: [(Self, u32); 8] = [
        (Self::Crashes, 15),
        (Self::Outages, 15),
        (Self::BestEffort, 15),
        (Self::Pauses, 15),
        (Self::Local, 10),
        (Self::LostCopies, 5),
        (Self::Restarts, 15),
        (Self::Loss, 10),
    ];
    /// Those with several, each with its share of the time, beyond that of the others.
    pub const FAILOVERS: [(Self, u32); 2] = [(Self::Cluster, 25), (Self::Sentinels, 25)];

    /// Whether writes that cannot be guarded are refused.
    pub fn required(self) -> bool {
        !matches!(self, Self::BestEffort | Self::Pauses | Self::Restarts)
    }

    /// Whether Redis is reached at all times, so that every write is guarded whatever its policy.
    pub fn reaches(self) -> bool {
        self == Self::Pauses
    }

    /// Number of processes.
    pub fn workers(self) -> usize {
        if self.has_copies() { 4 } else { 3 }
    }

    /// Whether processes keep local copies.
    pub fn has_copies(self) -> bool {
        matches!(self, Self::Local | Self::LostCopies)
    }

    /// What a call may spend on the cache.
    pub fn timeout(self) -> Duration {
        // Longer than a Redis that is reached takes to answer on a busy machine, and shorter than the longest pauses of processes.
        if self.reaches() { Duration::from_secs(1) } else { TIMEOUT }
    }

    /// Whether there are several servers, of which one takes over from another.
    pub fn fails_over(self) -> bool {
        matches!(self, Self::Cluster | Self::Sentinels)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Crashes => "crashes",
            Self::Outages => "outages",
            Self::BestEffort => "best-effort",
            Self::Pauses => "pauses",
            Self::Local => "local",
            Self::LostCopies => "lost-copies",
            Self::Restarts => "restarts",
            Self::Loss => "loss",
            Self::Cluster => "cluster",
            Self::Sentinels => "sentinels",
        })
    }
}

impl FromStr for Class {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().chain(Self::FAILOVERS).find(|(class, _)| class.to_string() == text);
        known.map(|(class, _)| class).ok_or_else(|| format!("unknown class `{text}`"))
    }
}
