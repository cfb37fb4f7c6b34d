//! What stands where a call does, and is none.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates, keys};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

#[invalidates(load_user(id) if id > 3)]
async fn a_condition(id: u64) {}

#[invalidates("user:{id}" if id > 3)]
async fn a_condition_of_a_template(id: u64) {}

#[invalidates(id)]
async fn a_parameter(id: u64) {}

#[invalidates(result)]
async fn the_result() -> u64 {
    5
}

#[invalidates(USER_KEY)]
async fn a_constant() {}

#[invalidates(load_user(id).key())]
async fn a_key_of_a_call(id: u64) {}

#[invalidates(keys = [load_user(id)])]
async fn a_list_of_keys(id: u64) {}

#[invalidates(prefix = "user")]
async fn a_prefix() {}

#[invalidates("user:{id?}", "user:{ids[3]}", "user:{result[0].id}")]
async fn what_there_is(id: Option<u64>, ids: Vec<u64>) -> Vec<User> {
    vec![]
}

struct User {
    id: u64,
}

fn an_expression(id: u64) {
    let _ = keys![load_user(id) if id > 3];
}

fn main() {}
