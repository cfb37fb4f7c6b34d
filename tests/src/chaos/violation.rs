//! What was promised and not kept.

use super::{
    clock::Timestamp,
    record::{Load, OpId, Read},
};
use std::fmt;

/// What was promised and not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// P1: a read began after a write had returned, and gave an older version.
    MissesWrite(Stale),
    /// P2: a read began after another operation had seen a version, and gave an older one.
    GoesBack(Stale),
    /// P1 to P3 across keys: a read began after another one had seen, at another key, what a write of both had made, and gave
    /// the version from before it.
    SeesHalf {
        /// The read, and what it should have known.
        stale: Stale,
        /// The key at which the write was seen.
        seen: u64,
    },
    /// A read gave what the origin never said, or had not said by then.
    Unjustified(Read, &'static str),
    /// A body gave what the origin cannot have said then, or ran outside its read.
    WrongLoad(Load, &'static str),
    /// A write that was refused, or that nobody began, has written.
    WroteAllTheSame(OpId),
    /// A write was not guarded, although Redis answered.
    Unguarded(OpId),
    /// These would stay in the cache for ever.
    Forever(Vec<String>),
    /// A process found what it could not read, although nobody but us writes there.
    Unreadable {
        /// The process.
        process: u32,
        /// How often.
        times: u64,
    },
    /// After the run the cache does not come to hold what the origin does.
    Differs {
        /// The key.
        key: u64,
        /// What the cache holds, as it says.
        cached: String,
        /// What the origin does.
        origin: u64,
    },
    /// After the run deletions stay undelivered.
    Undelivered {
        /// The process that owes them.
        process: u32,
        /// How many.
        owing: u64,
    },
    /// After the run the cache is not used any more.
    Unused,
    /// What is allowed is the exception, and was not.
    TooMany {
        /// Stale reads that a limit of the promise allows.
        allowed: usize,
        /// All reads.
        reads: usize,
    },
}

/// A read that gave an older version than was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// That read.
    pub read: Read,
    /// What was known.
    pub known: Known,
}

/// That an operation which has ended had seen a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The version.
    pub version: u64,
    /// Who had seen it.
    pub by: OpId,
    /// When that had ended.
    pub end: Timestamp,
    /// Whether that was the write itself.
    pub write: bool,
}

impl Violation {
    /// The read that it is about.
    pub fn read(&self) -> Option<&Read> {
        match self {
            Self::MissesWrite(stale) | Self::GoesBack(stale) | Self::SeesHalf { stale, .. } => {
                Some(&stale.read)
            }
            Self::Unjustified(read, _) => Some(read),
            _ => None,
        }
    }

    /// When it became visible, for those that have a time.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::WrongLoad(load, _) => Some(load.end),
            _ => self.read().map(|read| read.end),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissesWrite(Stale { read, known }) => write!(
                f,
                "P1: read {} of key {} gave version {}, {:?} after write {} had returned version {}",
                read.op,
                read.key,
                read.version,
                read.begin.since(known.end),
                known.by,
                known.version
            ),
            Self::GoesBack(Stale { read, known }) => write!(
                f,
                "P2: read {} of key {} gave version {}, begun {:?} after {} had seen version {}",
                read.op,
                read.key,
                read.version,
                read.begin.since(known.end),
                known.by,
                known.version
            ),
            Self::SeesHalf { stale: Stale { read, known }, seen } => write!(
                f,
                "half of a write: read {} of key {} gave version {}, begun {:?} after {} had seen at key {seen} what was \
                 written together with version {}",
                read.op,
                read.key,
                read.version,
                read.begin.since(known.end),
                known.by,
                known.version
            ),
            Self::Unjustified(read, why) => {
                write!(
                    f,
                    "read {} of key {} gave version {} of key {}: {why}",
                    read.op, read.key, read.version, read.about
                )
            }
            Self::WrongLoad(load, why) => {
                write!(
                    f,
                    "the load of read {} of key {} gave version {}: {why}",
                    load.op, load.key, load.version
                )
            }
            Self::WroteAllTheSame(op) => write!(f, "write {op} was refused or never begun, and has written"),
            Self::Unguarded(op) => write!(f, "write {op} was not guarded, although Redis answered"),
            Self::Forever(keys) => write!(f, "without a TTL: {}", keys.join(", ")),
            Self::Unreadable { process, times } => {
                write!(f, "process {process} found what it could not read, {times} times")
            }
            Self::Differs { key, cached, origin } => {
                write!(
                    f,
                    "after the run key {key} is {cached} in the cache, and version {origin} at the origin"
                )
            }
            Self::Undelivered { process, owing } => {
                write!(f, "after the run process {process} still owes {owing} deletions")
            }
            Self::Unused => write!(f, "after the run the cache is not used any more"),
            Self::TooMany { allowed, reads } => write!(f, "{allowed} of {reads} reads were stale"),
        }
    }
}
