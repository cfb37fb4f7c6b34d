//! A cached function that is private to another module says what to write before it.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

mod users {
    use cached_aside::cached_aside;

    pub struct Repo;

    impl Repo {
        #[cached_aside(ttl = "5m", key = "user:{id}", skip(self))]
        async fn load(&self, id: u64) -> u64 {
            id
        }

        #[cached_aside(ttl = "5m", key = "made:{id}")]
        async fn made(id: u64) -> u64 {
            id
        }
    }

    #[cached_aside(ttl = "5m", key = "name:{id}")]
    async fn load_name(id: u64) -> u64 {
        id
    }
}

#[invalidates(users::load_name(id))]
async fn a_function(id: u64) {}

#[invalidates(repo.load(id))]
async fn a_method(repo: &users::Repo, id: u64) {}

#[invalidates(users::Repo::made(id))]
async fn an_associated_function(id: u64) {}

fn main() {}
