//! Which errors are stored, and for how long: neither without the other.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", error_ttl = "5s")]
async fn which_errors() -> Result<u64, String> {
    Ok(5)
}

#[cached_aside(ttl = "5m", error_if = |error: &String| error.is_empty())]
async fn how_long() -> Result<u64, String> {
    Ok(5)
}

#[cached_aside(ttl = "5m", error_ttl = "0s", error_if = |_| true)]
async fn no_time() -> Result<u64, String> {
    Ok(5)
}

#[cached_aside(ttl = "5m", error_ttl = "5s", error_if = true)]
async fn no_closure() -> Result<u64, String> {
    Ok(5)
}

fn main() {}
