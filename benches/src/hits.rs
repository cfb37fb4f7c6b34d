//! `hits SUBJECT URL SIZE COUNT`: so many hits, one after the other. Prints how often they allocated, and how many bytes.

use std::{alloc::System, env};

use cached_aside_benches::{origin::Size, subject};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = env::args().collect();
    let [_, name, url, size, count] = &args[..] else { panic!("hits SUBJECT URL SIZE COUNT") };
    let size: Size = serde_json::from_str(&format!("{size:?}")).expect("Small, Medium or Large");
    let subject = subject::connect(name, url).await;
    // Whatever is done once, and buffers that grow.
    subject.hits(size, 100).await;
    let region = Region::new(GLOBAL);
    subject.hits(size, count.parse().expect("a number")).await;
    let change = region.change();
    println!("{} {} {}", change.allocations, change.reallocations, change.bytes_allocated);
}
