//! Keys that there are only if there is an argument.

#![deny(warnings)]

use cached_aside::{Cache, cached_aside, invalidates, keys, updates};

#[derive(Clone)]
pub struct User {
    pub id: u64,
    pub parent: Option<u64>,
    pub email: Option<String>,
}

#[cached_aside(ttl = "1m", key = "user:{id}")]
async fn load(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "email:{email}")]
async fn by_email(email: &str) -> usize {
    email.len()
}

#[invalidates(load(id?), by_email(email?), load(9))]
async fn by_value(id: Option<u64>, email: Option<String>) {
    drop((id, email));
}

#[invalidates(load(id?), by_email(email?), by_email(other?), when = true)]
async fn by_reference(id: &Option<u64>, email: &Option<String>, other: Option<&str>) -> Option<u64> {
    let _ = (email, other);
    Some(*id.as_ref()?)
}

#[invalidates(load(result?.id), load(result?.parent?), by_email(result?.email?))]
async fn of_result(user: Option<User>) -> Result<Option<User>, String> {
    Ok(user)
}

#[invalidates(load(result.first()?.id), load(user.parent?), "all")]
async fn of_list(user: &User) -> Vec<Id> {
    vec![Id { id: user.id }]
}

#[derive(Debug)]
pub struct Id {
    id: u64,
}

/// What a method of may not be there either.
#[derive(Default)]
pub struct Repo {
    shard: u64,
}

impl Repo {
    #[cached_aside(ttl = "1m", key = "of:{self.shard}:{id}")]
    async fn user(&self, id: u64) -> u64 {
        self.shard + id
    }

    async fn has(&self, id: u64) -> bool {
        Self::user_key(self, id).peek().await.unwrap().is_some()
    }
}

#[derive(Default)]
pub struct Shop {
    repo: Option<Repo>,
    written: std::cell::Cell<u32>,
}

impl Shop {
    #[invalidates(self.repo.as_ref()?.user(id?), self.repo?.user(2), load(9))]
    async fn write(&self, id: Option<u64>) -> Option<u64> {
        self.written.set(self.written.get() + 1);
        id
    }

    #[invalidates(self.repo?.user(result.id), result.repo?.user(result.id))]
    async fn of_both(&self, other: Option<Repo>) -> Result<Written, u64> {
        self.written.set(self.written.get() + 1);
        Ok(Written { id: 1, repo: other })
    }
}

/// A key whose method is one of the result.
#[derive(Debug)]
pub struct Written {
    id: u64,
    repo: Option<Repo>,
}

impl std::fmt::Debug for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}", self.shard)
    }
}

/// A key with a name of the result's in a string, which is not the result.
#[invalidates(by_email(&format!("{results}b")), by_email("{result}"))]
async fn of_another_name(results: &str) -> Result<(), String> {
    Err(results.to_owned())
}

/// What is evaluated for a key of the result waits for the condition, too.
#[invalidates(pair(ids[0], *result), when = !ids.is_empty())]
async fn when_there_is_one(ids: &[u64]) -> u64 {
    2
}

/// So does the cache.
#[invalidates(pair(3, one), when = !caches.is_empty(), cache = caches[0])]
async fn in_the_first(one: u64, caches: &[Cache]) {}

#[updates(pair(3, one), when = !caches.is_empty(), cache = caches[0])]
async fn updated_in_the_first(one: u64, caches: &[Cache]) -> u64 {
    7
}

#[invalidates(pair(3, *result), when = !caches.is_empty(), cache = caches[one as usize])]
async fn of_what_there_is(one: u64, caches: Vec<Cache>) -> u64 {
    drop(caches);
    1
}

#[cached_aside(ttl = "1m", key = "pair:{one}:{other}")]
async fn pair(one: u64, other: u64) -> u64 {
    one + other
}

