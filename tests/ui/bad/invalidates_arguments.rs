//! What `#[invalidates]` can be given.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> u64 {
    id
}

#[invalidates]
async fn nothing() {}

#[invalidates(guard = "off")]
async fn only_options() {}

#[invalidates(load_user)]
async fn no_call() {}

#[invalidates(5, "a" + "b")]
async fn neither() {}

#[invalidates("a", guard = "requierd")]
async fn near_policy() {}

#[invalidates("a", guard = "always")]
async fn far_policy() {}

#[invalidates("a", guard = required)]
async fn policy_without_quotes() {}

#[invalidates("a", guard = "off", guard_for = "5s", settle = "1s", wait_replicas = 1)]
async fn no_guard() {}

#[invalidates("a", when = result > 5)]
async fn too_early() -> u64 {
    5
}

#[invalidates(load_user(result.id))]
async fn call_with_result(result: u64) {}

#[invalidates("user:{result}")]
async fn template_with_result(result: u64) {}

#[invalidates(load_user(id), skip(db))]
async fn option_of_reads(db: &str, id: u64) {}

struct Repo {
    tenant: u64,
}

impl Repo {
    #[cached_aside(ttl = "5m", key = "of:{self.tenant}:{id}")]
    async fn load(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(self.load(result))]
    async fn change(&mut self) -> u64 {
        self.tenant += 1;
        self.tenant
    }
}

#[invalidates(repo.load(result))]
async fn change(repo: &mut Repo) -> u64 {
    repo.change().await
}

fn main() {}
