//! Everything that needs a real server.
// Thirty annotated functions that call each other: the compiler looks into each of them for what is `Send`.
#![recursion_limit = "256"]
#![expect(
    clippy::unwrap_used,
    clippy::unused_async,
    clippy::items_after_statements,
    clippy::large_futures,
    reason = "these are tests"
)]

mod batches;
mod batches_of_keys;
mod caches;
mod chaos;
mod clients;
mod codecs;
mod copies;
mod databases;
mod demoted;
mod detached;
mod failovers;
mod families;
mod faults;
mod functions;
mod guards;
mod harness;
mod identity;
mod keys;
mod large;
mod limits;
mod lists;
mod local;
mod logging;
mod nested;
mod operation;
mod outages;
mod overrides;
mod pauses;
mod processes;
mod published;
mod recovery;
mod restarts;
mod runtimes;
mod servers;
mod staleness;
mod support;
mod switch;
mod tags;
mod together;
mod transactions;
mod updates;
mod values;
mod verification;
mod waiting;

use cached_aside_tests::Worker;

/// A second process, in the given role of `tests/src/bin/worker`.
fn worker(role: &str, args: &[&str]) -> Worker {
    Worker::spawn(env!("CARGO_BIN_EXE_worker"), role, args)
}
