//! Values of the wrong type.

#![allow(unused)]

use cached_aside::cached_aside;

struct NoCodec;

#[cached_aside(ttl = "5m", codec = NoCodec)]
async fn codec() -> u64 {
    5
}

#[cached_aside(ttl = "5m", cache = 5)]
async fn cache() -> u64 {
    5
}

const VERSION: &str = "5";

#[cached_aside(ttl = "5m", version = VERSION)]
async fn version() -> u64 {
    5
}

fn main() {}
