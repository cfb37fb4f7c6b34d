//! Keys that are named, and nothing is done with them.

#![deny(unused_must_use)]

use cached_aside::{cached_aside, keys};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

async fn save(ids: &[u64]) {
    keys![load_user(5)];
    keys![load_user(id) for id in ids, "users"];
}

fn main() {}