async fn conditions() {
    pair(1, 2).await;
    assert_eq!(when_there_is_one(&[]).await, 2);
    assert!(pair::key(1, 2).peek().await.unwrap().is_some());
    assert_eq!(when_there_is_one(&[1]).await, 2);
    assert!(pair::key(1, 2).peek().await.unwrap().is_none());
    // Another cache than the one in scope.
    let caches = [Cache::in_process()];
    let cached = || async { caches[0].scope(async { pair::key(3, 1).peek().await.unwrap() }).await };
    caches[0].scope(pair(3, 1)).await;
    in_the_first(1, &[]).await;
    assert_eq!((updated_in_the_first(1, &[]).await, of_what_there_is(0, vec![]).await), (7, 1));
    assert_eq!(cached().await, Some(4));
    assert_eq!(updated_in_the_first(1, &caches).await, 7);
    assert_eq!(cached().await, Some(7));
    in_the_first(1, &caches).await;
    assert_eq!(cached().await, None);
    caches[0].scope(pair(3, 1)).await;
    of_what_there_is(0, caches.to_vec()).await;
    assert_eq!(cached().await, None);
}

async fn receivers() {
    let (empty, repo) = (Shop::default(), Repo { shard: 5 });
    let full = Shop { repo: Some(Repo::default()), ..Shop::default() };
    let of_full = Repo::default();
    for id in [1, 2] {
        of_full.user(id).await;
        repo.user(id).await;
    }
    stored().await;
    empty.write(Some(1)).await;
    assert_eq!(empty.written.get(), 1, "the body runs, whatever there is to delete");
    assert!(of_full.has(1).await);
    assert_eq!(there().await, [true, true, false, true]);
    full.write(None).await;
    assert!(of_full.has(1).await && !of_full.has(2).await);
    of_full.user(2).await;
    full.write(Some(1)).await;
    assert!(!of_full.has(1).await && !of_full.has(2).await);
    of_full.user(1).await;
    of_full.user(2).await;
    empty.of_both(None).await.unwrap();
    assert!(empty.written.get() == 2 && of_full.has(1).await && repo.has(1).await);
    empty.of_both(Some(Repo { shard: 5 })).await.unwrap();
    assert!(of_full.has(1).await && !repo.has(1).await && repo.has(2).await);
    full.of_both(None).await.unwrap();
    assert!(!of_full.has(1).await && of_full.has(2).await);
    assert_eq!(keys![empty.repo?.user(2), full.repo.as_ref()?.user(2)].len(), 1);
}

async fn names_in_strings() {
    stored().await;
    for email in ["{result}", "ab"] {
        by_email(email).await;
    }
    of_another_name("a").await.unwrap_err();
    for email in ["{result}", "ab"] {
        assert!(by_email::key(email).peek().await.unwrap().is_none(), "what fails may have written");
    }
}

async fn stored() -> [bool; 4] {
    load(1).await;
    load(2).await;
    load(9).await;
    by_email("a").await;
    there().await
}

async fn there() -> [bool; 4] {
    [
        load::key(1).peek().await.unwrap().is_some(),
        load::key(2).peek().await.unwrap().is_some(),
        load::key(9).peek().await.unwrap().is_some(),
        by_email::key("a").peek().await.unwrap().is_some(),
    ]
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    assert_eq!(stored().await, [true; 4]);
    by_value(None, None).await;
    assert_eq!(there().await, [true, true, false, true], "there is nothing but the one that is always there");
    stored().await;
    by_value(Some(1), Some("a".into())).await;
    assert_eq!(there().await, [false, true, false, false]);
    stored().await;
    by_reference(&None, &None, None).await;
    assert_eq!(there().await, [true; 4]);
    by_reference(&Some(2), &None, Some("a")).await;
    assert_eq!(there().await, [true, false, true, false]);
    stored().await;
    of_result(None).await.unwrap();
    assert_eq!(there().await, [true; 4]);
    of_result(Some(User { id: 1, parent: None, email: None })).await.unwrap();
    assert_eq!(there().await, [false, true, true, true]);
    of_result(Some(User { id: 1, parent: Some(2), email: Some("a".into()) })).await.unwrap();
    assert_eq!(there().await, [false, false, true, false]);
    stored().await;
    of_list(&User { id: 1, parent: None, email: None }).await;
    assert_eq!(there().await, [false, true, true, true]);
    receivers().await;
    names_in_strings().await;
    conditions().await;
}
