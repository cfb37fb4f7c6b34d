//! Nothing that is generated needs a lint to be allowed, and what is said of a function holds for its companions.

#![deny(warnings, clippy::too_many_arguments)]
#![forbid(dead_code, unused_variables, non_camel_case_types)]

use cached_aside::{Cache, KeyPart, cached_aside, invalidates, updates};

#[cached_aside(ttl = "5m", key = "k:{id}")]
async fn load(id: u64) -> u64 {
    id
}

/// Only the key uses them.
#[cached_aside(ttl = "5m", key = "{tenant}:{id}:{name}")]
async fn key_only(tenant: u64, id: u64, mut name: String) -> String {
    name.push('!');
    name
}

#[updates(key_only(1, id, "a".to_owned()))]
#[invalidates(load(id))]
async fn write(id: u64) -> String {
    id.to_string()
}

pub mod allowed {
    use super::*;

    #[allow(clippy::too_many_arguments)]
    #[cached_aside(ttl = "1m")]
    pub async fn many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
        a + b + c + d + e + f + g + h
    }

    #[allow(non_snake_case)]
    #[cached_aside(ttl = "1m")]
    pub async fn byId(userId: u8) -> u8 {
        userId
    }

    #[expect(non_snake_case)]
    #[cached_aside(ttl = "1m", key = "name:{userName}", skip(x))]
    pub async fn byName(userName: &str, x: u8) -> usize {
        userName.len() + usize::from(x)
    }

    #[deprecated]
    pub struct Old;

    #[allow(deprecated)]
    impl KeyPart for Old {
        fn write_key_part(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("old")
        }
    }

    #[allow(deprecated)]
    #[cached_aside(ttl = "1m")]
    pub async fn of_old(old: Old) -> u8 {
        let _ = old;
        1
    }

    #[deprecated]
    #[cached_aside(ttl = "1m", key = "old:{n}", stale_while_revalidate = "1m", refresh = "background")]
    pub async fn old(n: u8) -> u8 {
        n
    }
}

pub struct Repo;

impl Repo {
    #[deprecated(note = "it is slow")]
    #[cached_aside(ttl = "1m", key = "repo:{n}", skip(self))]
    pub async fn old(&self, n: u8) -> u8 {
        n
    }

    #[cached_aside(ttl = "1m", key = "new:{n}", skip(self))]
    async fn unused_companions(&self, n: u8) -> u8 {
        n
    }
}

/// What the key alone uses is used, also where every parameter is bound again.
#[async_trait::async_trait]
trait Boxed {
    async fn read(&self, id: u64) -> u64;
    async fn write(&self, id: u64, other: u64);
    async fn decided(&self, id: u64);
}

struct Store;

#[async_trait::async_trait]
impl Boxed for Store {
    #[cached_aside(ttl = "5m", key = "store:{id}", skip(self))]
    async fn read(&self, id: u64) -> u64 {
        1
    }

    #[invalidates("store:{id}", "other:{other}")]
    async fn write(&self, id: u64, mut other: u64) {
        other += 1;
        let _ = other;
    }

    #[invalidates("store:1", when = id == 1)]
    async fn decided(&self, id: u64) {}
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    assert_eq!(load(1).await, 1);
    assert_eq!(key_only(1, 2, "a".into()).await, "a!");
    assert_eq!(write(3).await, "3");
    assert_eq!(Repo.unused_companions(1).await, 1);
    assert_eq!(Store.read(1).await, 1);
    Store.write(1, 2).await;
    Store.decided(1).await;
}
