//! The companions of a function need its name among the types.

#![allow(unused)]

use cached_aside::cached_aside;

mod user {}

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn user(id: u64) -> u64 {
    id
}

mod inside {
    #[allow(non_camel_case_types)]
    pub trait account {}

    #[cached_aside::cached_aside(ttl = "5m", key = "account:{id}")]
    pub async fn account(id: u64) -> u64 {
        id
    }
}

mod imported {
    use std::{thread, time};

    #[cached_aside::cached_aside(ttl = "5m", key = "time:{id}")]
    pub async fn time(id: u64) -> u64 {
        id
    }
}

mod crates {
    pub fn of(url: &tokio::time::Instant) -> std::time::Duration {
        url.elapsed()
    }

    #[cached_aside::cached_aside(ttl = "5m", key = "tokio:{id}")]
    pub async fn tokio(id: u64) -> u64 {
        id
    }
}

pub struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", key = "user:{id}", skip(self))]
    async fn user(&self, id: u64) -> u64 {
        id
    }

    fn user_key(&self) -> u64 {
        5
    }
}

fn main() {}
