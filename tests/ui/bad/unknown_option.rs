//! Options that don't exist.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[cached_aside(tll = "5m")]
async fn near() {}

#[cached_aside(ttl = "5m", nothing_like_it = "6m")]
async fn far() {}

#[cached_aside(expires = "5m", negative_ttl = "1s", ignore(db))]
async fn names_of_other_caches(db: &str) {}

#[cached_aside(ttl = "5m", namespace = "shop")]
async fn what_the_cache_has() {}

#[cached_aside(ttl = "5m", "user:{id}")]
async fn not_an_option(id: u64) {}

#[cached_aside(ttl = "5m" key = "a")]
async fn no_comma() {}

#[invalidates("a", gaurd = "off")]
async fn near_write() {}

#[invalidates("a", ttl = "5m")]
async fn far_write() {}

#[invalidates("a", condition = true)]
async fn name_of_another_cache() {}

#[cached_aside(ttl = "5m", key = "twice:{id}")]
#[cached_aside(ttl = "1m", key = "twice:{id}")]
async fn the_attribute_twice(id: u64) -> u64 {
    id
}

fn main() {}
