//! The compiler warns of unused methods beside cached ones as it does without them, and not of companions.

#![deny(dead_code)]

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

fn main() {
    drop(Repo.used(5));
}
