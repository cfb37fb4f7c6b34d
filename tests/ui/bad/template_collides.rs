//! Templates under which two argument lists give one key.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", key = "user:{tenant}{id}")]
async fn adjacent(tenant: u64, id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{first}-{last}")]
async fn no_separator(first: &str, last: &str) {}

#[cached_aside(ttl = "5m", key = "{tenant}:{first}%{last}")]
async fn percent(tenant: u64, first: &str, last: &str) {}

fn main() {}
