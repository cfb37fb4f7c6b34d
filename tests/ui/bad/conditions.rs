//! What decides by the value.

#![allow(unused)]

use std::time::Duration;

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", store_if = true)]
async fn no_closure() -> u64 {
    5
}

#[cached_aside(ttl = "5m", ttl_for = |a, b| a)]
async fn two_values() -> u64 {
    5
}

fn main() {}
