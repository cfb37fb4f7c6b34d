//! A value that borrows can't be read back.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", key = "name:{name}")]
async fn shorten(name: &str) -> &str {
    &name[..1]
}

fn main() {}
