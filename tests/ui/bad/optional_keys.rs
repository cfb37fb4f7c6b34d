//! `?` asks for what there is in an `Option`; nothing panics once a write is done.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates, tags, updates};

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

#[invalidates(load(id), when = only?)]
async fn condition(id: u64, only: Option<bool>) -> Option<u64> {
    only.map(|_| id)
}

#[invalidates(load(id), when = matches!(text.parse::<u64>()?, 5))]
async fn inside_of_a_macro(id: u64, text: &str) -> Result<(), std::num::ParseIntError> {
    Ok(())
}

#[invalidates(by_text(&format!("{}", text?)), load(match id { Some(id) => id, None => return None }))]
async fn for_good(id: Option<u64>, text: Option<&str>) -> Option<u64> {
    id
}

#[invalidates(load(id), cache = caches.get(id)?)]
async fn of_no_cache(id: usize, caches: &[cached_aside::Cache]) -> Option<usize> {
    Some(id)
}

#[invalidates(load(id) for id in results.iter().map(|result| result.id))]
async fn another_result(results: &[User]) {}

#[cached_aside(ttl = "1m", key = "text:{text}")]
async fn by_text(text: &str) -> usize {
    text.len()
}

tags! {
    fn group(of: u64) = "group:{of}";
}

#[cached_aside(ttl = "1m", key = "of:{of:?}", tags(group(of?)))]
async fn tagged(of: Option<u64>) -> Option<u64> {
    of
}

struct Shop {
    users: Option<Repo>,
}

struct Repo;

impl Repo {
    #[cached_aside(ttl = "1m", key = "repo:{id}", skip(self))]
    async fn user(&self, id: u64) -> u64 {
        id
    }
}

impl Shop {
    #[updates(self.users?.user(id))]
    async fn update(&self, id: u64) -> u64 {
        id
    }

    #[cached_aside(self.users?.user(id) for id in ids)]
    async fn batch(&self, ids: &[u64]) -> std::collections::HashMap<u64, u64> {
        ids.iter().map(|id| (*id, *id)).collect()
    }
}

struct User {
    id: u64,
    groups: Vec<u64>,
}

fn main() {}
