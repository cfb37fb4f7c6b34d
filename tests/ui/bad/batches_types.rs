//! Batches whose types don't fit the function whose entries they load.

#![allow(unused)]

use std::collections::{BTreeMap, HashMap};

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
async fn no_map(ids: &[u64]) -> String {
    ids.len().to_string()
}

#[cached_aside(load_user(id) for id in ids)]
async fn an_iterator(ids: &[u64]) -> Result<std::vec::IntoIter<(u64, User)>, String> {
    Ok(ids.iter().map(|id| (*id, User(*id))).collect::<Vec<_>>().into_iter())
}

#[cached_aside(load_user(id) for id in ids)]
async fn optional(ids: &[u64]) -> Option<HashMap<u64, User>> {
    Some(ids.iter().map(|id| (*id, User(*id))).collect())
}

#[cached_aside(load_user(id) for id in ids)]
async fn options_of_another(ids: Vec<u64>) -> Result<BTreeMap<u64, Option<User>>, String> {
    Ok(ids.iter().map(|id| (*id, None)).collect())
}

#[cached_aside(load_user(id) for id in ids)]
async fn other_argument(ids: &[String]) -> HashMap<String, User> {
    ids.iter().map(|id| (id.clone(), User(0))).collect()
}

#[cached_aside(load_user(id) for id in ids)]
async fn no_iterator(ids: u64) -> HashMap<u64, User> {
    HashMap::from([(ids, User(ids))])
}

#[cached_aside(load_user(id) for id in ids)]
async fn no_lent_iterator(ids: &u64) -> HashMap<u64, User> {
    HashMap::from([(*ids, User(*ids))])
}

#[derive(PartialEq, Eq, Hash)]
struct Id(u64);

#[cached_aside(load_user(id.0) for id in ids)]
async fn not_cloned(ids: Vec<Id>) -> HashMap<Id, User> {
    ids.into_iter().map(|id| (Id(id.0), User(id.0))).collect()
}

#[cached_aside(load_user(id.0) for id in ids)]
async fn not_cloned_in_a_slice(ids: &[Id]) -> Vec<Option<User>> {
    ids.iter().map(|id| Some(User(id.0))).collect()
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

struct Repo;

impl Repo {
    async fn plain(&self, id: u64) -> Option<User> {
        Some(User(id))
    }

    #[cached_aside(self.plain(id) for id in ids)]
    async fn not_cached_method(&self, ids: &[u64]) -> HashMap<u64, User> {
        let _ = ids;
        HashMap::new()
    }

    #[cached_aside(Self::plain(id) for id in ids, skip(self))]
    async fn not_cached_function(&self, ids: &[u64]) -> HashMap<u64, User> {
        let _ = ids;
        HashMap::new()
    }
}

fn main() {
    let _ = plain;
}
