//! An attribute names single keys: what else people write says what to write instead.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

#[invalidates(ids.iter().map(|id| load_user(*id)))]
async fn mapped(ids: &[u64]) {}

#[invalidates(load_user(*id) for id in ids)]
async fn comprehension(ids: &[u64]) {}

#[invalidates(for id in ids { load_user(*id) })]
async fn in_a_loop(ids: &[u64]) {}

#[invalidates([load_user(id), load_user(5)])]
async fn array(id: u64) {}

#[invalidates(vec![load_user(id), load_user(5)])]
async fn vector(id: u64) {}

#[invalidates(if id > 5 { load_user(id) })]
async fn condition(id: u64) {}

#[invalidates(load_user(id).await)]
async fn awaited(id: u64) {}

#[invalidates(format!("user:{id}"))]
async fn formatted(id: u64) {}

#[invalidates(key = "user:{id}")]
async fn named(id: u64) {}

fn main() {}
