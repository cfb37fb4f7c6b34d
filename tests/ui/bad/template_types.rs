//! Values that a key can't write.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[derive(Debug)]
struct Debuggable {
    id: u64,
}

#[cached_aside(ttl = "5m", key = "user:{user}")]
async fn no_display(user: Debuggable) -> u64 {
    user.id
}

#[cached_aside(ttl = "5m", key = "user:{user.idd}")]
async fn no_field(user: Debuggable) -> u64 {
    user.id
}

#[cached_aside(ttl = "5m", key = "user:{name:08}")]
async fn width_of_a_text(name: &str) -> usize {
    name.len()
}

#[cached_aside(ttl = "5m", key = "users:{ids}:{page}")]
async fn a_list(ids: &[u64], page: Option<u64>) -> u64 {
    5
}

#[invalidates("user:{user}", "user:{result}")]
async fn no_display_in_a_write(user: &Debuggable) -> Debuggable {
    Debuggable { id: user.id }
}

fn main() {}
