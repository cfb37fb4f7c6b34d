//! A TTL that is not a string is a constant of type `Duration`.

#![allow(unused)]

use std::time::Duration;

use cached_aside::{cached_aside, invalidates};

const SECONDS: u64 = 5;
const TEXT: &str = "5m";

fn compute() -> Duration {
    Duration::from_secs(5)
}

#[cached_aside(ttl = SECONDS)]
async fn another_type() {}

#[cached_aside(ttl = compute())]
async fn not_constant() {}

#[cached_aside(ttl = ttl, skip(ttl))]
async fn a_parameter(ttl: Duration) {
    let _ = ttl;
}

#[cached_aside(ttl = "5m", wait = 5 * 60)]
async fn a_product() {}

#[cached_aside(ttl = TEXT)]
async fn a_text() {}

#[invalidates("a", guard_for = SECONDS, settle = pause)]
async fn a_write(pause: Duration) {}

struct Repo {
    ttl: Duration,
}

impl Repo {
    #[cached_aside(ttl = self.ttl, skip(self))]
    async fn a_field(&self) {}
}

fn main() {}
