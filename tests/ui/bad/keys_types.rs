//! Mistakes in lists of keys that the compiler finds.

#![allow(unused)]

use cached_aside::{AnyKey, cached_aside, keys};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

mod inner {
    pub async fn not_cached(id: u64) -> u64 {
        id
    }
}

fn not_cached() -> Vec<Vec<AnyKey>> {
    async fn nested(id: u64) -> u64 {
        id
    }
    vec![keys![inner::not_cached(5)], keys![nested(5)]]
}

fn types(ids: &[u64]) -> Vec<Vec<AnyKey>> {
    vec![
        keys![load_user("five")],
        keys![load_usr(5)],
        keys!["user:{id}"],
        keys![load_user(id?) for id in ids],
        keys![ids.key(5)],
    ]
}

fn main() {}
