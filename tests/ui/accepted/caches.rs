//! A cache that is chosen by an `if`, a `match` or a block, as it is or behind a reference.

#![deny(warnings)]

use std::{collections::HashMap, sync::LazyLock};

use cached_aside::{Cache, cached_aside, invalidates, updates};

static ONE: LazyLock<Cache> = LazyLock::new(Cache::in_process);
static OTHER: LazyLock<Cache> = LazyLock::new(Cache::in_process);

fn pick(id: u64) -> Cache {
    if id > 5 { ONE.clone() } else { OTHER.clone() }
}

#[cached_aside(ttl = "1m", key = "by-if:{id}", cache = if id > 5 { &*ONE } else { &*OTHER })]
async fn by_if(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "owned:{id}", cache = match id { 0 => pick(0), _ => { let next = id + 1; pick(next) } })]
async fn owned(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "taken:{id}", skip(one, other), cache = if id > 5 { &one } else { &other })]
async fn taken(id: u64, one: Cache, other: Cache) -> u64 {
    drop((one, other));
    id
}

#[derive(Clone)]
struct Repo {
    one: Cache,
    other: Cache,
}

#[invalidates("by-self:{id}", cache = if id > 5 { &repo.one } else { &repo.other }, detach)]
async fn detached(id: u64, repo: &Repo) {
    let _ = (id, repo);
}

impl Repo {
    #[cached_aside(ttl = "1m", key = "by-self:{id}", skip(self), cache = { &self.one })]
    async fn by_self(&self, id: u64) -> u64 {
        id
    }

    #[cached_aside(
        ttl = "1m",
        key = "by-match:{id}",
        skip(self),
        stale_while_revalidate = "1m",
        refresh = "background",
        cache = match id { 0 => &self.one, _ => &self.other }
    )]
    async fn by_match(&self, id: u64) -> u64 {
        id
    }

    #[cached_aside(self.by_self(id) for id in ids, cache = if ids.is_empty() { &self.other } else { &self.one })]
    async fn batch(&self, ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, *id)).collect()
    }

    #[invalidates(self.by_self(id), self.by_match(id), cache = { if id == 0 { &self.one } else { &self.other } })]
    async fn write(&self, id: u64) {
        let _ = id;
    }

    #[updates(self.by_self(id), cache = ({ &self.one }))]
    async fn update(&self, id: u64) -> u64 {
        id + 10
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    let repo = Repo { one: Cache::in_process(), other: Cache::in_process() };
    assert_eq!(by_if(6).await, 6);
    assert_eq!(by_if::key(6).peek().await.unwrap(), Some(6));
    assert_eq!(owned(6).await, 6);
    assert_eq!(taken(6, repo.one.clone(), repo.other.clone()).await, 6);
    assert_eq!(repo.by_self(1).await, 1);
    assert_eq!(repo.by_match(1).await, 1);
    assert_eq!(repo.update(1).await, 11);
    assert_eq!(repo.batch(&[1]).await[&1], 11);
    repo.write(1).await;
    assert_eq!(repo.by_self(1).await, 1);
    detached(1, &repo).await;
}
