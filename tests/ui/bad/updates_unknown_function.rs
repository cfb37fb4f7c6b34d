//! A call that `#[updates]` names is of a cached function.

#![allow(unused)]

use cached_aside::updates;

async fn not_cached(id: u64) -> u64 {
    id
}

#[updates(lod_user(id))]
async fn wrong_name(id: u64) -> u64 {
    id
}

#[updates(not_cached(id))]
async fn plain_function(id: u64) -> u64 {
    id
}

fn main() {
    let _ = not_cached;
}
