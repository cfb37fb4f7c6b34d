//! Batches whose types don't fit the function whose entries they load.

#![allow(unused)]

use std::collections::HashMap;

use cached_aside::{cached_aside, invalidates};

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct User(u64);

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> Option<User> {
    Some(User(id))
}

#[cached_aside(load_user(id) for id in ids)]
async fn other_value(ids: &[u64]) -> HashMap<u64, String> {
    ids.iter().map(|id| (*id, String::new())).collect()
}

#[cached_aside(load_user(u64::from(id)) for id in ids)]
async fn other_key(ids: &[u32]) -> Result<HashMap<u64, User>, String> {
    Ok(ids.iter().map(|id| (u64::from(*id), User(0))).collect())
}

#[cached_aside(load_user(id) for id in ids)]
async fn no_options(ids: &[u64]) -> Vec<User> {
    ids.iter().map(|id| User(*id)).collect()
}

#[cached_aside(load_user(id) for id in ids)]
async fn other_argument(ids: &[String]) -> HashMap<String, User> {
    ids.iter().map(|id| (id.clone(), User(0))).collect()
}

#[cached_aside(load_user(id) for id in ids)]
async fn no_iterator(ids: u64) -> HashMap<u64, User> {
    HashMap::from([(ids, User(ids))])
}

#[cached_aside(load_usr(id) for id in ids)]
async fn no_function(ids: &[u64]) -> HashMap<u64, User> {
    let _ = ids;
    HashMap::new()
}

async fn plain(id: u64) -> Option<User> {
    Some(User(id))
}

#[cached_aside(plain(id) for id in ids)]
async fn not_cached(ids: &[u64]) -> HashMap<u64, User> {
    let _ = ids;
    HashMap::new()
}

#[cached_aside(load_user(id) for id in ids)]
async fn load_users(ids: &[u64]) -> HashMap<u64, User> {
    ids.iter().map(|id| (*id, User(*id))).collect()
}

#[invalidates(load_users(ids))]
async fn save_users(ids: &[u64]) {
    let _ = ids;
}

fn main() {
    let _ = plain;
}
