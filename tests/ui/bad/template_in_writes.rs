//! A write names the keys of entries: what an `Option` or a list prints as is in none of them.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates, keys};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "page:{page:?}")]
async fn load_page(page: Option<u64>) -> u64 {
    page.unwrap_or_default()
}

#[invalidates("user:{id}")]
async fn an_option(id: Option<u64>) {}

#[invalidates("user:{ids}")]
async fn a_list(ids: Vec<u64>) {}

#[invalidates("user:{result}")]
async fn a_list_as_result() -> Vec<u64> {
    vec![]
}

#[invalidates("page:{page:?}")]
async fn as_the_key_has_it(page: Option<u64>) {}

#[invalidates("user:{ids}:{kind}" for kind in kinds)]
async fn two_lists(ids: &[u64], kinds: &[u64]) {}

type Ids = Vec<u64>;

#[invalidates("user:{ids}")]
async fn a_list_under_another_name(ids: Ids) {}

fn an_expression(id: Option<u64>) {
    let _ = keys!["user:{id}"];
}

fn main() {}
