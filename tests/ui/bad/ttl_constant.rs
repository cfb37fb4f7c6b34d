//! A TTL from a constant is checked when compiling too.

#![allow(unused)]

use std::time::Duration;

use cached_aside::{cached_aside, invalidates};

const NOTHING: Duration = Duration::ZERO;

#[cached_aside(ttl = NOTHING)]
async fn zero() {}

#[cached_aside(ttl = Duration::from_secs(60), lease = Duration::from_secs(86_400))]
async fn long_lease() {}

#[invalidates("a", guard_for = NOTHING)]
async fn no_guard() {}

fn main() {}
