//! A list or an `Option` is given to a cached function that takes what is in it.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", skip(db))]
async fn load_name(db: &str, tenant: &str, id: u64) -> u64 {
    id
}

struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", key = "team:{id}", skip(self))]
    async fn load_team(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(self.load_team(teams))]
    async fn a_list_of_a_method(&self, teams: &[u64]) {}
}

#[invalidates(load_user(ids))]
async fn a_list(ids: Vec<u64>) {}

#[invalidates(load_user(id))]
async fn an_option(id: Option<u64>) {}

#[invalidates(load_name("a", id))]
async fn an_option_with_a_derived_key(id: Option<u64>) {}

fn main() {}
