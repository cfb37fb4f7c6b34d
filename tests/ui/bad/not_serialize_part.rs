//! What can't be cached is named, also where it is a part of the value.

#![allow(unused)]

use std::collections::HashMap;

use cached_aside::cached_aside;
use serde::{Deserialize, Serialize};

struct Bare;

#[derive(Serialize, Deserialize)]
struct User;

struct Json<T>(T);

#[cached_aside(ttl = "5m", key = "list")]
async fn list() -> Result<Vec<Bare>, String> {
    Ok(vec![])
}

#[cached_aside(ttl = "5m", key = "map")]
async fn map() -> HashMap<String, (u64, Option<Bare>)> {
    HashMap::new()
}

#[cached_aside(ttl = "5m", key = "handler")]
async fn handler() -> Json<User> {
    Json(User)
}

fn main() {}
