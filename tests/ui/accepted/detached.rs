//! Writes that go on when their callers have gone.

#![deny(warnings)]
#![warn(clippy::pedantic)]
#![allow(clippy::unused_async, reason = "the bodies wait for nothing")]

use std::fmt::Display;

use cached_aside::{Cache, cached_aside, invalidates, updates};

#[derive(Clone)]
pub struct Repo<T> {
    cache: Cache,
    tenant: T,
}

#[cached_aside(ttl = "1m", key = "row:{id}")]
async fn row(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "name:{name}")]
async fn by_name(name: &str) -> usize {
    name.len()
}

/// Documented.
///
/// # Errors
///
/// Never.
#[invalidates(row(id), by_name(name), by_name(&result.1), row(id) for id in ids, detach)]
pub async fn save(id: u64, name: &str, ids: &[u64], _: &str, mut more: Vec<u64>) -> Result<(u64, String), std::io::Error> {
    more.push(id);
    tokio::task::yield_now().await;
    Ok((more.iter().chain(ids).sum(), format!("{name}!")))
}

impl<T: Display + Clone + Send + Sync + 'static> Repo<T> {
    #[invalidates("of:{self.tenant}", row(id), detach, cache = self.cache, when = id > 1)]
    pub async fn save(&self, id: u64) -> String {
        tokio::task::yield_now().await;
        format!("{}{id}", self.tenant)
    }

    #[updates(row(id), detach)]
    #[allow(clippy::unused_self)]
    async fn update(&self, id: u64) -> u64 {
        id + 1
    }

    #[invalidates("x", detach)]
    async fn take(self, text: impl Display + Send + 'static) -> String {
        format!("{}{text}", self.tenant)
    }

    #[invalidates("x", detach)]
    async fn of<U: Clone + Send + Sync + 'static>(value: &U) -> U {
        value.clone()
    }
}

/// It calls itself.
#[invalidates("depth:{depth}", detach)]
async fn recursive(depth: u64) -> u64 {
    if depth == 0 { 0 } else { Box::pin(recursive(depth - 1)).await + 1 }
}

/// A parameter may be configured out.
#[invalidates("configured:{id}", detach)]
async fn configured(id: u64, #[cfg(any())] absent: u8, #[cfg_attr(all(), cfg(all()), allow(unused))] there: u8) -> u64 {
    id
}

#[updates(row(id), detach)]
async fn conditionally_configured(id: u64, #[cfg_attr(all(), cfg(any()))] absent: u8) -> u64 {
    id
}

fn send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    let repo = Repo { cache: Cache::in_process(), tenant: 7 };
    assert_eq!((row(3).await, by_name("a").await, by_name("a!").await), (3, 1, 2));
    assert_eq!(send(save(1, "a", &[3, 4], "", vec![5])).await.unwrap(), (13, "a!".to_owned()));
    let left = || async { (row::key(3).peek().await.unwrap(), by_name::key("a").peek().await.unwrap(), by_name::key("a!").peek().await.unwrap()) };
    assert_eq!(left().await, (None, None, None));
    assert_eq!((send(repo.save(1)).await, repo.save(2).await), ("71".to_owned(), "72".to_owned()));
    assert_eq!(repo.update(5).await, 6);
    assert_eq!(row::key(5).peek().await.unwrap(), Some(6));
    assert_eq!(Repo::<u8>::of(&4).await, 4);
    assert_eq!(repo.take("x").await, "7x");
    assert_eq!(recursive(3).await, 3);
    assert_eq!((configured(1, 2).await, conditionally_configured(8).await), (1, 8));
    assert_eq!(row::key(8).peek().await.unwrap(), Some(8));
}
