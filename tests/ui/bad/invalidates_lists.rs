//! Lists of keys in `#[invalidates]`: what people write instead of a `for` says what to write.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates, updates};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

#[invalidates(ids.iter().map(|id| load_user(*id)))]
async fn mapped(ids: &[u64]) {}

#[invalidates(for id in ids { load_user(*id) })]
async fn in_a_loop(ids: &[u64]) {}

#[invalidates(load_user(id) for id)]
async fn no_list(ids: &[u64]) {}

#[invalidates(load_user(id) for)]
async fn no_name(ids: &[u64]) {}

#[invalidates(load_user(id) for id in)]
async fn nothing_behind_in(ids: &[u64]) {}

#[invalidates(load_user(id) for id in ids if id > 3)]
async fn filtered(ids: &[u64]) {}

#[invalidates(load_user(id) for ids in all for id in ids)]
async fn twice(all: &[Vec<u64>]) {}

#[invalidates(load_user(result) for result in ids)]
async fn named_as_the_result(ids: &[u64]) {}

#[invalidates(load_user(id) for id in result[0])]
async fn may_panic() -> Vec<Vec<u64>> {
    vec![]
}

#[invalidates(load_user(id) for Some(id) in ids)]
async fn may_not_fit(ids: &[Option<u64>]) {}

#[invalidates("user:{di}" for id in ids)]
async fn mistyped_in_a_template(ids: &[u64]) {}

#[updates(load_user(id) for id in ids)]
async fn updated(ids: &[u64]) -> u64 {
    5
}

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

#[invalidates([load_user(id) for id in ids])]
async fn in_brackets(ids: &[u64]) {}

#[invalidates(for id in ids load_user(id))]
async fn list_first(ids: &[u64]) {}

#[invalidates(tags(for id in ids "user:{id}"))]
async fn list_first_of_a_tag(ids: &[u64]) {}

fn main() {}
