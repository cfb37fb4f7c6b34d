//! Every placeholder names a parameter.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

struct Repo {
    tenant: u64,
}

struct Query {
    text: String,
}

#[cached_aside(ttl = "5m", key = "user:{idd}")]
async fn near(id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{customer}")]
async fn far(id: u64, kind: u8) {}

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn none() {}

#[cached_aside(ttl = "5m", key = "user:{result}")]
async fn the_result(id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{text}")]
async fn part_of_a_pattern(Query { text }: Query) {}

#[cached_aside(ttl = "5m", key = "{T.id}")]
async fn field_of_a_type<T>() {}

impl Repo {
    #[cached_aside(ttl = "5m", key = "user:{self}")]
    async fn whole_self(&self) {}

    #[cached_aside(ttl = "5m", key = "user:{tenant}")]
    async fn field_without_self(&self) {}
}

#[invalidates("user:{idd}")]
async fn save(id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{user}")]
async fn one_name_is_one_mistake(user_id: u64) -> u64 {
    user_id
}

#[cached_aside(ttl = "5m", key = "user:{user}")]
async fn and_the_other_parameter_is_another(user_id: u64, tenant: u64) -> u64 {
    user_id + tenant
}

fn main() {}
