//! The columns of the table: what is tried, and what has to come of it.

use super::{origin::WAIT, setup::TIMEOUT};
use std::{fmt, ops::RangeInclusive, time::Duration};

/// What is tried during a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A read of what was stored before.
    Hit,
    /// A read of what was not.
    Miss,
    /// A write of what was stored before, and a read of it.
    Write,
    /// A read that waits for another process's load, which does not end, when the fault begins.
    Waiting,
    /// A write of several keys that were stored before, and a read of each, all at once.
    Several,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Hit, Self::Miss, Self::Write, Self::Waiting, Self::Several];

    /// The longest that a read may take, its body not counted.
    pub fn bound(self) -> Duration {
        match self {
            Self::Waiting => TIMEOUT + WAIT,
            _ => TIMEOUT,
        }
    }

    /// Whether it begins with a write.
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Several)
    }
}

/// The longest that a write may take, its body not counted: a guard before it, a release after it.
pub const WRITE_BOUND: Duration = TIMEOUT.saturating_mul(2);

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hit => "read hit",
            Self::Miss => "read miss",
            Self::Write => "write, read",
            Self::Waiting => "waiting reader",
            Self::Several => "several keys",
        })
    }
}

/// What still works during a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// Nothing does.
    Nothing,
    /// What was stored can be read.
    Reads,
    /// The same, until the server is found not to be the primary.
    ReadsAtFirst,
    /// Some of it may.
    Anything,
    /// All of it does.
    Everything,
    /// The server is well, but the keys are not ours.
    Foreign,
}

impl Serves {
    /// How many bodies each read of the operation runs.
    pub fn bodies(self, operation: Operation) -> RangeInclusive<u64> {
        match (self, operation) {
            (Self::Everything | Self::Reads, Operation::Hit) => 0..=0,
            (Self::ReadsAtFirst, Operation::Hit)
            | (Self::Anything, Operation::Hit | Operation::Write | Operation::Several) => 0..=1,
            // Also of a reader that waits: what it waits for does not come.
            _ => 1..=1,
        }
    }

    /// Whether the invalidations of a write are delivered at once, if that is certain.
    pub fn delivers(self) -> Option<bool> {
        match self {
            Self::Nothing => Some(false),
            Self::Reads | Self::ReadsAtFirst | Self::Anything => None,
            Self::Everything | Self::Foreign => Some(true),
        }
    }

    /// The same in words.
    pub fn expected(self, operation: Operation) -> String {
        let bodies = self.bodies(operation);
        let read = match (bodies.start(), bodies.end()) {
            (0, 0) => "hit",
            (1, 1) => "body once",
            _ => "hit, or body once",
        };
        if !operation.writes() {
            return read.to_owned();
        }
        let delivered = match self.delivers() {
            Some(true) => "invalidates at once",
            Some(false) => "invalidates later",
            None => "invalidates at once or later",
        };
        format!("body once, {delivered}; then {read}")
    }
}
