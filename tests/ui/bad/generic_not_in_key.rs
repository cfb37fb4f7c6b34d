//! Every generic parameter that nothing else tells apart is in the key or skipped.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", key = "count:{id}")]
async fn count<T, const N: usize>(id: u64) -> u64 {
    id
}

struct Repo<T>(T);

impl<T> Repo<T> {
    #[cached_aside(ttl = "5m", key = "count:{id}")]
    async fn count(id: u64) -> u64 {
        id
    }
}

trait Count {
    #[cached_aside(ttl = "5m", key = "count:{id}")]
    async fn count(id: u64) -> u64 {
        id
    }
}

/// In the return type: two instantiations would evict each other's entries.
#[cached_aside(ttl = "5m", key = "any:{id}")]
async fn any<T: serde::Serialize + serde::de::DeserializeOwned>(id: u64) -> Option<T> {
    None
}

trait Named: Sync {
    fn name(&self) -> &'static str;

    #[cached_aside(ttl = "5m", key = "greeting:{id}", skip(self))]
    async fn greeting(&self, id: u64) -> String {
        format!("{} {id}", self.name())
    }
}

trait Sized<T, const N: usize>: Sync {
    #[cached_aside(ttl = "5m", key = "size:{id}", skip(self, Self))]
    async fn size(&self, id: u64) -> u64 {
        id
    }
}

trait Size<T> {
    async fn size(&self, id: u64) -> u64;
}

impl<T> Size<T> for Repo<T> {
    #[cached_aside(ttl = "5m", key = "size:{id}", skip(self))]
    async fn size(&self, id: u64) -> u64 {
        id
    }
}

impl<T> Size<T> for u8 {
    #[cached_aside(ttl = "5m", key = "size:{id}", skip(self))]
    async fn size(&self, id: u64) -> u64 {
        id
    }
}

trait Blanket {
    async fn blanket(&self, id: u64) -> u64;
}

impl<T> Blanket for Box<T> {
    #[cached_aside(ttl = "5m", key = "blanket:{id}", skip(self))]
    async fn blanket(&self, id: u64) -> u64 {
        id
    }
}

macro_rules! filled_in {
    ($parameter:ident) => {
        impl<$parameter> Repo<$parameter> {
            #[cached_aside(ttl = "5m", key = "filled:{id}")]
            async fn filled_in(id: u64) -> u64 {
                id
            }

            #[cached_aside(ttl = "5m", key = "named:{T}:{id}")]
            async fn named(id: u64) -> u64 {
                id
            }
        }
    };
}

filled_in!(T);

fn main() {}
