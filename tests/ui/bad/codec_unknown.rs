//! Codecs that there are not: one error for each.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", key = "one", codec = Cbor)]
async fn one() -> u64 {
    5
}

struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", key = "four", codec = Jsno)]
    async fn four() -> u64 {
        5
    }
}

fn main() {}
