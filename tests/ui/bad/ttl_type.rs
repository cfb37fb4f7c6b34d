//! A TTL that is not a string is a constant of type `Duration`.

#![allow(unused)]

use std::time::Duration;

use cached_aside::cached_aside;

const SECONDS: u64 = 5;

fn compute() -> Duration {
    Duration::from_secs(5)
}

#[cached_aside(ttl = SECONDS)]
async fn another_type() {}

#[cached_aside(ttl = compute())]
async fn not_constant() {}

#[cached_aside(ttl = ttl, skip(ttl))]
async fn a_parameter(ttl: Duration) {
    let _ = ttl;
}

fn main() {}
