//! `none_ttl` is for functions that can return `None`.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", none_ttl = "1m")]
async fn plain() -> u64 {
    5
}

#[cached_aside(ttl = "5m", none_ttl = "1m")]
async fn result() -> Result<u64, String> {
    Ok(5)
}

fn main() {}
