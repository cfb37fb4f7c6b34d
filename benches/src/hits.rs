//! `hits SUBJECT URL CELL COUNT`: that number of hits, or of misses where the cell (as JSON) says so. Prints how often they allocated,
//! and how many bytes.

use std::{alloc::System, env};

use cached_aside_benches::{cell::Cell, subject};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = env::args().collect();
    let [_, name, url, cell, count] = &args[..] else { panic!("hits SUBJECT URL CELL COUNT") };
    let cell: Cell = serde_json::from_str(cell).expect("a cell");
    let subject = subject::connect(name, url).await;
    subject.prepare(cell.size, cell.keys).await;
    // Whatever is done once, and buffers that grow.
    subject.calls(cell, 100 * cell.callers).await;
    let region = Region::new(GLOBAL);
    subject.calls(cell, count.parse().expect("a number")).await;
    let change = region.change();
    println!("{} {} {}", change.allocations, change.reallocations, change.bytes_allocated);
}
