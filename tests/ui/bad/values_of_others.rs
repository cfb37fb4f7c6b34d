//! Values of options as they are written elsewhere.

#![allow(unused)]

use std::{collections::HashMap, time::Duration};

use cached_aside::{Cache, cached_aside};

struct Db;

const MINUTE: Duration = Duration::from_secs(60);

#[cached_aside(ttl = "5m", key = "a:{}:{}", tenant, id)]
async fn positions(tenant: u64, id: u64) -> u64 {
    tenant + id
}

#[cached_aside(ttl = "5m", key = |tenant: u64, id: u64| format!("b:{tenant}:{id}"))]
async fn closure(tenant: u64, id: u64) -> u64 {
    tenant + id
}

#[cached_aside(ttl = "5m", key = "#id")]
async fn spring(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = 0, key = "c:{id}")]
async fn for_ever(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "PT5M", key = "d:{id}")]
async fn iso(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = 5 * MINUTE, key = "e:{id}")]
async fn number_first(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "f:{id}", skip(db), skip(cache), tags("all"), tags("of:{id}"))]
async fn skip_by_skip(db: &Db, cache: &Cache, id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "h:{id}", ttl_only = false)]
async fn off(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "i:{id}", crate = "cached_aside")]
async fn path_in_quotes(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "k:{id}", skip(db))]
async fn load_user(db: &Db, id: u64) -> Option<u64> {
    Some(id)
}

#[cached_aside(load_user(id) for id in ids, ignore(db))]
async fn load_users(db: &Db, ids: &[u64]) -> HashMap<u64, u64> {
    HashMap::new()
}

fn main() {}
