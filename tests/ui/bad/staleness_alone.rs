//! Options about old values that would be without effect.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", refresh = "background")]
async fn nothing_is_given_meanwhile() {}

#[cached_aside(ttl = "5m", refresh = "background", stale_if_error = "1h")]
async fn a_load_must_fail_first() -> Result<u64, String> {
    Ok(5)
}

#[cached_aside(ttl = "5m", refresh = "inline")]
async fn nothing_is_reloaded() {}

#[cached_aside(ttl = "5m", load_timeout(soft = "100ms"))]
async fn no_old_value() {}

#[cached_aside(ttl = "5m", stale_while_revalidate = "1m", load_timeout(soft = "2s", hard = "2s"))]
async fn soft_as_long_as_hard() -> Result<u64, cached_aside::Error> {
    Ok(5)
}

#[cached_aside(ttl = "5m", stale_if_error = "1m")]
async fn never_fails() -> Option<u64> {
    Some(5)
}

#[cached_aside(ttl = "5m", load_timeout(hard = "1s"))]
async fn can_not_say_so() -> Result<u64, String> {
    Ok(5)
}

#[cached_aside(ttl = "5m", load_timeout(hard = "1s"))]
async fn has_no_error() -> u64 {
    5
}

fn main() {}
