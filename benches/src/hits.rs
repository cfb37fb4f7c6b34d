//! `hits SUBJECT URL CELL COUNT`: that number of hits, or of misses where the cell (as JSON) says so. Prints how often they allocated,
//! and how many bytes.

use std::{
    alloc::System,
    env,
    time::{Duration, Instant},
};

use cached_aside_benches::{
    cell::Cell,
    subject::{
        self,
        near::{Near, OursNear, QuickCache},
    },
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = env::args().collect();
    let [_, name, url, cell, count] = &args[..] else { panic!("hits SUBJECT URL CELL COUNT") };
    let cell: Cell = serde_json::from_str(cell).expect("a cell");
    let count: usize = count.parse().expect("a number");
    match &**name {
        OursNear::NAME => return near(OursNear::connect(url).await, cell, count).await,
        QuickCache::NAME => return near(QuickCache::new([cell.size.id(0)].into_iter()), cell, count).await,
        _ => {}
    }
    let subject = subject::connect(name, url).await;
    subject.prepare(cell.size, cell.keys).await;
    // Whatever is done once, and buffers that grow.
    subject.calls(cell, 100 * cell.callers).await;
    let region = Region::new(GLOBAL);
    subject.calls(cell, count).await;
    let change = region.change();
    println!("{} {} {}", change.allocations, change.reallocations, change.bytes_allocated);
}

/// Hits of one key that is in this process.
async fn near<N: Near>(subject: N, cell: Cell, count: usize) {
    let id = cell.size.id(0);
    let begun = Instant::now();
    // Until there is a copy, and until its registration is over.
    while begun.elapsed() < Duration::from_millis(300) {
        drop(subject.get(id).await);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let region = Region::new(GLOBAL);
    for _ in 0..count {
        drop(subject.get(id).await);
    }
    let change = region.change();
    println!("{} {} {}", change.allocations, change.reallocations, change.bytes_allocated);
}
