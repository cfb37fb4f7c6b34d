//! A function behind `#[async_trait]` has no companions: `#[invalidates]` says what to write instead.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[async_trait::async_trait]
trait Users {
    async fn user_name(&self, id: u64) -> String;
    async fn rename(&self, id: u64);
}

struct Repo;

#[async_trait::async_trait]
impl Users for Repo {
    #[cached_aside(ttl = "5m", key = "name:{id}", skip(self))]
    async fn user_name(&self, id: u64) -> String {
        id.to_string()
    }

    #[invalidates(self.user_name(id))]
    async fn rename(&self, id: u64) {}
}

fn main() {}
