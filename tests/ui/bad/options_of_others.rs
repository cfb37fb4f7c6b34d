//! Options of other caches and of other attributes: what each is here.

#![allow(unused)]

use cached_aside::cached_aside;

struct Db;

#[cached_aside(ttl = "5m", key = "a:{id}", option = true)]
async fn only_some(id: u64) -> Option<u64> {
    Some(id)
}

#[cached_aside(ttl = "5m", key = "b:{names}", unless = |names: &Vec<String>| names.is_empty())]
async fn veto(names: String) -> Vec<String> {
    vec![names]
}

#[cached_aside(ttl = "5m", key = "c:{id}", condition = id > 10)]
async fn by_the_arguments(id: u64) -> u64 {
    id
}

#[cached_aside(timeout = 300, key = "d:{id}")]
async fn django(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "e:{id}", result = true, sync_writes = true)]
async fn only_ok(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cached_aside(expire_after_write = "5m", key = "f:{id}")]
async fn moka(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1h", key = "g:{id}", tti = "5m")]
async fn idle(id: u64) -> u64 {
    id
}

#[cached_aside(ty = "TimedCache<u64, u64>", create = "{ TimedCache::with_lifespan(60) }", convert = r#"{ id }"#)]
async fn readme_of_cached(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "j:{id}", skip_all)]
async fn instrument(db: &Db, region: &str, id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "l:{id}", guard = "required", transaction = "required")]
async fn of_writes(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", vary_by(id))]
async fn by_parameters(id: u64) -> u64 {
    id
}

fn main() {}
