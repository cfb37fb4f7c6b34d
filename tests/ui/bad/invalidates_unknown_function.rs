//! A call that `#[invalidates]` names is of a cached function.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

async fn not_cached(id: u64) -> u64 {
    id
}

mod users {}

#[invalidates(lod_user(id))]
async fn wrong_name(id: u64) {}

#[invalidates(users::load_user(id))]
async fn wrong_module(id: u64) {}

#[invalidates(not_cached(id))]
async fn plain_function(id: u64) {}

fn main() {
    let _ = load_user;
    let _ = not_cached;
}
