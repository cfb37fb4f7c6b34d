//! A write that can be refused returns an error that can say so.

#![allow(unused)]

use cached_aside::invalidates;

struct Failed;

#[invalidates("a", guard = "required")]
async fn no_conversion() -> Result<u64, Failed> {
    Ok(5)
}

#[invalidates("a", guard = "required")]
async fn no_result() -> u64 {
    5
}

fn main() {}
