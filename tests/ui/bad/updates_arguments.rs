//! What `#[updates]` can be given.

#![allow(unused)]

use cached_aside::{cached_aside, updates};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

async fn not_cached(id: u64) -> u64 {
    id
}

#[updates]
async fn nothing() -> u64 {
    5
}

#[updates(load_user)]
async fn no_call() -> u64 {
    5
}

#[updates("user:{id}")]
async fn template(id: u64) -> u64 {
    id
}

#[updates(load_user(result))]
async fn key_of_the_result() -> u64 {
    5
}

#[updates(load_user(id), guard = "off")]
async fn no_guard(id: u64) -> u64 {
    id
}

#[updates(load_user(id), settle = "1s")]
async fn settling(id: u64) -> u64 {
    id
}

#[updates(load_user(id), when = result > 5)]
async fn too_early(id: u64) -> u64 {
    id
}

#[updates(load_user(id))]
fn not_async(id: u64) -> u64 {
    id
}

fn main() {}
