//! Lists of keys in expressions.

#![deny(warnings)]
#![warn(clippy::pedantic)]
#![allow(clippy::unused_async, reason = "the bodies wait for nothing")]

use std::time::Duration;

use cached_aside::{AnyKey, Cache, Cached, cached_aside, invalidate, invalidating, keys};

#[cached_aside(ttl = "1m", key = "user:{id}")]
async fn user(id: u64) -> u64 {
    id
}

mod names {
    use super::cached_aside;

    #[cached_aside(ttl = "1m", key = "name:{name}")]
    pub async fn by_name(name: &str) -> usize {
        name.len()
    }
}

struct Repo {
    cache: Cache,
    tenant: u32,
}

impl Repo {
    #[cached_aside(ttl = "1m", key = "of:{self.tenant}:{id}", cache = self.cache)]
    async fn user(&self, id: u64) -> u64 {
        id
    }

    #[cached_aside(ttl = "1m", key = "count")]
    async fn count() -> u64 {
        1
    }

    fn all(&self) -> Vec<AnyKey> {
        keys![self.user(1), Self::count(), Repo::count(), "tenant:{self.tenant}"]
    }
}

struct Line {
    id: u64,
    name: Option<String>,
}

static ROW: Cached<u64> = Cached::new("row", Duration::from_secs(60));

macro_rules! of_macro {
    ($id:expr) => {
        keys![user($id), "user:{other}" for other in [$id]]
    };
}

fn texts(keys: &[AnyKey]) -> Vec<&str> {
    keys.iter().map(AnyKey::as_str).collect()
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    let (lines, tenant) = ([Line { id: 1, name: Some("a b".into()) }, Line { id: 2, name: None }], 7);
    // A variable is called as a function is.
    let user = user(3).await;
    let keys = keys![
        user(user),
        names::by_name("x"),
        user(line.id) for line in lines,
        names::by_name(line.name?) for line in &lines,
        user(id?) for id in [None, Some(9)],
        "tenant:{tenant:04}",
        "line:{tenant}:{line.id}" for line in lines,
        ROW.key((tenant, 1)),
        ROW.key(id) for id in 1..3,
    ];
    let expected = [
        "user:3", "name:x", "tenant:0007", "row:7:1", "user:1", "user:2", "name:a%20b", "user:9", "line:7:1", "line:7:2", "row:1",
        "row:2",
    ];
    assert_eq!(texts(&keys), expected);
    assert_eq!(texts(&of_macro!(5)), ["user:5", "user:5"]);
    let repo = Repo { cache: Cache::in_process(), tenant: 4 };
    assert_eq!(texts(&repo.all()), ["of:4:1", "count", "count", "tenant:4"]);
    assert_eq!((repo.user(1).await, Repo::count().await, names::by_name("x").await), (1, 1, 1));
    let peek = || async { (user::key(3).peek().await.unwrap(), repo.user_key(1).peek().await.unwrap()) };
    assert_eq!(peek().await, (Some(3), Some(1)));
    invalidate(keys![user(user)]).await;
    invalidating(repo.all(), async {}).await;
    // One alone, and one that there may be.
    invalidating(names::by_name::key("x"), async {}).await;
    invalidate(&names::by_name::key("x")).await;
    invalidate(names::by_name::key("x").in_cache(&repo.cache)).await;
    invalidate(AnyKey::from(self::user::key(3))).await;
    invalidate(Some(self::user::key(3)).filter(|_| user > 3)).await;
    assert_eq!(peek().await, (None, None));
    let cache = Cache::current().unwrap();
    cache.invalidate_keys(keys![user(1)]).await.unwrap();
    cache.guard(keys![user(1), names::by_name("x")]).await.unwrap().release().await.unwrap();
}
