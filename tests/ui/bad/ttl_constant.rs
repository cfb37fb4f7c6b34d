//! A TTL from a constant is checked when compiling too.

use std::time::Duration;

use cached_aside::{cached_aside, invalidates};

const NOTHING: Duration = Duration::ZERO;
const SECONDS: u64 = 5;

#[cached_aside(ttl = NOTHING)]
async fn zero() {}

#[cached_aside(ttl = Duration::from_secs(60), lease = Duration::from_secs(86_400))]
async fn long_lease() {}

#[invalidates("a", guard_for = NOTHING)]
async fn no_guard() {}

fn main() {}

#[cfg(any())]
#[cached_aside(ttl = SECONDS)]
async fn absent() {}
