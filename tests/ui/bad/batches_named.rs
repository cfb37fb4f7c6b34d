//! Batches that are named where a key is meant.

#![allow(unused)]

use std::collections::HashMap;

use cached_aside::{cached_aside, invalidates, updates};

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct User(u64);

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> Option<User> {
    Some(User(id))
}

#[cached_aside(load_user(id) for id in ids)]
async fn load_users(ids: &[u64]) -> HashMap<u64, User> {
    ids.iter().map(|id| (*id, User(*id))).collect()
}

#[invalidates(load_users(ids))]
async fn save_users(ids: &[u64]) {
    let _ = ids;
}

#[updates(load_users(ids))]
async fn update_users(ids: &[u64]) -> User {
    User(ids[0])
}

#[cached_aside(load_users(id) for id in ids)]
async fn batch_over_a_batch(ids: &[u64]) -> HashMap<u64, User> {
    ids.iter().map(|id| (*id, User(*id))).collect()
}

struct Repo;

impl Repo {
    #[cached_aside(load_user(id) for id in ids, skip(self))]
    async fn load_users(&self, ids: &[u64]) -> HashMap<u64, User> {
        load_users::uncached(ids).await
    }

    #[invalidates(self.load_users(ids))]
    async fn save_users(&self, ids: &[u64]) {
        let _ = ids;
    }

    #[invalidates(Self::load_users(ids))]
    async fn save_users_of_type(ids: &[u64]) {
        let _ = ids;
    }

    #[cached_aside(self.load_users(id) for id in ids, skip(self))]
    async fn batch_over_a_batch(&self, ids: &[u64]) -> HashMap<u64, User> {
        load_users::uncached(ids).await
    }
}

fn main() {}
