//! Mistakes in lists of keys.

#![allow(unused)]

use std::time::Duration;

use cached_aside::{AnyKey, Cached, cached_aside, keys};

static NAME: Cached<String> = Cached::new("name", Duration::from_secs(300));

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

async fn not_cached(id: u64) -> u64 {
    id
}

fn syntax(ids: &[u64]) -> Vec<Vec<AnyKey>> {
    vec![
        keys![load_user],
        keys![NAME(5), load_user::key(5), NAME],
        keys![not_cached(5), not_cached(*id) for id in ids],
        keys![ids.iter().map(|id| load_user(*id))],
        keys![for id in ids { load_user(*id) }],
        keys![load_user(5), guard = "off"],
        keys![load_user(id) for id in ids if *id > 5, "{Self}", 5],
    ]
}

fn main() {}
