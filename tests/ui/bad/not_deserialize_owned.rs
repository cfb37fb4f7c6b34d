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

#[cached_aside(ttl = "5m", key = "name:{name}")]
async fn in_a_tuple(name: &str) -> Result<(Vec<u8>, Option<&str>), ()> {
    Ok((vec![], Some(name)))
}

#[cached_aside(ttl = "5m", key = "name:{name}")]
async fn in_a_list(name: &str) -> Vec<&str> {
    vec![name]
}

#[cached_aside(ttl = "5m", key = "name:{name}")]
async fn in_an_array(name: &str) -> [&str; 1] {
    [name]
}

fn main() {}
