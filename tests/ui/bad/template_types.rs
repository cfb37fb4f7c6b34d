//! Values that a key can't write.

#![allow(unused)]

use cached_aside::cached_aside;

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

fn main() {}
