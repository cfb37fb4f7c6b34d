//! What is cached can be written and read back: one message, at the return type.

#![allow(unused)]

use cached_aside::cached_aside;

struct User {
    id: u64,
}

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> Result<Option<User>, String> {
    Ok(Some(User { id }))
}

fn main() {}
