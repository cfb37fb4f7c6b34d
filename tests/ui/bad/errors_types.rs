//! Stored errors are written and read by serde.

#![allow(unused)]

use cached_aside::cached_aside;

struct Failed;

#[cached_aside(ttl = "5m", error_ttl = "5s", error_if = |_| true)]
async fn no_serde() -> Result<u64, Failed> {
    Ok(5)
}

#[cached_aside(ttl = "5m", error_ttl = "5s", error_if = |error: &u64| *error == 5)]
async fn another_type() -> Result<u64, String> {
    Ok(5)
}

fn main() {}
