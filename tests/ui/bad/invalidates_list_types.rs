//! Lists of keys in `#[invalidates]`: what the compiler finds.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

struct Repo;

impl Repo {
    fn key(&self, id: u64) -> String {
        id.to_string()
    }
}

#[invalidates(load_user(id) for id in ids)]
async fn an_iterator(ids: impl IntoIterator<Item = u64>) {}

#[invalidates(load_user(id) for id in id)]
async fn no_list(id: u64) {}

#[invalidates(load_user(name) for name in names)]
async fn wrong_type(names: &[String]) {}

#[invalidates(load_user(user.idd) for user in users)]
async fn wrong_field(users: &[(u64, u64)]) {}

#[invalidates(load_usr(id) for id in ids)]
async fn mistyped(ids: &[u64]) {}

#[invalidates(repo.key(5))]
async fn no_key(repo: &Repo) {}

fn main() {}
