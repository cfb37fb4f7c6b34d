//! A TTL is required, and is a length of time.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside]
async fn no_arguments() {}

#[cached_aside(key = "a:{id}")]
async fn missing(id: u64) {}

#[cached_aside(ttl = "0s")]
async fn zero() {}

#[cached_aside(ttl = "5 parsecs")]
async fn not_a_duration() {}

#[cached_aside(ttl = "10us")]
async fn too_short() {}

#[cached_aside(ttl = 300)]
async fn number() {}

#[cached_aside(ttl = 5m)]
async fn without_quotes() {}

#[cached_aside(ttl = 1h 30m)]
async fn several_without_quotes() {}

#[cached_aside(ttl = 1.5)]
async fn fraction() {}

#[cached_aside(ttl = "5m", ttl = "6m")]
async fn twice() {}

#[cached_aside(ttl("5m"))]
async fn parenthesized() {}

#[cached_aside(ttl = )]
async fn nothing() {}

#[cached_aside(ttl = "1s", none_ttl = "never", lease = "0s", wait = 5)]
async fn the_others() {}

fn main() {}
