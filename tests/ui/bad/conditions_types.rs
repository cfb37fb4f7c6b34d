//! What decides by the value takes a reference to it, and nothing else.

#![allow(unused)]

use std::time::Duration;

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", store_if = |value: &String| value.is_empty())]
async fn another_type() -> Option<u64> {
    Some(5)
}

#[cached_aside(ttl = "5m", ttl_for = |value| 5)]
async fn no_duration() -> u64 {
    5
}

#[cached_aside(ttl = "5m", key = "capturing", skip(only), store_if = |value| *value > only)]
async fn capturing(only: u64) -> u64 {
    5
}

fn main() {}
