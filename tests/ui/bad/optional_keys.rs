//! `?` asks for what there is in an `Option`; nothing panics once a write is done.

use cached_aside::{cached_aside, invalidates, updates};

#[cached_aside(ttl = "1m", key = "user:{id}")]
async fn load(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "user:{tenant}:{id}")]
async fn in_tenant(tenant: u64, id: u64) -> u64 {
    tenant + id
}

#[invalidates(load(id?))]
async fn no_option(id: u64) {
    let _ = id;
}

#[invalidates(load(result[0]), load(*result.first().unwrap()))]
async fn panics() -> Vec<u64> {
    vec![]
}

#[invalidates(in_tenant(tenant?, result))]
async fn both(tenant: Option<u64>) -> u64 {
    tenant.unwrap_or_default()
}

#[updates(load(id?))]
async fn update(id: Option<u64>) -> u64 {
    id.unwrap_or_default()
}

#[invalidates(load(result.id), "user:{result.id}")]
async fn field_of_an_option(id: u64) -> Result<Option<User>, ()> {
    Ok(Some(User { id, groups: vec![] }))
}

#[invalidates(load(user.groups[0]) for user in result, load({ let users = result; users[0].id }), load(Option::unwrap(result.first()).id))]
async fn panics_inside() -> Vec<User> {
    vec![]
}

struct User {
    id: u64,
    groups: Vec<u64>,
}

fn main() {}
