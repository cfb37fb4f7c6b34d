//! A mistyped function of an attribute is shown with the one that was meant.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates, updates};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

#[updates(load_usre(id))]
async fn with_two_letters_swapped(id: u64) -> u64 {
    id
}

struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", key = "team:{id}", skip(self))]
    async fn load_team(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(load_taem(id))]
    async fn a_method_without_self(&self, id: u64) {}
}

mod users {
    #[cached_aside::cached_aside(ttl = "5m", key = "name:{id}")]
    pub async fn load_name(id: u64) -> u64 {
        id
    }
}

#[invalidates(load_name(id))]
async fn one_of_another_module(id: u64) {}

#[invalidates(nothing_like_it(id))]
async fn one_that_is_nowhere(id: u64) {}

fn main() {}
