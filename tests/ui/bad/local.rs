use cached_aside::cached_aside;
use serde::{Deserialize, Serialize};
use std::{cell::Cell, time::Duration};

#[derive(Serialize, Deserialize)]
struct User {
    id: u64,
}

#[cached_aside(ttl = "5m", key = "user:{id}", local = "1s")]
async fn user(id: u64) -> Option<User> {
    Some(User { id })
}

#[cached_aside(ttl = "5m", key = "cell:{id}", local = "1s")]
async fn cell(id: u64) -> Cell<u64> {
    Cell::new(id)
}

#[cached_aside(ttl = "5m", key = "short:{id}", local = "5ms")]
async fn short(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "long:{id}", local = "2m")]
async fn long(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "number:{id}", local = 1)]
async fn number(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "given:{id}", skip(local), local = local)]
async fn given(id: u64, local: Duration) -> u64 {
    let _ = local;
    id
}

#[cached_aside(ttl = "1s", key = "outlives:{id}", local = "2s")]
async fn outlives(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "mode:{id}", local_mode = "bounded")]
async fn mode(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "bound:{id}", local = "1s", local_mode = "bound")]
async fn bound(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "near:{id}", near_cache = "1s")]
async fn near(id: u64) -> u64 {
    id
}

fn main() {}
