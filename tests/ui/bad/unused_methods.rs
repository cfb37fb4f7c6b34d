//! The compiler warns of unused methods beside cached ones as it does without them, and not of companions.

#![deny(dead_code)]

use std::collections::HashMap;

use cached_aside::cached_aside;

struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", skip(self))]
    async fn used(&self, id: u64) -> u64 {
        id
    }

    async fn unused(&self) {}
}

#[cached_aside(ttl = "5m")]
async fn unused_function(id: u64) -> u64 {
    id
}

// A function is used by its batch, where that one is.
#[cached_aside(ttl = "5m", key = "used:{id}")]
async fn used_by_a_batch(id: u64) -> u64 {
    id
}

#[cached_aside(used_by_a_batch(id) for id in ids)]
async fn used_batch(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached_aside(ttl = "5m", key = "unused:{id}")]
async fn used_by_an_unused_batch(id: u64) -> u64 {
    id
}

#[cached_aside(used_by_an_unused_batch(id) for id in ids)]
async fn unused_batch(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

struct Teams;

impl Teams {
    #[cached_aside(ttl = "5m", key = "team:{id}", skip(self))]
    async fn used_by_a_batch(&self, id: u64) -> u64 {
        id
    }

    #[cached_aside(self.used_by_a_batch(id) for id in ids)]
    async fn used_batch(&self, ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, *id)).collect()
    }

    #[cached_aside(ttl = "5m", key = "associated:{id}")]
    async fn used_by_a_batch_too(id: u64) -> u64 {
        id
    }

    #[cached_aside(Self::used_by_a_batch_too(id) for id in ids)]
    async fn used_batch_too(ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, *id)).collect()
    }
}

fn main() {
    drop((used_batch(&[5]), Teams.used_batch(&[5]), Teams::used_batch_too(&[5])));
    drop(Repo.used(5));
}
