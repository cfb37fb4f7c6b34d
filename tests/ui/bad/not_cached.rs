//! A call in `#[invalidates]` or `#[updates]` that is of no cached function says what to write.

#![allow(unused)]

use std::time::Duration;

use cached_aside::{Cached, cached_aside, invalidates, updates};

static NAME: Cached<String> = Cached::new("name", Duration::from_secs(300));

async fn plain(id: u64) -> u64 {
    id
}

mod users {
    use cached_aside::cached_aside;

    #[cached_aside(ttl = "5m", key = "user:{id}")]
    async fn private(id: u64) -> u64 {
        id
    }

    pub async fn not_cached(id: u64, kind: u8) -> u64 {
        id
    }
}

#[invalidates(plain(id))]
async fn of_a_function(id: u64) {}

#[updates(plain(id))]
async fn updates_of_a_function(id: u64) -> u64 {
    id
}

#[invalidates(users::not_cached(id, 5))]
async fn of_a_function_elsewhere(id: u64) {}

#[invalidates(users::private(id))]
async fn of_a_private_function(id: u64) {}

#[invalidates(NAME(id))]
async fn of_a_family(id: u64) {}

#[invalidates(plain::key(id))]
async fn of_a_companion(id: u64) {}

fn in_a_block() {
    async fn nested(id: u64) -> u64 {
        id
    }

    #[invalidates(nested(id))]
    async fn of_a_nested_function(id: u64) {}
}

struct Repo {
    tenant: u64,
}

impl Repo {
    #[cached_aside(ttl = "5m", key = "{self.tenant}:{id}")]
    async fn load(&self, id: u64) -> u64 {
        id
    }

    #[cached_aside(ttl = "5m", key = "made:{id}")]
    async fn made(id: u64) -> u64 {
        id
    }

    async fn uncached_method(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(load(id), made(id))]
    async fn without_self(&self, id: u64) {}

    #[invalidates(Repo::load(id), Self::load(id))]
    async fn by_type(&self, id: u64) {}

    #[invalidates(Self::load(id))]
    async fn nothing_to_call_it_on(id: u64) {}

    #[invalidates(self.uncached_method(id))]
    async fn of_a_method(&self, id: u64) {}

    #[updates(self.uncached_method(id))]
    async fn updates_of_a_method(&self, id: u64) -> u64 {
        id
    }
}

#[invalidates(repo.uncached_method(id), Repo::uncached_method(id))]
async fn of_a_method_elsewhere(repo: &Repo, id: u64) {}

trait Store {
    async fn get(&self, id: u64) -> u64;
    async fn set(&self, id: u64);
    async fn set_as(&self, id: u64);
}

impl Store for Repo {
    #[cached_aside(ttl = "5m", key = "store:{id}", skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(self.get(id))]
    async fn set(&self, id: u64) {}

    #[invalidates(<Self as Store>::get(id))]
    async fn set_as(&self, id: u64) {}
}

#[invalidates(repo.get(id))]
async fn of_a_trait(repo: &Repo, id: u64) {}

struct Service {
    repo: std::sync::Arc<Repo>,
}

impl Service {
    #[invalidates(self.repo.uncached_method(id), self.repo.get(id))]
    async fn of_a_field(&self, id: u64) {}
}

fn main() {}
