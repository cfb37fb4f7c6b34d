//! One measurement: what is asked for, and what came out.

use serde::{Deserialize, Serialize};

use crate::origin::Size;

/// Which keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Access {
    /// Each as often as the others.
    Uniform,
    /// A few much more often than the others, by Zipf's law with exponent 1.
    Zipf,
    /// Always the same.
    One,
}

impl Access {
    pub fn name(self) -> &'static str {
        match self {
            Access::Uniform => "uniform",
            Access::Zipf => "zipf",
            Access::One => "one hot key",
        }
    }
}

/// What the callers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Load {
    /// They read what is there.
    Hits,
    /// They read what is not there, from an origin that takes a millisecond.
    Misses,
    /// Every hundredth call is a write; the origin takes a millisecond.
    Writes,
    /// Every fiftieth value is of 64 KiB; the latencies are those of the others.
    Mixed,
}

/// One measurement of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    pub size: Size,
    /// How many different keys.
    pub keys: u64,
    pub callers: usize,
    pub access: Access,
    pub load: Load,
}

impl Cell {
    /// Hits of small values, all keys alike.
    pub fn hits(callers: usize) -> Cell {
        Cell::of(Size::Small, callers, Access::Uniform, Load::Hits)
    }

    pub fn of(size: Size, callers: usize, access: Access, load: Load) -> Cell {
        Cell { size, keys: size.keys(), callers, access, load }
    }
}

/// What one measurement gave.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Sample {
    /// Calls in a second, all callers together.
    pub rate: f64,
    /// Latencies (µs).
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// Processor time of the client and of the server for a call (µs), where the system tells it.
    pub client_cpu: f64,
    pub server_cpu: Option<f64>,
    /// How often the origin was asked for a call.
    pub loads: f64,
    /// The part of the machine that others used meanwhile, between 0 and 1.
    pub others: Option<f64>,
}
