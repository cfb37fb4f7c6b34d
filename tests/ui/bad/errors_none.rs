//! `error_ttl` is for functions that can fail.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", error_ttl = "5s", error_if = |_| true)]
async fn no_result() -> Option<u64> {
    Some(5)
}

fn main() {}
