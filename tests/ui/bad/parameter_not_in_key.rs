//! Every parameter is in the key or skipped.

#![allow(unused)]

use cached_aside::cached_aside;

struct Repo {
    tenant: u64,
}

struct Query {
    text: String,
}

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(tenant: u64, id: u64, db: &str) {}

#[cached_aside(ttl = "5m", key = "search")]
async fn search(Query { text }: Query) {}

struct State<T>(T);

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn handler(State(repo): State<Repo>, id: u64) {}

impl Repo {
    #[cached_aside(ttl = "5m", key = "user:{id}")]
    async fn template(&self, id: u64) {}

    #[cached_aside(ttl = "5m")]
    async fn derived(&self, id: u64) {}
}

fn main() {}
