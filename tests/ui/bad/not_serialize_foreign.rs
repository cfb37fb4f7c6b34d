//! Types of others that can't be cached: nobody can write a `derive` above them.

#![allow(unused)]

use std::time::Instant;

use cached_aside::cached_aside;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct User;

/// Stands for that of the standard library, which another crate of these tests has made cacheable.
struct Arc<T>(T);

#[cached_aside(ttl = "5m", key = "pointer")]
async fn pointer() -> Result<Option<Arc<User>>, String> {
    Ok(None)
}

#[cached_aside(ttl = "5m", key = "time")]
async fn time() -> Instant {
    Instant::now()
}

fn main() {}
