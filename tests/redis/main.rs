//! Everything that needs a real server.

mod functions;
mod outages;
mod processes;
mod support;

use cached_aside_tests::Worker;

/// A second process, in the given role of `tests/src/bin/worker`.
fn worker(role: &str, args: &[&str]) -> Worker {
    Worker::spawn(env!("CARGO_BIN_EXE_worker"), role, args)
}
