//! A part of a parameter is not in the key under its own name.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

struct Path<T>(T);
struct Query<T>(T);

struct Filter {
    text: String,
}

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn handler(Path(id): Path<u64>) {}

#[cached_aside(ttl = "5m", key = "user:{tenant}:{id}")]
async fn two(Path((tenant, id)): Path<(u64, u64)>) {}

#[cached_aside(ttl = "5m", key = "search:{text}")]
async fn search(Query(Filter { text }): Query<Filter>) {}

#[cached_aside(ttl = "5m", key = "search:{filter.text}")]
async fn by_field(Query(filter): Query<Filter>) {}

#[cached_aside(ttl = "5m")]
async fn derived(Path(id): Path<u64>) {}

#[invalidates("user:{id}")]
async fn save(Path(id): Path<u64>) {}

#[invalidates("user:{id}")]
async fn a_reference(&id: &u64) {}

#[derive(Clone, Copy)]
struct Author {
    id: u64,
}

struct Post {
    id: u64,
    author: Author,
}

#[cached_aside(ttl = "5m", key = "page:{author.id}")]
async fn beside_the_whole(post @ Post { author, .. }: Post) {}

#[invalidates("user:{author.id}")]
async fn save_beside_the_whole(post @ Post { author, .. }: Post) {}

#[invalidates("user:{first}")]
async fn an_array([first, second]: [u64; 2]) {}

#[cached_aside(ttl = "5m")]
async fn an_array_in_a_derived_key([first, second]: [u64; 2]) {}

struct State<T>(T);
struct App {
    cache: cached_aside::Cache,
}

#[cached_aside(ttl = "5m", key = "user:{id}", cache = app.cache, skip(app))]
async fn in_its_cache(State(app): State<App>, id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{id}", cache = first, skip(first, second))]
async fn in_the_first([first, second]: [cached_aside::Cache; 2], id: u64) {}

#[cached_aside(ttl = "5m", key = "of:{tenant}:{id}")]
async fn of(tenant: u64, id: u64) -> u64 {
    id
}

#[cached_aside(of(tenant, id) for id in ids, cache = app.cache, skip(app))]
async fn many(State(app): State<App>, Path(tenant): Path<u64>, ids: &[u64]) -> Vec<Option<u64>> {
    Vec::new()
}

fn main() {}
