//! What is written is of the type that the cached function caches.

#![allow(unused)]

use cached_aside::{cached_aside, updates};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct User;

#[derive(Serialize, Deserialize)]
struct Account;

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> Result<Option<User>, String> {
    Ok(None)
}

#[updates(load_user(id))]
async fn another_type(id: u64) -> Result<Account, String> {
    Ok(Account)
}

#[updates(load_user(id))]
async fn no_value(id: u64) -> Result<(), String> {
    Ok(())
}

#[updates(load_user(id))]
async fn borrowed(id: u64, user: &User) -> &User {
    user
}

#[updates(load_user("seven"))]
async fn another_key() -> User {
    User
}

fn main() {}
