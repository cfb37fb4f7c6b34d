//! Everything that needs a real server.

mod functions;
mod limits;
mod outages;
mod processes;
mod support;
mod telling;

use cached_aside_tests::Worker;

/// A second process, in the given role of `tests/src/bin/worker`.
fn worker(role: &str, args: &[&str]) -> Worker {
    Worker::spawn(env!("CARGO_BIN_EXE_worker"), role, args)
}
