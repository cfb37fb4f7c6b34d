//! Borrow errors in the body too.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[cached_aside(ttl = "5m", key = "a:{name}")]
async fn moved_read(name: String) -> String {
    drop(name);
    name
}

#[invalidates("a:{name}")]
async fn moved_write(name: String) -> String {
    drop(name);
    name
}

fn main() {}
