//! What is cached can be written and read back, also in methods.

#![allow(unused)]

use cached_aside::cached_aside;

struct User {
    id: u64,
}

struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", key = "user:{id}", skip(self))]
    async fn load_user(&self, id: u64) -> User {
        User { id }
    }
}

impl Default for Repo {
    fn default() -> Self {
        Repo
    }
}

trait Load {
    async fn load(&self, id: u64) -> User;
}

impl Load for Repo {
    #[cached_aside(ttl = "5m", key = "user:{id}", skip(self))]
    async fn load(&self, id: u64) -> User {
        User { id }
    }
}

fn main() {}
