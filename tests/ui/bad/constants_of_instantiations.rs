//! What an attribute fixes is one for all instantiations.

#![allow(unused)]

use std::time::Duration;

use cached_aside::{cached_aside, invalidates};

struct Repo<T>(T);

trait Lives {
    const TTL: Duration;
}

impl<T: Lives + Sync> Repo<T> {
    const TTL: Duration = Duration::from_secs(5);

    #[cached_aside(ttl = Self::TTL, key = "self:{id}", skip(self, T))]
    async fn of_self(&self, id: u64) -> u64 {
        id
    }

    #[cached_aside(ttl = T::TTL, key = "parameter:{id}", skip(self, T))]
    async fn of_a_parameter(&self, id: u64) -> u64 {
        id
    }

    #[invalidates("self:{id}", guard_for = Self::TTL)]
    async fn of_a_write(&self, id: u64) {}
}

trait Load: Lives + Sync {
    #[cached_aside(ttl = Self::TTL, key = "default:{Self}:{id}", skip(self))]
    async fn of_a_trait(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
