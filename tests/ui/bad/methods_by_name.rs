//! Methods are not named as functions are, also where tests stand beside them, and a key of `self` needs one.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

pub struct Repo {
    tenant: u64,
}

impl Repo {
    #[cached_aside(ttl = "5m", key = "user:{self.tenant}:{id}")]
    async fn load(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(load(id))]
    async fn save(&self, id: u64) {}
}

#[invalidates(Repo::load(id))]
async fn save(repo: &Repo, id: u64) {
    repo.load(id).await;
}

#[cfg(test)]
mod tests {
    use super::*;
}

fn main() {}
