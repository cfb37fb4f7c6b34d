//! A value that borrows can't be read back.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", key = "name:{name}")]
async fn plain(name: &str) -> &str {
    &name[..1]
}

#[cached_aside(ttl = "5m", key = "name:{name}")]
async fn inside(name: &str) -> Result<Option<&'static str>, &str> {
    Err(&name[..1])
}

fn main() {}
