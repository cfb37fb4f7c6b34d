//! Every generic parameter that nothing else tells apart is in the key or skipped.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", key = "count:{id}")]
async fn count<T, const N: usize>(id: u64) -> u64 {
    id
}

struct Repo<T>(T);

impl<T> Repo<T> {
    #[cached_aside(ttl = "5m", key = "count:{id}")]
    async fn count(id: u64) -> u64 {
        id
    }
}

trait Count {
    #[cached_aside(ttl = "5m", key = "count:{id}")]
    async fn count(id: u64) -> u64 {
        id
    }
}

fn main() {}
