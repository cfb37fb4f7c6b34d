//! Mistakes in lists of keys that the compiler finds.

#![allow(unused)]

use cached_aside::{AnyKey, cached_aside, keys};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

async fn not_cached(id: u64) -> u64 {
    id
}

fn types(ids: &[u64]) -> Vec<Vec<AnyKey>> {
    vec![
        keys![load_user("five")],
        keys![not_cached(5)],
        keys![load_usr(5)],
        keys!["user:{id}"],
        keys![load_user(id?) for id in ids],
        keys![ids.key(5)],
    ]
}

fn main() {}
