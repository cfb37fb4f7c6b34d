//! A mistake in the attribute of a cached function is the only one: those that name the function, and are right to, have none.

#![allow(unused)]

use std::{
    collections::HashMap,
    io::{Error, Result},
};

use cached_aside::{cached_aside, invalidates, invalidating, keys, updates};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub struct User {
    id: u64,
}

pub struct Db;

mod users {
    use super::*;

    #[cached_aside(ttl = "5", key = "user:{id}", skip(db))]
    pub async fn load_user(db: &Db, id: u64) -> Result<Option<User>> {
        Ok(None)
    }
}

#[invalidates(users::load_user(id?), users::load_user(result?.id))]
async fn save_user(id: Option<u64>) -> Option<User> {
    None
}

#[updates(users::load_user(user.id))]
async fn update_user(user: User) -> Result<User> {
    Ok(user)
}

#[cached_aside(users::load_user(id) for id in ids, skip(db))]
async fn load_users(db: &Db, ids: &[u64]) -> Result<HashMap<u64, User>> {
    Ok(HashMap::new())
}

async fn by_hand(ids: &[u64]) {
    invalidating(keys![users::load_user(id) for id in ids, users::load_user(7)], async {}).await;
    let _ = users::load_user::key(7);
}

// A parameter that is neither in the key nor skipped.
#[cached_aside(ttl = "5m", key = "name:{id}")]
async fn load_name(db: &Db, id: u64) -> Vec<String> {
    Vec::new()
}

#[invalidates(load_name(id) for id in ids)]
async fn rename(ids: Vec<u64>) {}

// A template that can't be understood.
#[cached_aside(ttl = "5m", key = "count:{nmae}:{of}", skip(db))]
async fn count(db: &Db, name: &str, of: u32) -> u64 {
    0
}

#[invalidates(count("all", 3))]
async fn reset() {}

pub struct Repo {
    tenant: u64,
}

impl Repo {
    #[cached_aside(ttl = "5m", key = "order:{self.tenant}:{id}", none = "5m")]
    async fn load(&self, id: u64) -> Option<u64> {
        None
    }

    #[cached_aside(key = "all")]
    async fn all() -> Vec<u64> {
        Vec::new()
    }

    #[invalidates(self.load(id), Repo::load(self, id), Repo::all())]
    async fn save(&self, id: u64) {}

    #[cached_aside(self.load(id) for id in ids)]
    async fn load_many(&self, ids: &[u64]) -> HashMap<u64, u64> {
        HashMap::new()
    }
}

fn main() {}
