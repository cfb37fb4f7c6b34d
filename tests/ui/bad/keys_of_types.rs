//! Keys of types that have none: the compiler suggests nothing of the library's own.

#![allow(unused)]

use cached_aside::cached_aside;

struct User;

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

fn by_hand(id: u64) {
    User::key(id);
    u64::key(id);
}

fn main() {}
